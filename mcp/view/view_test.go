package view_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

type a = map[string]any

// open reads without lockdown.
func open(t *testing.T) *view.Reading {
	t.Helper()
	return view.NewJudge(view.JudgeOptions{}).Reading(t.Context())
}

func TestClean(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"plain text":              {"hello, wörld 日本語\n\tx", "hello, wörld 日本語\n\tx"},
		"an override":             {"a\u202eb\u202cc", "abc"},
		"isolates and marks":      {"\u2066a\u2069\u200eb\u200f\u061c", "ab"},
		"tags":                    {"x\U000e0041\U000e007fy", "xy"},
		"zero width":              {"z\u200be\u2060r\ufeffo\u00ad", "zero"},
		"fillers":                 {"a\u3164b\u115fc\uffa0d\u034f", "abcd"},
		"controls":                {"a\x00b\x1b[0m\x7f\u0085c", "ab[0mc"},
		"line endings":            {"a\r\nb", "a\nb"},
		"separators":              {"a\u2028b\u2029c", "abc"},
		"an emoji of several":     {"👩\u200d💻 👨\u200d👩\u200d👧", "👩\u200d💻 👨\u200d👩\u200d👧"},
		"an emoji's style":        {"❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3", "❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3"},
		"a joiner between words":  {"pass\u200dword", "password"},
		"a style on a letter":     {"a\ufe0fb", "ab"},
		"many styles":             {"❤\ufe0f\ufe0f\ufe0f", "❤\ufe0f"},
		"bytes hidden in styles":  {"😀\U000e0100\U000e0148\U000e0149", "😀"},
		"a Persian non-joiner":    {"می\u200cخواهم", "می\u200cخواهم"},
		"a Devanagari joiner":     {"क्\u200dष", "क्\u200dष"},
		"an Arabic number sign":   {"\u0600١٢", "\u0600١٢"},
		"an ideograph's variant":  {"葛\U000e0100", "葛\U000e0100"},
		"an annotation":           {"\ufff9a\ufffab\ufffb", "ab"},
		"nothing":                 {"", ""},
		"a joiner at either edge": {"\u200da\u200d", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, cleaned := view.Clean(tc.in)
			if got != tc.want {
				t.Errorf("Clean(%q) = %q, want %q", tc.in, got, tc.want)
			}
			if want := tc.in != tc.want && name != "line endings"; cleaned != want {
				t.Errorf("Clean(%q) reports %v, want %v", tc.in, cleaned, want)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"a\u202eb", "👩\u200d💻", "1\ufe0f\u20e3", "\U000e0041", "می\u200cخواهم", "\r\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, _ := view.Clean(s)
		if twice, again := view.Clean(once); twice != once || again {
			t.Errorf("cleaning twice differs: %q, %q, %v", once, twice, again)
		}
		if utf8.ValidString(s) && !utf8.ValidString(once) {
			t.Errorf("Clean(%q) is not UTF-8", s)
		}
	})
}

