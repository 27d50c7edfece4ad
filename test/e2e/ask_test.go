package e2e_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/requires"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	mcpclients "slackmcp/test/mcp-clients"
)

type asked struct {
	AskID    string `json:"ask_id"`
	Answered bool   `json:"answered"`
	TS       string `json:"ts"`
	Answer   struct {
		Choice string `json:"choice"`
		User   string `json:"user"`
	} `json:"answer"`
}

// clickByCommand presses a button with the shipped command, once the question is posted.
func clickByCommand(t *testing.T, w *workspace, person, button string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		out, err := exec.Command(binary, "sandbox", "click", "--workspace", w.url, "--user", person, button).CombinedOutput()
		if err != nil {
			return fmt.Errorf("click: %w: %s", err, out)
		}
		if !strings.Contains(string(out), "answered 200") {
			t.Errorf("the command says %q", out)
		}
		return nil
	})
}

// TestAskAcrossReplicas: an assistant asks through one server, and the click comes to
// another. The answer comes back to the assistant, also when the server that asked was
// killed meanwhile, and the message can be clicked no more.
func TestAskAcrossReplicas(t *testing.T) {
	redis, port := requires.Program(t, "redis-server", "apt-get install redis-server"), freePort(t)
	startEngine(t, "127.0.0.1:"+port, redis, "--port", port, "--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--dir", t.TempDir())
	w := newWorkspace(t, sandbox.Options{Empty: true})
	o := options{
		args: []string{"--integrated", "--toolsets", "default,ask", "--mcp-transport", "streamable-http"},
		env:  append(w.env(), "REDIS_URL=redis://127.0.0.1:"+port+"/0"),
	}
	a, b := start(t, o), start(t, o)
	w.SetInteractivityURL(b.url + "/slack/events")

	t.Run("with the official client", func(t *testing.T) {
		mcpclients.Install(t, mcpclients.Dir())
		said := make(chan string, 1)
		go func() {
			said <- mcpclients.Run(t, nil, "ask.mjs", a.url+"/mcp", "--token", authToken,
				"--args", `{"channel":"#general","question":"Deploy now?","choices":["Deploy","Wait"],"who":["@bob"],"timeout_seconds":50}`)
		}()
		clickByCommand(t, w, "carla", "Wait") // her answer does not count
		clickByCommand(t, w, "bob", "Deploy")
		var got asked
		if out := <-said; json.Unmarshal([]byte(out), &got) != nil || !got.Answered || got.Answer.Choice != "Deploy" || got.Answer.User != sandbox.Bob {
			t.Errorf("the client got %s", out)
		}
		settled(t, w, got.TS)
	})

	t.Run("after the server that asked was killed", func(t *testing.T) {
		var got asked
		connect(t, a).tool("slack_ask", map[string]any{"channel": "#general", "question": "Roll back?", "choices": []string{"Back", "On"}, "timeout_seconds": 0}, &got)
		a.kill()
		clickByCommand(t, w, "alice", "Back")
		ts := got.TS
		connect(t, b).tool("slack_ask", map[string]any{"ask_id": got.AskID}, &got)
		if !got.Answered || got.Answer.Choice != "Back" || got.Answer.User != sandbox.Alice {
			t.Errorf("resumed elsewhere: %+v", got)
		}
		settled(t, w, ts)
	})
	for _, p := range []*process{a, b} {
		if strings.Contains(p.logs.String(), "/actions/") {
			t.Error("a log shows a response URL")
		}
	}
}

// settled waits until no button can be clicked any more.
func settled(t *testing.T, w *workspace, ts string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		page, err := w.client(t).History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.General, Oldest: ts, Latest: ts, Inclusive: true})
		if err != nil {
			return err
		}
		if len(page.Messages) != 1 || strings.Contains(string(page.Messages[0].Blocks), "slack_ask:0") {
			return fmt.Errorf("the message is %+v, want it without its buttons", page.Messages)
		}
		return nil
	})
}
