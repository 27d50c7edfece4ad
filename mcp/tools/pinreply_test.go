package tools_test

import (
	"testing"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/slackapi/sandbox"
)

// TestAReplyToAPinIsInTheThreadOfItsMessage: a pin and a star have the ts of their message in item.message.
func TestAReplyToAPinIsInTheThreadOfItsMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var first posted
	r.call("slack_post_message", a{"channel": sandbox.General, "text": "the plan"}, &first)
	for _, typ := range []string{"pin_added", "star_added"} {
		r.events.Append(eventtest.Envelope("Ev"+typ, a{
			"type": typ, "user": sandbox.Alice, "channel_id": sandbox.General,
			"item": a{"type": "message", "channel": sandbox.General, "message": a{"type": "message", "user": sandbox.Bob, "text": "the plan", "ts": first.TS}},
		}))
		var reply struct {
			ThreadTS string `json:"thread_ts"`
		}
		r.call("slack_reply_to_event", a{"event_id": "Ev" + typ, "text": "seen"}, &reply)
		if reply.ThreadTS != first.TS {
			t.Errorf("%s: the reply is in the thread %q, want %q", typ, reply.ThreadTS, first.TS)
		}
	}
}