func TestEventURI(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ source, id, want string }{
		{"slack", "Ev0123", "slack://events/Ev0123"},
		{"orders", "a/b ?#é%", "webhook://orders/events/a%2Fb%20%3F%23%C3%A9%25"},
		{"slack", "sha256:ab+c", "slack://events/sha256%3Aab%2Bc"},
	} {
		got := view.EventURI(tc.source, tc.id)
		source, id, ok := view.ParseEventURI(got)
		if got != tc.want || source != tc.source || id != tc.id || !ok {
			t.Errorf("EventURI(%q, %q) = %s, read back as %q, %q, %v", tc.source, tc.id, got, source, id, ok)
		}
	}
	for _, bad := range []string{"", "Ev1", "slack://events/", "slack://events/%zz", "webhook://x", "webhook:///events/a", "https://x/events/a"} {
		if s, id, ok := view.ParseEventURI(bad); ok {
			t.Errorf("ParseEventURI(%q) = %q, %q", bad, s, id)
		}
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		event      event.Event
		text, ts   string
		provenance view.Provenance
	}{
		"a message of ours": {
			eventtest.Envelope("Ev1", a{"type": "message", "user": "U1AA", "channel": "C1AA", "ts": "1.000001", "text": "hi", "team": "T0LANTERN01"}),
			"hi", "1.000001",
			view.Provenance{Author: "U1AA", Kind: "person", SameTeam: true, Verified: true},
		},
		"a gap": {
			event.Event{
				Source: event.SourceGaps, ID: "1-downtime", Kind: event.Kind{Type: event.KindGap},
				Raw: []byte(`{"type":"gap_detected","gap":{"id":"1-downtime","kind":"downtime","from":"2026-01-02T03:04:05Z","to":"2026-01-02T04:04:05Z"}}`),
			},
			"Events of Slack's may have been missed from 2026-01-02T03:04:05Z to 2026-01-02T04:04:05Z (downtime): see slack://gaps", "",
			view.Provenance{Author: "gaps", Kind: "system", Verified: true},
		},
		"a message of another organisation": {
			eventtest.Envelope("Ev1", a{"type": "message", "user": "U1AA", "channel": "C1AA", "ts": "1.000001", "text": "hi", "team": "T0PARTNER01"}, a{"is_ext_shared_channel": true}),
			"hi", "1.000001",
			view.Provenance{Author: "U1AA", Kind: "person", External: true, Verified: true},
		},
		"somebody in a shared channel": {
			eventtest.Envelope("Ev1", a{"type": "reaction_added", "user": "U1AA", "reaction": "x", "item": a{"type": "message", "channel": "C1AA", "ts": "1.000001"}}, a{"is_ext_shared_channel": true}),
			"reacted with :x: to a message", "1.000001",
			view.Provenance{Author: "U1AA", Kind: "person", Verified: true},
		},
		"somebody of the same organisation": {
			eventtest.Envelope("Ev1", a{"type": "message", "user": "U1AA", "channel": "C1AA", "ts": "1.000001", "text": "hi", "team": "E0GRID"}, a{
				"authorizations": []any{a{"team_id": "T0LANTERN01", "enterprise_id": "E0GRID"}},
			}),
			"hi", "1.000001",
			view.Provenance{Author: "U1AA", Kind: "person", SameTeam: true, Verified: true},
		},
		"a colleague where the app is installed in the whole organisation": {
			eventtest.Envelope("Ev1", a{"type": "message", "user": "W1AA", "channel": "C1AA", "ts": "1.000001", "text": "hi", "team": "T0LANTERN01"}, a{
				"enterprise_id": "E0GRID", "is_ext_shared_channel": false,
				"authorizations": []any{a{"team_id": nil, "enterprise_id": "E0GRID", "is_enterprise_install": true}},
			}),
			"hi", "1.000001",
			view.Provenance{Author: "W1AA", Kind: "person", SameTeam: true, Verified: true},
		},
		"a colleague in a channel that is shared, where the app is installed in the whole organisation": {
			eventtest.Envelope("Ev1", a{"type": "message", "user": "W1AA", "channel": "C1AA", "ts": "1.000001", "text": "hi", "team": "T0LANTERN01"}, a{
				"enterprise_id": "E0GRID", "is_ext_shared_channel": true,
				"authorizations": []any{a{"team_id": nil, "enterprise_id": "E0GRID", "is_enterprise_install": true}},
			}),
			"hi", "1.000001",
			view.Provenance{Author: "W1AA", Kind: "person", SameTeam: true, Verified: true},
		},
		"a colleague of another workspace of the organisation": {
			eventtest.Envelope("Ev1", a{"type": "message", "user": "W1AA", "channel": "C1AA", "ts": "1.000001", "text": "hi", "team": "T0SISTER01"}, a{
				"is_ext_shared_channel": false, "authorizations": []any{a{"team_id": "T0LANTERN01", "enterprise_id": "E0GRID"}},
			}),
			"hi", "1.000001",
			view.Provenance{Author: "W1AA", Kind: "person", SameTeam: true, Verified: true},
		},
		"one of another workspace in a shared channel of an organisation": {
			eventtest.Envelope("Ev1", a{"type": "message", "user": "W1AA", "channel": "C1AA", "ts": "1.000001", "text": "hi", "team": "T0OTHER001"}, a{
				"is_ext_shared_channel": true, "authorizations": []any{a{"team_id": "T0LANTERN01", "enterprise_id": "E0GRID"}},
			}),
			"hi", "1.000001",
			view.Provenance{Author: "W1AA", Kind: "person", Verified: true},
		},
		"another bot": {
			eventtest.Envelope("Ev1", a{"type": "message", "subtype": "bot_message", "bot_id": "B1AA", "channel": "C1AA", "ts": "1.000001", "text": "beep"}),
			"beep", "1.000001",
			view.Provenance{Author: "B1AA", Kind: "bot", SameTeam: true, Verified: true},
		},
		"a changed message": {
			eventtest.Envelope("Ev1", a{"type": "message", "subtype": "message_changed", "channel": "C1AA", "ts": "9.000001", "message": a{"user": "U1AA", "text": "new", "ts": "1.000001", "team": "T0LANTERN01"}}),
			"new", "1.000001",
			view.Provenance{Author: "U1AA", Kind: "person", SameTeam: true, Verified: true},
		},
		"an event of Slack's own": {
			eventtest.Envelope("Ev1", a{"type": "channel_created", "channel": a{"id": "C1AA", "name": "x"}}),
			"created the channel #x", "",
			view.Provenance{Kind: "system", SameTeam: true, Verified: true},
		},
		"a text that is a number": {
			eventtest.Envelope("Ev1", a{"type": "message", "user": "U1AA", "channel": "C1AA", "ts": "1.000001", "text": 7, "team": "T0LANTERN01"}),
			"", "1.000001",
			view.Provenance{Author: "U1AA", Kind: "person", SameTeam: true, Verified: true},
		},
		"another sender": {
			event.Event{Source: "orders", ID: "1", Kind: event.Kind{Type: "paid"}, Raw: []byte(`{"text":"x"}`)},
			"", "",
			view.Provenance{Author: "orders", Kind: "service", External: true, Verified: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := open(t).Event(&tc.event, view.EventOptions{Payload: true})
			if v.Text != tc.text || v.TS != tc.ts || len(v.Payload) == 0 {
				t.Errorf("shown as %+v", v)
			}
			if diff := cmp.Diff(tc.provenance, v.Provenance); diff != "" {
				t.Errorf("provenance (-want +got):\n%s", diff)
			}
		})
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	show := func(body string) view.Event {
		t.Helper()
		env, err := event.DecodeSlack([]byte(body), event.Form)
		if err != nil {
			t.Fatal(err)
		}
		env.Source, env.ID = "slack", "x"
		return open(t).Event(&env.Event, view.EventOptions{Payload: true})
	}
	v := show("command=%2Flamp&text=on%20now&user_id=U1AA&team_id=T1AA&channel_id=C1AA&token=secret&response_url=https%3A%2F%2Fhooks.slack.com%2Fsecret&trigger_id=1.secret")
	if v.Text != "/lamp on now" || v.User != "U1AA" || strings.Contains(string(v.Payload), "secret") {
		t.Errorf("a slash command is shown as %+v with %s", v, v.Payload)
	}
	v = show("payload=" + strings.ReplaceAll(`{"type":"block_actions","user":{"id":"U1AA","team_id":"T2AA"},"team":{"id":"T1AA"},"token":"secret","actions":[{"value":"go"}]}`, "\"", "%22"))
	organisation := show("payload=" + strings.ReplaceAll(`{"type":"shortcut","user":{"id":"W1AA","team_id":"T2AA"},"team":null,"enterprise":{"id":"E1AA"},"is_enterprise_install":true}`, "\"", "%22"))
	if organisation.Provenance.External {
		t.Errorf("an interaction in an organisation's installation is shown as %+v", organisation)
	}
	if v.Type != "block_actions" || !v.Provenance.External || strings.Contains(string(v.Payload), "secret") || !strings.Contains(string(v.Payload), `"value":"go"`) {
		t.Errorf("an interaction is shown as %+v with %s", v, v.Payload)
	}
}

