package events_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"slackmcp/mcp/events"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
)

func newCatalog(t testing.TB, level view.Lockdown) *events.Catalog {
	t.Helper()
	c, err := events.NewCatalog(view.NewJudge(view.JudgeOptions{Lockdown: level}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func compile(t testing.TB, name string, schema json.RawMessage) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatalf("%s: %v in %s", name, err, schema)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name+".json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read returns what a type makes of one event, checked against the published schema.
func read(t testing.TB, c *events.Catalog, name, arguments string, e event.Event) (o events.Occurrence, data map[string]any, ok bool) {
	t.Helper()
	log := &eventtest.Log{}
	log.Append(e)
	sel, found, err := c.Select(name, json.RawMessage(arguments))
	if err != nil || !found {
		t.Fatalf("%s %s: %v, %v", name, arguments, found, err)
	}
	f := events.NewReader(log.Events(), nil).Follow(eventtest.Service(), sel, events.CursorStart, 10, 0)
	defer f.Close()
	b, err := f.Read(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Occurrences) == 0 {
		return o, nil, false
	}
	raw, err := json.Marshal(b.Occurrences[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range c.Types() {
		if typ.Name == name {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			if err := compile(t, name, typ.PayloadSchema).Validate(value); err != nil {
				t.Errorf("%s: %v\n%s", name, err, raw)
			}
		}
	}
	if err := json.Unmarshal(raw, &data); err != nil {
		t.Fatal(err)
	}
	return b.Occurrences[0], data, true
}

func slack(inner map[string]any) event.Event { return eventtest.Envelope("Ev01", inner) }

func form(t testing.TB, fields url.Values) event.Event {
	t.Helper()
	env, err := event.DecodeSlack([]byte(fields.Encode()), event.Form)
	if err != nil {
		t.Fatal(err)
	}
	env.Source, env.ID = event.SourceSlack, "Ev01"
	return env.Event
}

func payload(t testing.TB, inner map[string]any) event.Event {
	t.Helper()
	b, err := json.Marshal(inner)
	if err != nil {
		t.Fatal(err)
	}
	return form(t, url.Values{"payload": {string(b)}})
}

// notice is the event of a gap of ten minutes.
func notice(t testing.TB, kind gaps.Kind) event.Event {
	t.Helper()
	from := time.UnixMilli(1700000000000).UTC()
	g := gaps.Gap{ID: "1700000000000-" + string(kind), Kind: kind, From: from, To: from.Add(10 * time.Minute), NoticedAt: from.Add(10 * time.Minute)}
	e, err := g.Notice(g.NoticedAt)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestTypes shows each type one event, and what of it the arguments let through.
func TestTypes(t *testing.T) {
	t.Parallel()
	said := map[string]any{"type": "message", "channel": "C01", "channel_type": "channel", "user": "U01", "text": "Ship it", "ts": "1700000001.000100"}
	with := func(more map[string]any) event.Event {
		m := map[string]any{}
		for _, part := range []map[string]any{said, more} {
			maps.Copy(m, part)
		}
		return slack(m)
	}
	reaction := func(kind string) event.Event {
		return slack(map[string]any{"type": kind, "user": "U01", "reaction": "eyes", "item_user": "U02", "item": map[string]any{"type": "message", "channel": "C01", "ts": "1700000001.000100"}})
	}
	click := payload(t, map[string]any{
		"type": "block_actions", "user": map[string]any{"id": "U01", "team_id": "T01"}, "team": map[string]any{"id": "T01"}, "channel": map[string]any{"id": "C01"},
		"container": map[string]any{"message_ts": "1700000001.000100", "thread_ts": "1700000001.000100"}, "response_url": "https://hooks.slack.com/secret", "trigger_id": "secret",
		"actions": []any{map[string]any{"action_id": "approve", "block_id": "b", "type": "button", "value": "42"}},
	})
	used := func(element map[string]any) event.Event {
		element["action_id"], element["block_id"] = "act", "b"
		return payload(t, map[string]any{"type": "block_actions", "user": map[string]any{"id": "U01"}, "actions": []any{element}})
	}
	sent := payload(t, map[string]any{"type": "view_submission", "user": map[string]any{"id": "U01"}, "view": map[string]any{"id": "V01", "callback_id": "order", "state": map[string]any{"values": map[string]any{
		"w": map[string]any{"who": map[string]any{"type": "users_select", "selected_user": "U02"}},
		"n": map[string]any{"note": map[string]any{"type": "rich_text_input", "rich_text_value": map[string]any{"type": "rich_text", "elements": []any{map[string]any{"type": "text", "text": "rich words"}}}}},
	}}}})
	command := form(t, url.Values{"command": {"/deploy"}, "text": {"now"}, "user_id": {"U01"}, "channel_id": {"C01"}, "team_id": {"T01"}, "token": {"x"}})
	other := event.Event{Source: "billing", ID: "evt 1", Kind: event.Kind{Type: "invoice.paid"}, Raw: []byte(`{"a":1}`)}
	limited, err := event.DecodeSlack([]byte(`{"type":"app_rate_limited","team_id":"T01","minute_rate_limited":1699999980,"api_app_id":"A01"}`), event.JSON)
	if err != nil {
		t.Fatal(err)
	}
	down := notice(t, gaps.Downtime)
	claimed := down // by somebody else
	claimed.Source = "billing"
	for _, tc := range []struct {
		name, arguments string
		event           event.Event
		has             map[string]any // nil: the event is none of it
	}{
		{"message.created", `{}`, with(nil), map[string]any{"text": "Ship it", "channel": "C01", "user": "U01", "ts": "1700000001.000100", "uri": "slack://events/Ev01", "untrusted": true}},
		{"message.created", `{"channel":"C01","user":"U01","channel_type":"channel","keyword":"SHIP","team":"T0LANTERN01"}`, with(nil), map[string]any{"event_id": "Ev01"}},
		{"message.created", `{}`, with(map[string]any{"thread_ts": "1700000001.000100"}), map[string]any{"thread_ts": nil}},
		{"message.created", `{"channel":"C02"}`, with(nil), nil},
		{"message.created", `{"channel_type":"im"}`, with(nil), nil},
		{"message.created", `{}`, with(map[string]any{"subtype": "channel_topic"}), nil},
		{"message.created", `{}`, with(map[string]any{"subtype": "file_share", "files": []any{map[string]any{"id": "F01", "name": "a.txt"}}}), map[string]any{"files": []any{map[string]any{"id": "F01", "name": "a.txt"}}}},
		{"message.changed", `{}`, with(map[string]any{"subtype": "message_changed", "message": map[string]any{"text": "Shipped", "ts": "1700000001.000100", "user": "U01"}, "previous_message": map[string]any{"text": "Ship it"}}), map[string]any{"text": "Shipped", "previous_text": "Ship it", "ts": "1700000001.000100"}},
		{"message.deleted", `{}`, with(map[string]any{"subtype": "message_deleted", "deleted_ts": "1700000001.000100", "previous_message": map[string]any{"text": "taken back", "ts": "1700000001.000100"}}), map[string]any{"ts": "1700000001.000100", "previous_text": "taken back"}},
		{"mention.received", `{"channel":"C01"}`, with(map[string]any{"type": "app_mention"}), map[string]any{"text": "Ship it"}},
		{"direct_message.received", `{}`, with(map[string]any{"channel": "D01", "channel_type": "im"}), map[string]any{"channel": "D01"}},
		{"direct_message.received", `{}`, with(nil), nil},
		{"thread.replied", `{"thread_ts":"1700000000.000100"}`, with(map[string]any{"thread_ts": "1700000000.000100"}), map[string]any{"thread_ts": "1700000000.000100"}},
		{"thread.replied", `{}`, with(nil), nil},
		{"reaction.added", `{"reaction":":eyes:","message_author":"U02","message_ts":"1700000001.000100"}`, reaction("reaction_added"), map[string]any{"reaction": "eyes", "message_author": "U02", "ts": "1700000001.000100"}},
		{"reaction.added", `{"reaction":"tada"}`, reaction("reaction_added"), nil},
		{"reaction.removed", `{}`, reaction("reaction_removed"), map[string]any{"reaction": "eyes"}},
		{"channel.created", `{}`, slack(map[string]any{"type": "channel_created", "channel": map[string]any{"id": "C09", "name": "new", "creator": "U01"}}), map[string]any{"channel": "C09", "name": "new", "creator": "U01"}},
		{"channel.renamed", `{"channel":"C09"}`, slack(map[string]any{"type": "channel_rename", "channel": map[string]any{"id": "C09", "name": "newer"}}), map[string]any{"name": "newer"}},
		{"channel.archived", `{}`, slack(map[string]any{"type": "channel_archive", "channel": "C09", "user": "U01"}), map[string]any{"channel": "C09", "user": "U01"}},
		{"member.joined", `{"user":"U01"}`, slack(map[string]any{"type": "member_joined_channel", "channel": "C01", "user": "U01", "inviter": "U02"}), map[string]any{"inviter": "U02"}},
		{"member.left", `{}`, slack(map[string]any{"type": "member_left_channel", "channel": "C01", "user": "U01"}), map[string]any{"user": "U01"}},
		{"user.changed", `{}`, slack(map[string]any{"type": "user_change", "user": map[string]any{"id": "U01", "name": "ann", "profile": map[string]any{"status_text": "away"}}}), map[string]any{"user": "U01", "name": "ann", "status_text": "away"}},
		{"file.shared", `{}`, slack(map[string]any{"type": "file_shared", "file_id": "F01", "user_id": "U01", "channel_id": "C01"}), map[string]any{"file_id": "F01", "channel": "C01", "user": "U01"}},
		{"interaction.received", `{"action_id":"approve","kind":"block_actions"}`, click, map[string]any{"kind": "block_actions", "thread_ts": nil, "message_ts": "1700000001.000100", "actions": []any{map[string]any{"action_id": "approve", "block_id": "b", "type": "button", "value": "42"}}}},
		{"interaction.received", `{"action_id":"reject"}`, click, nil},
		{"interaction.received", `{}`, used(map[string]any{"type": "multi_users_select", "selected_users": []string{"U02", "U03"}}), map[string]any{"actions": []any{map[string]any{"action_id": "act", "block_id": "b", "type": "multi_users_select", "value": "U02", "values": []any{"U02", "U03"}}}}},
		{"interaction.received", `{}`, used(map[string]any{"type": "datepicker", "selected_date": "2026-01-02"}), map[string]any{"actions": []any{map[string]any{"action_id": "act", "block_id": "b", "type": "datepicker", "value": "2026-01-02"}}}},
		{"interaction.received", `{"kind":"view_submission"}`, sent, map[string]any{"callback_id": "order", "view_id": "V01", "inputs": []any{
			map[string]any{"action_id": "note", "block_id": "n", "type": "rich_text_input", "value": "rich words"},
			map[string]any{"action_id": "who", "block_id": "w", "type": "users_select", "value": "U02"},
		}}},
		{"interaction.received", `{"command":"/deploy"}`, command, map[string]any{"command": "/deploy", "text": "now", "channel": "C01"}},
		{"webhook.received", `{"source":"billing","type":"invoice.paid"}`, other, map[string]any{"source": "billing", "type": "invoice.paid", "uri": "webhook://billing/events/evt%201"}},
		{"webhook.received", `{"type":"invoice.lost"}`, other, nil},
		{"webhook.received", `{}`, with(nil), nil},
		{"gap.detected", `{}`, slack(map[string]any{"type": "app_rate_limited"}), map[string]any{"reason": "rate_limited", "gaps_uri": "slack://gaps"}},
		{"gap.detected", `{}`, limited.Event, map[string]any{"reason": "rate_limited", "at": "2023-11-14T22:13:00Z", "from": "2023-11-14T22:13:00Z", "to": "2023-11-14T22:14:00Z"}},
		{"gap.detected", `{}`, down, map[string]any{
			"reason": "downtime", "at": "2023-11-14T22:13:20Z", "from": "2023-11-14T22:13:20Z", "to": "2023-11-14T22:23:20Z", "gap_id": "1700000000000-downtime",
			"source": "gaps", "event_id": "1700000000000-downtime", "gaps_uri": "slack://gaps", "uri": "webhook://gaps/events/1700000000000-downtime",
		}},
		{"gap.detected", `{}`, claimed, nil},
		{"webhook.received", `{}`, down, nil},
	} {
		o, data, ok := read(t, newCatalog(t, view.Off), tc.name, tc.arguments, tc.event)
		if ok != (tc.has != nil) {
			t.Errorf("%s %s: got %v", tc.name, tc.arguments, data)
			continue
		}
		for k, want := range tc.has {
			got, _ := json.Marshal(data[k])
			if w, _ := json.Marshal(want); string(got) != string(w) {
				t.Errorf("%s: %s is %s, want %s", tc.name, k, got, w)
			}
		}
		if ok && (o.Name != tc.name || strings.ContainsAny(o.EventID, " \n") || len(o.EventID) > 128) {
			t.Errorf("%s: %+v", tc.name, o)
		}
		if b, _ := json.Marshal(data); strings.Contains(string(b), "secret") {
			t.Errorf("%s tells a secret: %s", tc.name, b)
		}
	}
}

// TestTypesAreAll keeps the names that users were promised.
func TestTypesAreAll(t *testing.T) {
	t.Parallel()
	var names []string
	for _, typ := range newCatalog(t, view.Off).Types() {
		names = append(names, typ.Name)
		compile(t, typ.Name+".in", typ.InputSchema)
		if !strings.Contains(string(typ.InputSchema), `"additionalProperties":false`) {
			t.Errorf("%s takes any argument: %s", typ.Name, typ.InputSchema)
		}
	}
	const want = "message.created message.changed message.deleted mention.received direct_message.received thread.replied reaction.added reaction.removed" +
		" channel.created channel.renamed channel.archived member.joined member.left user.changed file.shared interaction.received webhook.received gap.detected"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestLockdown leaves out what people outside of the workspace wrote.
func TestLockdown(t *testing.T) {
	t.Parallel()
	stranger := slack(map[string]any{
		"type": "message", "channel": "C01", "user": "U09", "user_team": "T0OTHER", "text": "do as I say", "ts": "1700000001.000100",
		"files": []any{map[string]any{"id": "F01", "name": "do as I say"}},
	})
	_, data, ok := read(t, newCatalog(t, view.Guests), "message.created", "", stranger)
	if b, _ := json.Marshal(data); !ok || strings.Contains(string(b), "do as I say") || !strings.Contains(string(b), "withheld_by_lockdown") {
		t.Errorf("got %s", b)
	}
}

// TestCorpus shows real payloads to every type: whatever comes out follows its schema and
// stays small.
func TestCorpus(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, view.Off)
	total := 0
	for _, dir := range []string{"../../webhook/testdata/slack", "../../../shared/corpus/slack/events", "../../../shared/corpus/slack/interactions"} {
		paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			encoding := event.JSON
			if strings.HasSuffix(dir, "interactions") {
				raw, encoding = []byte(url.Values{"payload": {string(raw)}}.Encode()), event.Form
			}
			env, err := event.DecodeSlack(raw, encoding)
			if err != nil {
				continue
			}
			e := env.Event
			e.Source = event.SourceSlack
			for _, typ := range c.Types() {
				if _, data, ok := read(t, c, typ.Name, `{}`, e); ok {
					total++
					if b, _ := json.Marshal(data); len(b) > 16<<10 {
						t.Errorf("%s of %s has %d bytes", typ.Name, path, len(b))
					}
				}
			}
		}
	}
	if total < 8 {
		t.Errorf("only %d of the corpus became events", total)
	}
}

// TestSameArguments: the order of members and space make no other subscription.
func TestSameArguments(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, view.Off)
	var first string
	for _, raw := range []string{`{"channel":"C01","user":"U01"}`, ` { "user" : "U01" , "channel":"C01" } `} {
		s, _, err := c.Select("message.created", json.RawMessage(raw))
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(s.Arguments)
		}
		if string(s.Arguments) != first {
			t.Errorf("%s and %s", s.Arguments, first)
		}
	}
}
