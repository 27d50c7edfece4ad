package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

// TestAnUninstalledAppIsSaid: Slack's word that the app is gone is tested by asking Slack. What
// is not so changes nothing; when it is so, health and tools say it with the remedy, also
// tools that could answer from what they remember.
func TestAnUninstalledAppIsSaid(t *testing.T) {
	w := newWorkspace(t, sandbox.Options{Empty: true})
	p := start(t, options{args: []string{"--integrated"}, env: w.env()})
	if err := w.SetRequestURL(t.Context(), p.url+"/slack/events"); err != nil {
		t.Fatal(err)
	}
	s := connect(t, p)
	call := func() string {
		return string(s.call("tools/call", map[string]any{"name": "slack_list_channels", "arguments": map[string]any{}}))
	}
	asked := func() int { return strings.Count(p.logs.String(), "connected to slack") }
	eventually(t, 30*time.Second, func() error {
		if asked() == 0 {
			return fmt.Errorf("slack was not asked who the bot is")
		}
		return nil
	})
	for _, kind := range []string{"tokens_revoked", "app_uninstalled"} {
		hint, err := json.Marshal(map[string]any{
			"type": "event_callback", "event_id": "Ev-" + kind, "team_id": "T0OTHER", "event_time": time.Now().Unix(),
			"event": map[string]any{"type": kind, "tokens": map[string]any{"bot": []string{sandbox.BotUser}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if status, body := p.post(hint); status != 200 {
			t.Fatalf("the event of another workspace was answered %d %s", status, body)
		}
	}
	if got := call(); strings.Contains(got, `"isError":true`) {
		t.Errorf("after an event of another workspace the tool answers %s", got)
	}
	if _, body := p.get("/health/detailed"); !strings.Contains(body, `"status":"healthy"`) {
		t.Errorf("after an event of another workspace health says %s", body)
	}
	w.Uninstall()
	settle(t, w)
	eventually(t, 30*time.Second, func() error {
		_, body := p.get("/health/detailed")
		for _, part := range []string{`"status":"degraded"`, `"slack_client":"token_refused"`, "slack refuses the bot token (account_inactive)", "install the app to the workspace again"} {
			if !strings.Contains(body, part) {
				return fmt.Errorf("health says %s, without %s", body, part)
			}
		}
		return nil
	})
	for range 2 {
		if got := call(); !strings.Contains(got, "account_inactive") || !strings.Contains(got, "install the app again") {
			t.Errorf("the tool answers %s", got)
		}
	}
	var page eventPage
	s.tool("slack_list_events", map[string]any{"types": []string{"app_uninstalled"}}, &page)
	if len(page.Events) != 2 {
		t.Errorf("%d events of uninstalling are listed: what was received can still be read", len(page.Events))
	}
}