func TestPayloadKeepsNumbers(t *testing.T) {
	t.Parallel()
	e := event.Event{Source: "orders", ID: "1", Raw: []byte(`{"big":12345678901234567890,"a\u202eb":"<&>\u0000"}`)}
	v := open(t).Event(&e, view.EventOptions{Payload: true})
	if got, want := string(v.Payload), `{"ab":"<&>","big":12345678901234567890}`; got != want {
		t.Errorf("payload %s, want %s", got, want)
	}
	if long := open(t).Event(&e, view.EventOptions{Payload: true, MaxPayload: 10}); long.Payload != nil || len(long.Flags) == 0 {
		t.Errorf("a payload beyond its bound is shown: %+v", long)
	}
}

func TestTextIsBounded(t *testing.T) {
	t.Parallel()
	var f view.Flags
	if got := f.Text(strings.Repeat("é", 20), 10); got != strings.Repeat("é", 10) {
		t.Errorf("cut to %q", got)
	}
	if diff := cmp.Diff(view.Flags{view.FlagTruncated}, f); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
}

func TestPermalink(t *testing.T) {
	t.Parallel()
	if got, want := view.Permalink("https://x.slack.com/", "C1AA", "1700000000.000200", "1700000000.000100"), "https://x.slack.com/archives/C1AA/p1700000000000200?thread_ts=1700000000.000100&cid=C1AA"; got != want {
		t.Errorf("Permalink = %s, want %s", got, want)
	}
	if got := view.Permalink("", "C1AA", "1.000001", ""); got != "" {
		t.Errorf("without a workspace it is %s", got)
	}
}
