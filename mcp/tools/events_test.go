package tools_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi/sandbox"
	"slackmcp/webhook/event"
)

type eventRow struct {
	EventID  string   `json:"event_id"`
	Type     string   `json:"type"`
	Types    []string `json:"types"`
	Channel  string   `json:"channel"`
	User     string   `json:"user"`
	TS       string   `json:"ts"`
	ThreadTS string   `json:"thread_ts"`
	Text     string   `json:"text"`
	URI      string   `json:"uri"`
	Flags    []string `json:"flags"`
	Payload  any      `json:"payload"`
}

type eventPage struct {
	Untrusted  bool       `json:"untrusted"`
	Events     []eventRow `json:"events"`
	NextCursor string     `json:"next_cursor"`
	HasMore    bool       `json:"has_more"`
	TimedOut   bool       `json:"timed_out"`
	Note       string     `json:"note"`
}

func (p eventPage) ids() []string {
	ids := []string{}
	for _, e := range p.Events {
		ids = append(ids, e.EventID)
	}
	return ids
}

// everyEvent lists events page by page, at most 100 pages, and returns their ids.
func (r *rig) everyEvent(args a) []string {
	args, all := maps.Clone(args), []string{}
	for range 100 {
		var page eventPage
		r.call("slack_list_events", args, &page)
		all = append(all, page.ids()...)
		if !page.HasMore {
			break
		}
		args["cursor"] = page.NextCursor
	}
	return all
}

func said(id, channel, user, ts, text string) event.Event {
	return eventtest.Envelope(id, a{
		"type": "message", "channel": channel, "channel_type": "channel", "user": user, "ts": ts, "text": text, "team": "T0LANTERN01",
	})
}

func TestListEvents(t *testing.T) {
	r := newRig(t)
	r.events.Append(
		said("EvA", "C0GENERAL01", "U0ALICE0001", "1700000001.000100", "first"),
		eventtest.Envelope("EvB", a{"type": "reaction_added", "user": "U0BOB000001", "reaction": "eyes", "item": a{"type": "message", "channel": "C0GENERAL01", "ts": "1700000001.000100"}}),
		said("EvC", "C0RANDOM001", "U0BOB000001", "1700000003.000100", "second"),
		eventtest.Envelope("EvD", a{"type": "message", "subtype": "channel_join", "channel": "C0RANDOM001", "channel_type": "channel", "user": "U0CARLA0001", "ts": "1700000004.000100", "text": "joined"}),
		eventtest.Envelope("EvE", a{"type": "message", "channel": "D0ALICEBOT1", "channel_type": "im", "user": "U0ALICE0001", "ts": "1700000005.000100", "text": "hi"}),
		event.Event{Source: "orders", ID: "o1", Kind: event.Kind{Type: "order_created"}, Raw: []byte(`{"id":1}`)},
	)
	own := said("EvSelf", "C0GENERAL01", "U0SANDBOX01", "1700000000.000100", "our own")
	own.FromSelf, own.ReceivedAt = true, time.Unix(1_600_000_000, 0)
	r.events.Append(own)
	for name, tc := range map[string]struct {
		args a
		want []string
	}{
		"newest first by default":             {a{}, []string{"EvSelf", "o1", "EvE", "EvD", "EvC", "EvB", "EvA"}},
		"oldest first on demand":              {a{"order": "oldest_first", "limit": 2}, []string{"EvA", "EvB"}},
		"a channel":                           {a{"channel": "C0RANDOM001"}, []string{"EvD", "EvC"}},
		"a channel by name":                   {a{"channel": "#random"}, []string{"EvD", "EvC"}},
		"a channel by link":                   {a{"channel": "https://lantern-works.slack.com/archives/C0RANDOM001"}, []string{"EvD", "EvC"}},
		"a type":                              {a{"types": []string{"reaction_added"}}, []string{"EvB"}},
		"a type as a single text":             {a{"type": "reaction_added"}, []string{"EvB"}},
		"several types":                       {a{"types": "reaction_added, message.im"}, []string{"EvE", "EvB"}},
		"a subtype":                           {a{"types": []string{"message/channel_join"}}, []string{"EvD"}},
		"messages in public channels":         {a{"types": []string{"message.channels"}}, []string{"EvSelf", "EvD", "EvC", "EvA"}},
		"a user":                              {a{"user": "U0BOB000001"}, []string{"EvC", "EvB"}},
		"a thread":                            {a{"thread": "1700000001.000100"}, []string{"EvB", "EvA"}},
		"a thread by permalink":               {a{"thread": "https://lantern-works.slack.com/archives/C0GENERAL01/p1700000001000100"}, []string{"EvB", "EvA"}},
		"another source":                      {a{"source": "orders"}, []string{"o1"}},
		"received since an instant":           {a{"since": "1700000004"}, []string{"o1", "EvE"}},
		"received before an instant":          {a{"until": "2023-11-14T22:13:21Z"}, []string{"EvSelf", "EvA"}},
		"nothing of our own":                  {a{"exclude_self": true, "source": "slack"}, []string{"EvE", "EvD", "EvC", "EvB", "EvA"}},
		"words":                               {a{"query": "FIRST"}, []string{"EvA"}},
		"words in a channel":                  {a{"query": "join*", "channel": "#random"}, []string{"EvD"}},
		"words together":                      {a{"query": `"our own"`, "until": "2023-11-14T22:13:21Z"}, []string{"EvSelf"}},
		"words that nobody wrote":             {a{"query": "event_callback"}, []string{}},
		"arguments inside input_params":       {a{"input_params": a{"source": "orders"}}, []string{"o1"}},
		"null for an argument that is absent": {a{"channel": nil, "source": "orders"}, []string{"o1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var page eventPage
			r.call("slack_list_events", tc.args, &page)
			if diff := cmp.Diff(tc.want, page.ids()); diff != "" {
				t.Errorf("slack_list_events(%v) (-want +got):\n%s", tc.args, diff)
			}
		})
	}
}

func TestListEventsPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var want []string
	for i := range 403 {
		id := fmt.Sprintf("Ev%04d", i)
		want = append(want, id)
		r.events.Append(said(id, "C1AA", "U1AA", fmt.Sprintf("17%08d.000100", i), strings.Repeat("x", i%700)))
	}
	for _, order := range []string{"oldest_first", "newest_first"} {
		for _, scan := range []int{0, 7} {
			r.events.Scan = scan
			got := r.everyEvent(a{"limit": 200, "order": order})
			if order == "newest_first" {
				slices.Reverse(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %d events a scan: paging lost or repeated events (-want +got):\n%s", order, scan, diff)
			}
		}
	}
}

// TestACursorIsAPlaceAndNoResult shares a cursor between principals: the other one's call is its own,
// with its own filter, and is refused where it may not read.
func TestACursorIsAPlaceAndNoResult(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range 6 {
		channel := []string{"C0GENERAL01", "C0RANDOM001"}[n%2]
		r.events.Append(said(fmt.Sprintf("Ev%d", n), channel, "U0ALICE0001", fmt.Sprintf("170000000%d.000100", n), "hello"))
	}
	var first, own, theirs eventPage
	r.call("slack_list_events", a{"channel": "C0GENERAL01", "order": "oldest_first", "limit": 1}, &first)
	another := &access.Principal{Name: "another", Scopes: []access.Scope{access.Events}}
	for _, p := range []*access.Principal{tester, another} {
		c := &toolset.Call{Principal: p, Progress: func(float64, float64, string) {}}
		raw, err := r.tryWith(t.Context(), c, "slack_list_events", a{"order": "oldest_first", "cursor": first.NextCursor})
		if err != nil {
			t.Fatal(err)
		}
		page := eventPage{}
		if err := json.Unmarshal(raw, &page); err != nil {
			t.Fatal(err)
		}
		own, theirs = theirs, page
	}
	if diff := cmp.Diff(own.ids(), theirs.ids()); diff != "" || len(theirs.Events) != 5 {
		t.Errorf("the other principal reads %v (-own +theirs):\n%s", theirs.ids(), diff)
	}
}

func TestListEventsRefuses(t *testing.T) {
	r := newRig(t)
	for name, tc := range map[string]struct {
		args a
		want string
	}{
		"too many":              {a{"limit": 201}, "invalid argument limit: must be at most 200"},
		"a misspelt argument":   {a{"chanel": "C1"}, "invalid argument chanel: there is no such argument; did you mean channel?"},
		"a type of no pattern":  {a{"types": []string{"message.nowhere"}}, "invalid argument types"},
		"a cursor of nobody":    {a{"cursor": "abc"}, "invalid argument cursor"},
		"a cursor of old":       {a{"cursor": "other-0000000000000001"}, "cursor_expired"},
		"an order of its own":   {a{"order": "sideways"}, "invalid argument order: must be one of newest_first, oldest_first"},
		"a query of no words":   {a{"query": "..."}, "invalid argument query: there is no word in it"},
		"an open quote":         {a{"query": `"a b`}, "invalid argument query: a \" has no second one"},
		"a time in no form":     {a{"since": "whenever"}, "invalid argument since"},
		"both ways of wrapping": {a{"input_params": a{}, "limit": 1}, "invalid argument input_params"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.fails("slack_list_events", tc.args); !strings.HasPrefix(got, tc.want) {
				t.Errorf("refused with %q, want %q", got, tc.want)
			}
		})
	}
}

func TestGetEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.events.Append(said("EvA", "C0GENERAL01", "U0ALICE0001", "1700000001.000100", "hello\u202eworld"))
	var out struct {
		Untrusted bool
		Event     eventRow
	}
	for _, id := range []string{"EvA", "slack://events/EvA"} {
		r.call("slack_get_event", a{"event_id": id}, &out)
	}
	e := out.Event
	if !out.Untrusted || e.Text != "helloworld" || e.TS != "1700000001.000100" || e.URI != "slack://events/EvA" {
		t.Errorf("slack_get_event returned %+v", e)
	}
	if diff := cmp.Diff([]string{"invisible_characters_removed"}, e.Flags); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	payload, ok := e.Payload.(map[string]any)
	if !ok || payload["event_id"] != "EvA" {
		t.Fatalf("payload is %v", e.Payload)
	}
	if _, leaked := payload["token"]; leaked {
		t.Error("the payload holds the verification token")
	}
	r.refuses("slack_get_event", a{"event_id": "EvNone"}, "event_not_found")
	r.refuses("slack_get_event", a{}, "invalid argument event_id: it is required")
}

func TestEventsWithoutSlack(t *testing.T) {
	t.Parallel()
	catalog, err := tools.Catalog(tools.Options{Events: (&eventtest.Log{}).Events()})
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range catalog.Tools() {
		if tool.Set != "events" || len(tool.Needs) > 0 {
			t.Errorf("%s is offered without a Slack token", tool.Name)
		}
	}
}

// TestEventsOfAReplysThread: events are chosen by the ts of any message of a thread, where the channel is
// not given either.
func TestEventsOfAReplysThread(t *testing.T) {
	t.Parallel()
	const root, reply = "1700000001.000100", "1700000002.000100"
	r := newRig(t)
	r.events.Append(
		said("EvA", sandbox.General, sandbox.Alice, root, "a"),
		eventtest.Envelope("EvB", a{"type": "message", "channel": sandbox.General, "user": sandbox.Bob, "ts": reply, "thread_ts": root, "text": "b"}),
		said("EvC", sandbox.General, sandbox.Bob, "1700000003.000100", "c"),
	)
	for _, ts := range []string{root, reply} {
		var page eventPage
		r.call("slack_list_events", a{"thread": ts}, &page)
		if diff := cmp.Diff([]string{"EvB", "EvA"}, page.ids()); diff != "" {
			t.Errorf("the thread of %s (-want +got):\n%s", ts, diff)
		}
		var waited eventPage
		r.call("slack_wait_for_event", a{"thread": ts, "cursor": "start"}, &waited)
		if diff := cmp.Diff([]string{"EvA", "EvB"}, waited.ids()); diff != "" {
			t.Errorf("waiting in the thread of %s (-want +got):\n%s", ts, diff)
		}
	}
}

// TestRowsTellOnce: a list of events tells an id beside the first of its name and a day where it changes,
// in detailed form beside each; before an event the authors are introduced from the oldest message on.
func TestRowsTellOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n, text := range []string{"the first", "the second", "the third"} {
		r.events.Append(said(fmt.Sprintf("Ev%d", n), sandbox.Random, sandbox.Bob, fmt.Sprintf("170000000%d.000100", n), text))
	}
	type told struct {
		EventID     string `json:"event_id"`
		Time        string `json:"time"`
		Type        string `json:"type"`
		Channel     string `json:"channel"`
		ChannelName string `json:"channel_name"`
		User        string `json:"user"`
		UserName    string `json:"user_name"`
	}
	for name, tc := range map[string]struct {
		tool  string
		args  a
		whole bool
	}{
		"list":           {"slack_list_events", nil, false},
		"wait":           {"slack_wait_for_event", a{"cursor": "start"}, false},
		"list, detailed": {"slack_list_events", a{"response_format": "detailed"}, true},
		"wait, detailed": {"slack_wait_for_event", a{"cursor": "start", "response_format": "detailed"}, true},
	} {
		var page struct{ Events []told }
		r.call(tc.tool, tc.args, &page)
		if len(page.Events) != 3 {
			t.Fatalf("%s: %+v", name, page)
		}
		for i, e := range page.Events {
			want := told{EventID: e.EventID, Time: e.Time, ChannelName: "random", UserName: "bob"}
			if first := i == 0 || tc.whole; first {
				want.Channel, want.User = sandbox.Random, sandbox.Bob
			}
			if tc.whole {
				want.Type = "message"
			}
			if e != want || e.EventID == "" || strings.Contains(e.Time, " ") != (want.User != "") {
				t.Errorf("%s: row %d is %+v, want %+v", name, i, e, want)
			}
		}
	}
	var last string
	for _, text := range []string{"a question", "another one"} {
		ts, err := r.slack.PostAs("bob", "#random", text, sandbox.Saying{})
		if err != nil {
			t.Fatal(err)
		}
		last = ts
	}
	r.events.Append(said("EvLast", sandbox.Random, sandbox.Bob, last, "another one"))
	var near struct{ Before []told }
	r.call("slack_event_context", a{"event_id": "EvLast"}, &near)
	met := map[string]bool{}
	for i, m := range near.Before {
		if (m.User == "") != met[m.UserName] {
			t.Errorf("message %d before it is %+v", i, m)
		}
		met[m.UserName] = true
	}
	if len(near.Before) < 2 {
		t.Errorf("before it are %+v", near.Before)
	}
}
