package resources_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/names"
	"slackmcp/mcp/resources"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

type a = map[string]any

func as(ctx context.Context, scopes ...access.Scope) context.Context {
	return access.With(ctx, &access.Principal{Name: "p", Scopes: scopes})
}

func fixture(t *testing.T) (*resources.Set, *eventtest.Log) {
	t.Helper()
	log := &eventtest.Log{}
	log.Append(
		eventtest.Envelope("EvA", a{"type": "message", "channel": "C1AA", "user": "U1AA", "ts": "1700000001.000100", "text": "a"}),
		eventtest.Envelope("EvB", a{"type": "message", "channel": "C2AA", "user": "U1AA", "ts": "1700000002.000100", "text": "b"}),
		eventtest.Envelope("EvC", a{"type": "message", "channel": "C1AA", "user": "U1AA", "ts": "1700000003.000100", "thread_ts": "1700000001.000100", "text": "c"}),
		event.Event{Source: "orders & more", ID: "id/1 é", Kind: event.Kind{Type: "paid"}, Raw: []byte(`{"n":1}`)},
	)
	tool := toolset.Define(toolset.Tool{Name: "slack_get_channel_info", Title: "t", Description: "d", Set: "s", Scope: access.Read, For: toolset.AsPerson},
		func(_ context.Context, _ *toolset.Call, in struct {
			Channel string `json:"channel" doc:"d"`
		},
		) (struct {
			Channel string `json:"channel"`
		}, error,
		) {
			var out struct {
				Channel string `json:"channel"`
			}
			if in.Channel == "C0NOWHERE" {
				return out, &slackapi.Error{Code: "channel_not_found", Kind: slackapi.NotFound}
			}
			if in.Channel == "\u202e" { // As the tools answer what is no id and no name.
				return out, errors.Join(errors.New("channel_not_found: words"), names.ErrNoChannel)
			}
			out.Channel = in.Channel
			return out, nil
		})
	set, err := resources.New(resources.Options{Events: log.Events(), Tools: []toolset.Tool{tool}})
	if err != nil {
		t.Fatal(err)
	}
	return set, log
}

func TestRead(t *testing.T) {
	t.Parallel()
	set, _ := fixture(t)
	for uri, want := range map[string][]string{
		"slack://events":                                 {"EvC", "EvB", "EvA"},
		"slack://channels/C1AA/events":                   {"EvC", "EvA"},
		"slack://threads/C1AA/1700000001.000100/events":  {"EvC", "EvA"},
		"slack://threads/C1AA/1700000003.000100/events":  {"EvC", "EvA"}, // by a reply
		"slack://threads/C2AA/1700000003.000100/events":  {},
		"slack://channels/C0NONE000/events":              {},
		"webhook://slack/events":                         {"EvC", "EvB", "EvA"},
		"webhook://orders%20%26%20more/events":           {"id/1 é"},
		"slack://events/EvB":                             {"EvB"},
		view.EventURI("orders & more", "id/1 é"):         {"id/1 é"},
		"webhook://slack/events/EvA":                     {"EvA"},
		"slack://threads/C2AA/1700000001.000100/events ": nil,
		"slack://events/EvNone":                          nil,
		"slack://nothing":                                nil,
		"slack://channels//events":                       nil,
		"slack://channels/C1AA/C2AA/events":              nil,
	} {
		text, err := set.Read(as(t.Context(), access.Events), uri)
		if want == nil {
			if !errors.Is(err, server.ErrResourceNotFound) {
				t.Errorf("%s: %s, %v, want not found", uri, text, err)
			}
			continue
		}
		var got struct {
			view.Mark
			Events []view.Event `json:"events"`
			Event  *view.Event  `json:"event"`
		}
		if err != nil || json.Unmarshal([]byte(text), &got) != nil {
			t.Errorf("%s: %s, %v", uri, text, err)
			continue
		}
		if got.Event != nil {
			got.Events = []view.Event{*got.Event}
			if len(got.Event.Payload) == 0 {
				t.Errorf("%s has no payload", uri)
			}
		}
		if !got.Untrusted {
			t.Errorf("%s is not marked", uri)
		}
		ids := []string{}
		for _, e := range got.Events {
			ids = append(ids, e.EventID)
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", uri, diff)
		}
	}
}

// TestAReplySaysHowItsThreadIsFollowed: what is announced is the address of the thread's first message.
func TestAReplySaysHowItsThreadIsFollowed(t *testing.T) {
	t.Parallel()
	set, _ := fixture(t)
	const thread = "slack://threads/C1AA/1700000001.000100/events"
	for uri, want := range map[string]bool{thread: false, "slack://threads/C1AA/1700000003.000100/events": true} {
		text, err := set.Read(as(t.Context(), access.Events), uri)
		if err != nil || strings.Contains(text, "follow "+thread) != want {
			t.Errorf("%s reads %s, %v", uri, text, err)
		}
	}
}

