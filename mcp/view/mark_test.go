package view_test

import (
	"encoding/json"
	"testing"
	"time"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

func TestTheMarkCannotBeForgotten(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(struct {
		view.Mark
		Note string `json:"note"`
	}{Note: "n"})
	if err != nil || string(b) != `{"untrusted":true,"note":"n"}` {
		t.Errorf("a result is written as %s, %v", b, err)
	}
}

func TestProvenanceStandsWhereTheAuthorIsNoPlainColleague(t *testing.T) {
	t.Parallel()
	plain := view.Provenance{Author: "U1AA", Kind: view.KindPerson, SameTeam: true, Verified: true}
	for name, change := range map[string]func(*view.Provenance){
		"external":   func(p *view.Provenance) { p.External, p.SameTeam = true, false },
		"of nowhere": func(p *view.Provenance) { p.SameTeam = false },
		"guest":      func(p *view.Provenance) { p.Guest = true },
		"unverified": func(p *view.Provenance) { p.Verified = false },
		"bot":        func(p *view.Provenance) { p.Kind = view.KindBot },
		"ourselves":  func(p *view.Provenance) { p.Kind = view.KindSelf },
		"system":     func(p *view.Provenance) { p.Kind = view.KindSystem },
		"service":    func(p *view.Provenance) { p.Kind = view.KindService },
		"assistant":  func(p *view.Provenance) { p.Kind = view.KindAssistant },
		"unknown":    func(p *view.Provenance) { p.Kind = view.KindUnknown },
	} {
		p := plain
		change(&p)
		if p.IsZero() {
			t.Errorf("%s: the provenance is left out", name)
		}
	}
	b, err := json.Marshal(view.Message{TS: "1.000100", User: "U1AA", Text: "hello", Provenance: plain})
	if err != nil || string(b) != `{"ts":"1.000100","user":"U1AA","text":"hello"}` {
		t.Errorf("a colleague's message is written as %s, %v", b, err)
	}
}

func TestConciseViewsLeaveOutWhatAReaderHas(t *testing.T) {
	t.Parallel()
	r := open(t)
	e := eventtest.Envelope("Ev1", a{
		"type": "message", "subtype": "bot_message", "bot_id": "B1AA", "channel": "C1AA", "channel_type": "channel",
		"ts": "1.000001", "thread_ts": "1.000001", "text": "hi", "team": "T0LANTERN01",
	})
	e.Source, e.ReceivedAt, e.At = event.SourceSlack, time.Unix(1_700_000_000, 0), time.Unix(1_700_000_000, 0)
	m := slackapi.Message{
		Channel: "C1AA", BotID: "B1AA", Subtype: "bot_message", TS: "1.000001", ThreadTS: "1.000001", Text: "hi",
		ReplyCount: 1, LatestReply: "2.000001", UserTeam: "T0LANTERN01",
	}
	for _, tc := range []struct {
		what              string
		concise, detailed any
		absent, always    []string
	}{
		{
			"an event", r.Event(&e, view.EventOptions{Concise: true}), r.Event(&e, view.EventOptions{}),
			[]string{"source", "subtype", "team", "channel_type", "happened_at", "received_at", "uri", "type"},
			[]string{"event_id", "channel", "ts", "text", "provenance"},
		},
		{
			"a message", r.Message(&m, view.MessageOptions{}), r.Message(&m, view.MessageOptions{Detailed: true}),
			[]string{"subtype", "latest_reply"},
			[]string{"ts", "bot_id", "text", "provenance", "reply_count"},
		},
	} {
		concise, detailed := members(t, tc.concise), members(t, tc.detailed)
		for _, name := range tc.absent {
			if concise[name] != nil || detailed[name] == nil {
				t.Errorf("%s has %s: %v in concise form, %v in detailed form", tc.what, name, concise[name], detailed[name])
			}
		}
		for _, name := range tc.always {
			if concise[name] == nil || detailed[name] == nil {
				t.Errorf("%s lacks %s", tc.what, name)
			}
		}
		for _, v := range []map[string]any{concise, detailed} {
			if v["thread_ts"] != nil {
				t.Errorf("%s that begins a thread has a thread_ts of its own", tc.what)
			}
		}
	}
}

// members are those of a view as it is written.
func members(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
