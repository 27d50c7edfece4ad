package tools_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/resources"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/view"
	"slackmcp/slackapi/sandbox"
)

// mostRows are the arguments with which a tool returns the most, where those that it is held against
// the corpus with ask for less.
var mostRows = map[string]a{
	"slack_get_user_profiles":       {"users": slices.Repeat([]string{sandbox.Bob}, 30)},
	"slack_list_channels":           {"limit": 200},
	"slack_list_users":              {"limit": 200},
	"slack_list_channel_members":    {"limit": 200},
	"slack_list_scheduled_messages": {"limit": 100},
	"slack_search_users":            {"limit": 100},
	"slack_admin_list_dead_letters": {"limit": 200},
}

// TestNothingThatIsReadIsLongerThanClientsTake reads with every tool and every resource what is long in
// each of its texts and lists: a new one is judged too.
func TestNothingThatIsReadIsLongerThanClientsTake(t *testing.T) {
	r, way, cases := hostileRig(t, false)
	for i := range 60 { // of one message
		e := receipt(t, corpus[0])
		e.ID = fmt.Sprint(i, strings.Repeat("id", 120))
		r.events.Append(e)
	}
	r.events.Append(eventtest.Envelope("EvHuge", a{"type": "message", "channel": sandbox.Random, "user": sandbox.Bob, "ts": "1700000000.000100", "text": strings.Repeat("\"", 9000), "more": strings.Repeat("x", 40_000)}))
	// The resource of one event is asked for its payload of up to 64 KiB.
	cases["slack_get_event"] = append(cases["slack_get_event"], a{"event_id": "EvHuge"})
	way.long = true
	judge := func(what any, text []byte, err error) {
		if err != nil {
			t.Errorf("%v: %s", what, tools.Fault(err))
		}
		if n := utf8.RuneCount(text); n > view.MaxResult {
			t.Errorf("%v has %d characters", what, n)
		}
	}
	for name, tool := range r.tools {
		if !tool.Effect.ReadOnly() {
			continue
		}
		if len(cases[name]) == 0 {
			t.Errorf("%s reads, and no case judges its length", name)
		}
		for _, args := range cases[name] {
			for _, more := range formats(&tool) {
				maps.Copy(more, args)
				maps.Copy(more, mostRows[name])
				raw, err := r.try(name, more)
				judge(fmt.Sprint(name, more), raw, err)
			}
		}
	}
	set, err := resources.New(resources.Options{Events: r.events.Events(), Tools: slices.Collect(maps.Values(r.tools))})
	if err != nil {
		t.Fatal(err)
	}
	addresses := resourceReadings(cases)
	for _, res := range set.List() {
		if len(addresses[res.URI]) == 0 {
			t.Errorf("no case judges the length of %s", res.URI)
		}
		for _, uri := range addresses[res.URI] {
			text, err := set.Read(access.With(t.Context(), tester), uri)
			judge(uri, []byte(text), err)
		}
	}
}

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
