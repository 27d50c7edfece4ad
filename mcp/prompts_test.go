package mcp_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	protocol "github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/tools"
	"slackmcp/slackapi/sandbox"
)

func TestPrompts(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	c := h.connect()
	list, err := c.ListPrompts(t.Context(), protocol.ListPromptsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]protocol.Prompt{}
	for _, p := range list.Prompts {
		got[p.Name] = p
	}
	catalog, err := tools.Describe()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, tool := range catalog.Tools() {
		known[tool.Name] = true
	}
	for _, name := range []string{
		"slack_post_message_usage", "slack_read_channel_messages_usage", "slack_read_thread_messages_usage", "slack_thread_reply_usage",
		"slack_read_emojis_usage", "slack_add_reactions_usage", "slack_catch_up", "slack_triage_mentions", "slack_draft_reply", "slack_weekly_digest",
	} {
		p, ok := got[name]
		if !ok || p.Title == "" || p.Description == "" {
			t.Errorf("%s is %+v", name, p)
			continue
		}
		req := protocol.GetPromptRequest{}
		req.Params.Name, req.Params.Arguments = name, map[string]string{}
		for _, a := range p.Arguments {
			if a.Required {
				req.Params.Arguments[a.Name] = "VALUE"
			}
		}
		res, err := c.GetPrompt(t.Context(), req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, ok := res.Messages[0].Content.(protocol.TextContent)
		if !ok || len(req.Params.Arguments) > 0 && !strings.Contains(text.Text, "VALUE") {
			t.Errorf("%s says %+v", name, res.Messages)
		}
		for _, word := range strings.FieldsFunc(text.Text, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
			if strings.HasPrefix(word, "slack_") && !known[word] {
				t.Errorf("%s names %s, which is no tool", name, word)
			}
		}
	}
	req := protocol.GetPromptRequest{}
	req.Params.Name = "slack_catch_up"
	if _, err := c.GetPrompt(t.Context(), req); err == nil {
		t.Error("a prompt without its required argument was given")
	}
}

func TestPromptsFollowScopes(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.scopes = []access.Scope{access.Read}
	c := h.connect()
	list, err := c.ListPrompts(t.Context(), protocol.ListPromptsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Prompts {
		if p.Name == "slack_post_message_usage" || p.Name == "slack_draft_reply" {
			t.Errorf("%s is listed for a token that may only read", p.Name)
		}
	}
}

func TestCompletion(t *testing.T) {
	h := newFixture(t)
	h.events.Append(eventtest.Envelope("EvOne", said("1", sandbox.General, "1700000000.000100", "x")), eventtest.Envelope("XTwo", said("2", sandbox.General, "1700000000.000200", "y")))
	c := h.connect()
	for name, tc := range map[string]struct {
		ref             any
		argument, value string
		want            []string
	}{
		"a channel of a prompt":    {protocol.PromptReference{Type: "ref/prompt", Name: "slack_catch_up"}, "channel", "engin", []string{"#engineering"}},
		"one more channel":         {protocol.PromptReference{Type: "ref/prompt", Name: "slack_weekly_digest"}, "channels", "#general,inc", []string{"#general,#incidents"}},
		"a channel of an address":  {protocol.ResourceReference{Type: "ref/resource", URI: "slack://channels/{channel}/events"}, "channel", "engin", []string{sandbox.Engineers}},
		"a user of an address":     {protocol.ResourceReference{Type: "ref/resource", URI: "slack://users/{user}"}, "user", "carla", []string{sandbox.Carla}},
		"an event":                 {protocol.ResourceReference{Type: "ref/resource", URI: "slack://events/{event_id}"}, "event_id", "Ev", []string{"EvOne"}},
		"an argument of no choice": {protocol.PromptReference{Type: "ref/prompt", Name: "slack_catch_up"}, "since", "1", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			req := protocol.CompleteRequest{}
			req.Params.Ref = tc.ref
			req.Params.Argument = protocol.CompleteArgument{Name: tc.argument, Value: tc.value}
			res, err := c.Complete(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, res.Completion.Values); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