func TestReadByATool(t *testing.T) {
	t.Parallel()
	set, _ := fixture(t)
	ctx := as(t.Context(), access.Read)
	if text, err := set.Read(ctx, "slack://channels/C0GENERAL"); err != nil || text != `{"channel":"C0GENERAL"}` {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := set.Read(ctx, "slack://channels/C0NOWHERE"); !errors.Is(err, server.ErrResourceNotFound) {
		t.Errorf("what Slack does not know: %v", err)
	}
	if _, err := set.Read(ctx, "slack://channels/%E2%80%AE"); !errors.Is(err, server.ErrResourceNotFound) {
		t.Errorf("an address that is malformed: %v", err)
	}
	if _, err := set.Read(ctx, "slack://users"); !errors.Is(err, server.ErrResourceNotFound) {
		t.Errorf("a resource without its tool: %v", err)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	set, _ := fixture(t)
	for uri, needed := range map[string]access.Scope{"slack://events": access.Events, "slack://events/EvNew": access.Events, "slack://channels/C1AA": access.Read} {
		for _, scope := range []access.Scope{access.Read, access.Events, access.Write} {
			err := set.Subscribable(as(t.Context(), scope), uri)
			if (err == nil) != (scope == needed) {
				t.Errorf("%s may be followed with %s: %v", uri, scope, err)
			}
		}
		if err := set.Subscribable(t.Context(), uri); err == nil {
			t.Errorf("%s may be followed by nobody", uri)
		}
		if _, err := set.Read(t.Context(), uri); !errors.Is(err, server.ErrResourceNotFound) {
			t.Errorf("%s read by nobody: %v", uri, err)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	set, _ := fixture(t)
	seen := map[string]bool{}
	for _, r := range set.List() {
		if seen[r.Name] || r.Title == "" || r.Description == "" || r.Scope == "" {
			t.Errorf("%+v", r)
		}
		seen[r.Name] = true
	}
}

// TestChanged holds the announcements to name resources that can be followed, and every
// list that an event changes.
func TestChanged(t *testing.T) {
	t.Parallel()
	_, log := fixture(t)
	page, err := log.Page(event.Query{Order: event.OldestFirst})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{
		{"slack://events", "slack://events/EvA", "webhook://slack/events", "slack://channels/C1AA/events", "slack://threads/C1AA/1700000001.000100/events", "slack://threads/C1AA/1700000001.000100"},
		{"slack://events", "slack://events/EvB", "webhook://slack/events", "slack://channels/C2AA/events", "slack://threads/C2AA/1700000002.000100/events", "slack://threads/C2AA/1700000002.000100"},
		{"slack://events", "slack://events/EvC", "webhook://slack/events", "slack://channels/C1AA/events", "slack://threads/C1AA/1700000001.000100/events", "slack://threads/C1AA/1700000001.000100"},
		{"webhook://orders%20%26%20more/events/id%2F1%20%C3%A9", "webhook://orders%20%26%20more/events"},
	} {
		if diff := cmp.Diff(want, resources.Changed(&page.Events[i])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", page.Events[i].ID, diff)
		}
	}
	gap := event.Event{Source: event.SourceGaps, ID: "1-downtime", Kind: event.Kind{Type: event.KindGap}}
	if got := resources.Changed(&gap); !slices.Contains(got, "slack://gaps") || slices.Contains(got, "slack://events") {
		t.Errorf("a gap changes %v, want slack://gaps, and not slack://events", got)
	}
	for typ, want := range map[string]string{
		"channel_rename": "slack://channels/C1AA", "user_change": "slack://users", "emoji_changed": "slack://emojis", "subteam_created": "slack://usergroups",
	} {
		e := eventtest.Envelope("Ev1", a{"type": typ, "channel": a{"id": "C1AA", "name": "x"}})
		e.Source = "slack"
		if got := resources.Changed(&e); !slices.Contains(got, want) {
			t.Errorf("%s changes %v, and not %s", typ, got, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"slack://events", "slack://events/a%2Fb", "webhook://x/events/y", "slack://threads/C1/1.000001/events"} {
		f.Add(s)
	}
	set, err := resources.New(resources.Options{Events: (&eventtest.Log{}).Events()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		ctx := as(t.Context(), access.Events)
		text, err := set.Read(ctx, uri)
		if err != nil && !errors.Is(err, server.ErrResourceNotFound) {
			t.Errorf("Read(%q): %v", uri, err)
		}
		if err == nil && !strings.HasPrefix(text, "{") {
			t.Errorf("Read(%q) = %s", uri, text)
		}
	})
}
