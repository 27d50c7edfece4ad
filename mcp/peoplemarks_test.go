package mcp_test

import (
	"encoding/json"
	"strings"
	"testing"

	"slackmcp/mcp"
	"slackmcp/mcp/view"
	"slackmcp/slackapi/sandbox"
)

// TestAnothersAssistantIsShownAsOne lets one who has signed in post, and the same sign-in, another one of the same
// person, another person and a service read it, by the history and by a search: with and without lockdown.
func TestAnothersAssistantIsShownAsOne(t *testing.T) {
	t.Parallel()
	for name, level := range map[string]view.Lockdown{"open": view.Off, "lockdown": view.Guests} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newPeopleServer(t, func(o *mcp.Options) {
				o.Lockdown, o.Posts = level, view.NewPosts(o.Questions, view.OfBot|view.OfPeople)
			})
			typed, err := h.box.PostAs("alice", "#random", "typed pomegranate", sandbox.Saying{})
			if err != nil {
				t.Fatal(err)
			}
			var posted struct {
				TS string `json:"ts"`
			}
			res := h.call(alice, "slack_post_message", a{"channel": sandbox.Random, "text": "posted pomegranate"})
			if err := json.Unmarshal([]byte(res.text), &posted); err != nil || posted.TS == "" {
				t.Fatalf("post: %+v", res)
			}
			for reader, mine := range map[string]bool{alice: true, aliceRead: false, bob: false, "service": false} {
				for tool, args := range map[string]a{
					"slack_read_channel_messages": {"channel": sandbox.Random, "limit": 5},
					"slack_search_messages":       {"query": "pomegranate"},
				} {
					if reader == "service" && tool == "slack_search_messages" {
						continue
					}
					res := h.call(reader, tool, args)
					var page struct {
						Messages []view.Message `json:"messages"`
						Matches  []view.Message `json:"matches"`
					}
					if err := json.Unmarshal([]byte(res.text), &page); err != nil || res.failed {
						t.Fatalf("%s to %s: %v, %s", tool, reader, err, res.text)
					}
					seen := map[string]view.Message{}
					for _, m := range append(page.Messages, page.Matches...) {
						seen[m.TS] = m
					}
					m, shown := seen[posted.TS], level == view.Off || mine
					if m.Provenance.Kind != view.KindAssistant || strings.Contains(m.Text, "posted") != shown {
						t.Errorf("%s to %s: an assistant's message is a %q's and says %q, want shown %v", tool, reader, m.Provenance.Kind, m.Text, shown)
					}
					if m := seen[typed]; m.Provenance.Kind != "" || !strings.Contains(m.Text, "typed") {
						t.Errorf("%s to %s: a person's message is a %q's and says %q", tool, reader, m.Provenance.Kind, m.Text)
					}
				}
			}
		})
	}
}
