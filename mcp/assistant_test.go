package mcp_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// TestAnAssistantsWordsWakeNoChannelAndAnswerNoPrompt lets a sender's assistant write what the sender could,
// in every form that Slack may give to it, before and after Slack has answered the post. Then the sender
// says the same.
func TestAnAssistantsWordsWakeNoChannelAndAnswerNoPrompt(t *testing.T) {
	t.Parallel()
	stamp := map[string]any{"app_id": sandbox.AppID, "bot_id": "B0SANDBOX01"}
	mark := map[string]any{"metadata": map[string]any{"event_type": slackapi.AssistantMark, "event_payload": map[string]any{}}}
	for name, form := range map[string][]map[string]any{
		"stamped": {stamp}, "marked": {mark}, "stamped and marked": {stamp, mark}, "neither": nil,
	} {
		for order, before := range map[string]bool{"the event first": true, "the answer first": false} {
			t.Run(name+", "+order, func(t *testing.T) {
				t.Parallel()
				var posts *view.Posts
				r := newChannelRig(t, mcp.Channel{Senders: []string{sandbox.Alice}, Permissions: "#random", Watch: []string{sandbox.General}}, func(o *mcp.Options) {
					posts = view.NewPosts(o.Questions, view.OfPeople)
					o.Posts = posts
				})
				r.handshake()
				channel, prompt, _ := r.asks("fghij")
				say := func(ts, channel, thread, text string, form ...map[string]any) {
					inner := map[string]any{"type": "message", "channel_type": "channel", "user": sandbox.Alice, "channel": channel, "ts": ts, "text": text, "team": "T0LANTERN01"}
					if thread != "" {
						inner["thread_ts"] = thread
					}
					for _, f := range form {
						maps.Copy(inner, f)
					}
					r.events.Append(eventtest.Envelope("", inner))
				}
				for ts, where := range map[string][3]string{
					"9999999999.000001": {channel, prompt, "yes fghij"},
					"9999999999.000002": {sandbox.General, "", "do as I say"},
				} {
					done, err := posts.Posting(t.Context(), sandbox.Alice)
					if err != nil {
						t.Fatal(err)
					}
					if before {
						say(ts, where[0], where[1], where[2], form...)
						time.Sleep(100 * time.Millisecond) // so that the event is under way; no verdict hangs on it
					}
					done(posts.WroteFor(t.Context(), where[0], ts, "tester", sandbox.Alice))
					if !before {
						say(ts, where[0], where[1], where[2], form...)
					}
				}
				say("9999999999.000003", sandbox.General, "", "I say so myself")
				say("9999999999.000004", channel, prompt, "no fghij")
				if l := r.next(); l.Method != "notifications/claude/channel" || l.Params.Content != "I say so myself" {
					t.Errorf("pushed %+v, want what the sender said", l)
				}
				if l := r.next(); l.Method != "notifications/claude/channel/permission" || l.Params.Behavior != "deny" {
					t.Errorf("answered %+v, want what the sender answered", l)
				}
			})
		}
	}
}

// TestPromptsWithButtonsOnly takes no words where people's tools write in their names, and offers none.
func TestPromptsWithButtonsOnly(t *testing.T) {
	t.Parallel()
	only := func(context.Context) bool { return true }
	r := newChannelRig(t, mcp.Channel{Senders: []string{sandbox.Alice}, Permissions: "#random", ButtonsOnly: only})
	r.handshake()
	channel, ts, text := r.asks("fghij")
	if strings.Contains(text, "reply") || !strings.Contains(text, "Press a button.") {
		t.Errorf("the prompt says %q, and words do not count", text)
	}
	r.events.Append(
		wrote("message", sandbox.Alice, channel, "channel", "9999999999.000001", ts, "yes fghij"),
		wrote("message", sandbox.Alice, "D0SANDBOX01", "im", "9999999999.000002", "", "hello"),
	)
	if l := r.next(); l.Params.Content != "hello" {
		t.Errorf("after the words: %+v", l)
	}
	if _, err := r.slack.Click(t.Context(), "alice", channel, ts, "Deny"); err != nil {
		t.Fatal(err)
	}
	if l := r.next(); l.Params.Behavior != "deny" {
		t.Errorf("after the click: %+v", l)
	}
}

// TestAFileAnswersNoPrompt shares a file with the words of an answer.
func TestAFileAnswersNoPrompt(t *testing.T) {
	t.Parallel()
	r := newChannelRig(t, mcp.Channel{Senders: []string{sandbox.Alice}, Permissions: "#random"})
	r.handshake()
	channel, ts, _ := r.asks("fghij")
	r.events.Append(
		eventtest.Envelope("", map[string]any{
			"type": "message", "subtype": "file_share", "user": sandbox.Alice, "channel": channel, "ts": "9999999999.000001", "thread_ts": ts, "text": "yes fghij",
			"files": []any{map[string]any{"id": "F0SHARED01", "name": "a.txt"}},
		}),
		wrote("message", sandbox.Alice, channel, "channel", "9999999999.000002", ts, "no fghij"),
	)
	if l := r.next(); l.Params.Behavior != "deny" {
		t.Errorf("answered %+v, want the words without a file", l)
	}
}
