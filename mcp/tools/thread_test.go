package tools_test

import (
	"maps"
	"strings"
	"testing"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/slackapi/sandbox"
)

// TestAReplyMeansItsThread: wherever a thread is asked for, the link of a reply and its bare ts mean the
// thread that it is in. Slack takes a reply's ts without an error, and shows the answer to the channel.
func TestAReplyMeansItsThread(t *testing.T) {
	t.Parallel()
	for name, written := range map[string]func(root, reply string) string{
		"the link of a reply": func(root, reply string) string {
			return "https://lantern.slack.com/archives/" + sandbox.Random + "/p" + strings.Replace(reply, ".", "", 1) + "?thread_ts=" + root + "&cid=" + sandbox.Random
		},
		"a reply's ts": func(_, reply string) string { return reply },
		"the link of the first message": func(root, _ string) string {
			return "https://lantern.slack.com/archives/" + sandbox.Random + "/p" + strings.Replace(root, ".", "", 1)
		},
		"its ts": func(root, _ string) string { return root },
	} {
		for tool, args := range map[string]a{
			"slack_post_message":         {"channel": sandbox.Random, "text": "answer"},
			"slack_thread_reply":         {"channel": sandbox.Random, "texts": []string{"answer"}},
			"slack_schedule_message":     {"channel": sandbox.Random, "text": "answer", "post_at": "1h"},
			"slack_ask":                  {"channel": sandbox.Random, "question": "answer?", "choices": []string{"yes"}, "timeout_seconds": 0},
			"slack_upload_file":          {"channel": sandbox.Random, "filename": "a.txt", "content": "answer"},
			"slack_post_ephemeral":       {"channel": sandbox.Random, "text": "answer", "user": sandbox.Bob},
			"slack_read_thread_messages": {"channel": sandbox.Random},
			"slack_list_events":          {"channel": sandbox.Random},
		} {
			t.Run(tool+" with "+name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				root, err := r.slack.PostAs("bob", "#random", "question", sandbox.Saying{})
				if err != nil {
					t.Fatal(err)
				}
				reply, err := r.slack.PostAs("carla", "#random", "part of it", sandbox.Saying{ThreadTS: root})
				if err != nil {
					t.Fatal(err)
				}
				r.events.Append(eventtest.Envelope("Ev1", a{"type": "message", "channel": sandbox.Random, "user": sandbox.Carla, "ts": reply, "thread_ts": root, "text": "part of it"}))
				in := a{"thread_ts": written(root, reply)}
				maps.Copy(in, args)
				raw, err := r.try(tool, in)
				if err != nil {
					t.Fatal(toolsFault(err))
				}
				switch tool {
				case "slack_read_thread_messages", "slack_list_events":
					if !strings.Contains(string(raw), "part of it") {
						t.Errorf("the thread is not shown: %s", raw)
					}
					return
				case "slack_schedule_message", "slack_post_ephemeral":
					rehearsed := a{"dry_run": true}
					maps.Copy(rehearsed, in)
					if raw, err = r.try(tool, rehearsed); err != nil || !strings.Contains(string(raw), `"thread_ts":"`+root+`"`) {
						t.Errorf("the request is %s: %v", raw, err)
					}
					return
				}
				var channel, thread messages
				r.call("slack_read_channel_messages", a{"channel": sandbox.Random, "limit": 1}, &channel)
				if got := channel.Messages[0].Text; got != "question" {
					t.Errorf("the answer stands in the channel: %q", got)
				}
				r.call("slack_read_thread_messages", a{"channel": sandbox.Random, "thread_ts": root}, &thread)
				if len(thread.Messages) != 3 {
					t.Errorf("the thread has %d messages, want the answer among them", len(thread.Messages))
				}
			})
		}
	}
	t.Run("a reaction on a reply is on the reply", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		root, err := r.slack.PostAs("bob", "#random", "question", sandbox.Saying{})
		if err != nil {
			t.Fatal(err)
		}
		reply, err := r.slack.PostAs("carla", "#random", "part of it", sandbox.Saying{ThreadTS: root})
		if err != nil {
			t.Fatal(err)
		}
		link := "https://lantern.slack.com/archives/" + sandbox.Random + "/p" + strings.Replace(reply, ".", "", 1) + "?thread_ts=" + root + "&cid=" + sandbox.Random
		r.call("slack_add_reactions", a{"timestamp": link, "emojis": []string{"eyes"}}, nil)
		var got struct{ Message message }
		r.call("slack_get_reactions", a{"channel": sandbox.Random, "timestamp": reply}, &got)
		if len(got.Message.Reactions) != 1 {
			t.Errorf("the reply has %+v", got.Message.Reactions)
		}
	})
}
