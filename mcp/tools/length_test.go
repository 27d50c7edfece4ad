package tools_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/view"
	"slackmcp/slackapi/sandbox"
)

// TestNoListIsLongerThanClientsTake reads a workspace of long texts with every tool that lists.
func TestNoListIsLongerThanClientsTake(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *rigOptions) { o.sandbox.ExtraChannels, o.sandbox.ExtraUsers = 400, 400 })
	text, root := strings.Repeat("long \"ü\"\n", 1200), ""
	for i := range 45 {
		ts, err := r.slack.PostAs("bob", "#random", text, sandbox.Saying{ThreadTS: root})
		if err != nil {
			t.Fatal(err)
		}
		if i < 20 {
			if err := r.client.AddPin(t.Context(), sandbox.Random, ts); err != nil {
				t.Fatal(err)
			}
		}
		if i == 22 {
			root = ts
		}
		r.events.Append(eventtest.Envelope(fmt.Sprintf("EvLong%d", i), a{"type": "message", "channel": sandbox.Random, "user": sandbox.Bob, "ts": ts, "text": text}))
	}
	for tool, args := range map[string]a{
		"slack_read_channel_messages": {"channel": sandbox.Random, "limit": 900},
		"slack_read_thread_messages":  {"channel": sandbox.Random, "thread_ts": root, "limit": 900},
		"slack_search_messages":       {"query": "long", "limit": 100},
		"slack_list_events":           {"limit": 200},
		"slack_wait_for_event":        {"cursor": "start", "limit": 100},
		"slack_event_context":         {"event_id": "EvLong30", "limit": 100},
		"slack_get_event":             {"event_id": "EvLong30"},
		"slack_list_pins":             {"channel": sandbox.Random},
		"slack_list_channels":         {"limit": 200},
		"slack_list_users":            {"limit": 200},
		"slack_search_users":          {"query": "e", "limit": 100},
		"slack_read_emojis":           {"limit": 2000},
	} {
		shape := r.tools[tool]
		for _, format := range formats(&shape) {
			maps.Copy(format, args)
			raw, err := r.try(tool, format)
			if err != nil {
				t.Errorf("%s: %s", tool, tools.Fault(err))
				continue
			}
			if n := utf8.RuneCount(raw); n > view.MaxResult {
				t.Errorf("%s%v has %d characters", tool, format, n)
			}
		}
	}
}
