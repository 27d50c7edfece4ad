package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestAliceWritesAndAnAssistantAnswers is the two minutes in which somebody sees what the product is.
func TestAliceWritesAndAnAssistantAnswers(t *testing.T) {
	s := start(t, nil, "--sandbox")
	b := open(t, s.workspace)
	b.sees(".try", s.Base+"/mcp")
	b.sees("#log", "Alice Nguyen")

	b.do(chromedp.SendKeys(chromedp.CSS("#text"), "What is *due* today?\r"))
	b.sees("#log", "What is due today?")
	b.sees("#sent", "stored")
	if left := evaluate[string](b, `document.querySelector("#text").value`); left != "" {
		t.Errorf("the field still has %q", left)
	}
	s.call(t, "slack_post_message", map[string]any{"channel": "#general", "text": "The report, and *nothing* else."})
	b.sees("#log", "The report, and nothing else.")
	b.sees("#log .badge.app", "app")
	b.sees("#calls", "chat.postMessage")
	b.picture("workspace")
	b.axe("the workspace, light")
	b.dark(true)
	b.axe("the workspace, dark")
}

// TestApproveIsClicked answers a question that an assistant waits for.
func TestApproveIsClicked(t *testing.T) {
	s := start(t, []string{"TOOLSETS=default,ask"}, "--sandbox")
	b := open(t, s.workspace)
	answer := make(chan string, 1)
	go func() {
		answer <- s.call(t, "slack_ask", map[string]any{"channel": "#general", "question": "May we deploy?", "choices": []string{"Approve", "Deny"}})
	}()
	b.sees("#log", "May we deploy?")
	b.presses(`@id="log"`, "Approve")
	b.sees("#sent", "block_actions")
	if got := <-answer; !strings.Contains(got, "Approve") || !strings.Contains(got, "U0ALICE0001") {
		t.Errorf("the assistant was told %s", got)
	}
}
