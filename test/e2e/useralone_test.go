package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// asGrace is the settings of a server that has Grace's token and no bot's.
func asGrace(w *workspace) []string {
	return []string{"SLACK_API_URL=" + w.url + "/api/", "SLACK_USER_TOKEN=" + graceToken}
}

const graceToken = "xoxp-sandbox-" + sandbox.Grace

// TestAUserTokenAloneOverStdio starts the shipped binary with a user token alone: an assistant is told as
// whom it acts, is offered nothing that needs a bot, and posts in that person's name.
func TestAUserTokenAloneOverStdio(t *testing.T) {
	w := newWorkspace(t, sandbox.Options{})
	c := startStdio(t, t.TempDir(), asGrace(w), "--toolsets", "messages")
	c.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	tools, err := json.Marshal(c.next("the tools"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(tools); strings.Contains(s, "slack_ask") || strings.Contains(s, "slack_list_events") || !strings.Contains(s, "slack_list_unread") || !strings.Contains(s, "slack_post_message") {
		t.Errorf("the tools: %s", s)
	}
	c.send(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"slack_post_message","arguments":{"channel":"#general","text":"by Grace's assistant"}}}`)
	posted, err := json.Marshal(c.next("the post"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(posted), `written_as`) || strings.Contains(string(posted), `"isError":true`) {
		t.Errorf("the post: %s", posted)
	}
	w.wroteAsGrace(t, "by Grace's assistant")
	if strings.Contains(c.logs.String(), graceToken) {
		t.Error("the token is logged")
	}
}

// TestAUserTokenAloneOverHTTP does so over HTTP, where the start warns of what every caller may do.
func TestAUserTokenAloneOverHTTP(t *testing.T) {
	w := newWorkspace(t, sandbox.Options{})
	p := start(t, options{args: []string{"mcp"}, env: asGrace(w)})
	s := connect(t, p)
	if names := s.toolNames(); slices.Contains(names, "slack_ask") || !slices.Contains(names, "slack_search_messages") {
		t.Errorf("tools %v", names)
	}
	var found struct {
		Messages []struct {
			Text string `json:"text"`
		} `json:"messages"`
	}
	if s.tool("slack_search_messages", map[string]any{"query": "lunch"}, &found); len(found.Messages) == 0 {
		t.Error("nothing is found without an event")
	}
	s.tool("slack_post_message", map[string]any{"channel": "#general", "text": "over HTTP"}, new(map[string]any))
	w.wroteAsGrace(t, "over HTTP")
	if logs := p.logs.String(); !strings.Contains(logs, "SLACK_USER_TOKEN is set without SLACK_BOT_TOKEN") || strings.Contains(logs, graceToken) {
		t.Errorf("the log lacks the warning, or has the token:\n%s", logs)
	}
}

// wroteAsGrace requires that a message of #general is Grace's.
func (w *workspace) wroteAsGrace(t *testing.T, text string) {
	t.Helper()
	page, err := w.client(t).History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.General, Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	for i := range page.Messages {
		if m := &page.Messages[i]; m.Text == text {
			if m.User != sandbox.Grace {
				t.Errorf("%q is by %s", text, m.User)
			}
			return
		}
	}
	t.Errorf("%q is not in the channel", text)
}
