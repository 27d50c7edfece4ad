package view_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

var (
	marking = a{"metadata": a{"event_type": slackapi.AssistantMark, "event_payload": a{}}}
	stamp   = a{"app_id": "A0SELF0001", "bot_id": "B0SELF0001"}
	ofSelf  = a{"authorizations": []any{a{"team_id": homeTeam, "user_id": self, "is_bot": true}}}
	another = a{"app_id": "A0OTHER001", "bot_id": "B0OTHER001"}
)

func with(all ...a) a {
	sum := a{}
	for _, m := range all {
		maps.Copy(sum, m)
	}
	return sum
}

func TestTheMarkIsOne(t *testing.T) {
	t.Parallel()
	if slackapi.AssistantMark != event.AssistantMark {
		t.Errorf("what is posted is marked %q, and %q is read", slackapi.AssistantMark, event.AssistantMark)
	}
}

// TestAssistantsAreKnown shows messages that stand under a person's name in each form, and asks who wrote
// them, with and without lockdown, to the one who had it written and to another.
func TestAssistantsAreKnown(t *testing.T) {
	t.Parallel()
	kept := values(t)
	posts := view.NewPosts(kept, view.OfBot|view.OfPeople)
	posts.WroteFor(t.Context(), "C0SHARED01", "1700000000.000100", "tester", insider)
	posts.WroteFor(t.Context(), "", "F0KEPT0001", "tester", insider)
	elsewhere := a{"ts": "1700000000.000200"}
	for name, tt := range map[string]struct {
		message a
		kind    string
		mine    bool // the writer is shown it under lockdown
	}{
		"typed":                             {with(elsewhere, a{"client_msg_id": "1"}), view.KindPerson, true},
		"typed, by who sends no id":         {elsewhere, view.KindPerson, true},
		"marked and stamped":                {with(marking, stamp), view.KindAssistant, true},
		"marked alone":                      {marking, view.KindAssistant, true},
		"stamped alone":                     {stamp, view.KindAssistant, true},
		"remembered alone":                  {a{}, view.KindAssistant, true},
		"remembered, and another's":         {a{"user": guest}, view.KindPerson, true},
		"stamped, and not remembered":       {with(elsewhere, stamp), view.KindAssistant, false},
		"with a file that is remembered":    {with(elsewhere, a{"subtype": "file_share", "files": []any{a{"id": "F0KEPT0001"}}}), view.KindAssistant, true},
		"with another file":                 {with(elsewhere, a{"subtype": "file_share", "files": []any{a{"id": "F0OTHER001"}}}), view.KindPerson, true},
		"typed, and changed by a tool":      {a{"client_msg_id": "1", "edited": a{"user": insider, "ts": "2.0"}}, view.KindAssistant, true},
		"an assistant's, changed by hand":   {with(marking, a{"edited": a{"user": insider, "ts": "2.0"}}), view.KindAssistant, true},
		"another app's":                     {with(elsewhere, another), view.KindBot, false},
		"another app's with a forged mark":  {with(elsewhere, another, marking), view.KindBot, false},
		"our own bot's":                     {with(elsewhere, stamp, a{"user": self}), view.KindSelf, false},
		"what Slack says of the person":     {with(elsewhere, stamp, a{"subtype": "channel_topic"}), view.KindSelf, false},
		"a person of another workspace":     {with(elsewhere, a{"user": outsider, "user_team": "T0PARTNER01"}), view.KindPerson, false},
		"another workspace's, marked":       {with(elsewhere, marking, a{"user": outsider, "user_team": "T0PARTNER01"}), view.KindAssistant, false},
		"another person's remembered place": {a{"user": outsider, "user_team": "T0PARTNER01"}, view.KindPerson, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ev := eventtest.Envelope("Ev1", written(tt.message), inShared(true), ofSelf)
			e := &ev
			var m slackapi.Message
			raw, err := event.InnerJSON(e)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &m); err != nil {
				t.Fatal(err)
			}
			m.Channel = "C0SHARED01"
			for _, level := range []view.Lockdown{view.Off, view.Guests} {
				for _, reader := range []string{"tester", "stranger"} {
					j := view.NewJudge(view.JudgeOptions{Lockdown: level, People: &people{}, Posts: posts})
					r := j.Reading(access.With(t.Context(), &access.Principal{Name: reader}))
					kind, words := tt.kind, ours
					if level != view.Off && kind == view.KindSelf {
						kind = view.KindAssistant // of whom it is not known who wrote it
					}
					if level != view.Off && (!tt.mine || reader != "tester" && kind == view.KindAssistant) {
						words = ""
					}
					if v := r.Event(e, view.EventOptions{}); cmp.Or(v.Provenance.Kind, view.KindPerson) != kind || v.Text != words && tt.message["subtype"] != "channel_topic" {
						t.Errorf("event, lockdown %v, to %s: %s says %q, want %s and %q", level, reader, v.Provenance.Kind, v.Text, kind, words)
					}
					if v := r.Message(&m, view.MessageOptions{}); cmp.Or(v.Provenance.Kind, view.KindPerson) != kind || v.Text != words && tt.message["subtype"] != "channel_topic" {
						t.Errorf("message, lockdown %v, to %s: %s says %q, want %s and %q", level, reader, v.Provenance.Kind, v.Text, kind, words)
					}
				}
			}
		})
	}
}

// bots answers who our bot is.
func bots(context.Context) (string, error) { return self, nil }

// TestTheEventMayComeFirst asks of a message's event, with and without the marks in it, before and after
// Slack has answered the post, and after it has refused it.
func TestTheEventMayComeFirst(t *testing.T) {
	t.Parallel()
	const ts = "1700000000.000100"
	answered := func(p *view.Posts, t *testing.T, done func(bool)) {
		done(p.WroteFor(t.Context(), "C0SHARED01", ts, "tester", insider))
	}
	for name, tt := range map[string]struct {
		message a
		then    func(p *view.Posts, t *testing.T, done func(bool)) // what becomes of the post
		want    bool
	}{
		"stamped":                        {stamp, answered, true},
		"marked":                         {marking, answered, true},
		"stamped and marked":             {with(stamp, marking), answered, true},
		"neither":                        {a{}, answered, true},
		"neither, and refused":           {a{}, func(_ *view.Posts, _ *testing.T, done func(bool)) { done(true) }, false},
		"typed meanwhile":                {a{"ts": "1700000000.000300", "client_msg_id": "1"}, answered, false},
		"neither, and it is never known": {a{}, func(_ *view.Posts, _ *testing.T, done func(bool)) { done(false) }, true},
		"typed, and it is never known":   {a{"client_msg_id": "1"}, func(_ *view.Posts, _ *testing.T, done func(bool)) { done(false) }, false},
		"of another person":              {a{"user": guest}, answered, false},
		"of our bot":                     {with(stamp, a{"user": self}), answered, false},
	} {
		for order, before := range map[string]bool{"the event first": true, "the answer first": false} {
			t.Run(name+", "+order, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					p := view.NewPosts(values(t), view.OfPeople)
					done, err := p.Posting(t.Context(), insider)
					if err != nil {
						t.Fatal(err)
					}
					e := eventtest.Envelope("Ev1", written(tt.message), inShared(true), ofSelf)
					if before {
						time.AfterFunc(time.Second, func() { tt.then(p, t, done) })
					} else {
						tt.then(p, t, done)
					}
					if is, err := p.Assistant(t.Context(), &e, bots); is != tt.want || err != nil {
						t.Errorf("an assistant's: %v, %v, want %v", is, err, tt.want)
					}
					time.Sleep(time.Minute)
				})
			})
		}
	}
}

// TestTheEventsOfAnAssistantsFile tells of a file that a tool uploaded in a person's name, and of one that the
// person did.
func TestTheEventsOfAnAssistantsFile(t *testing.T) {
	t.Parallel()
	p := view.NewPosts(values(t), view.OfPeople)
	p.WroteFor(t.Context(), "", "F0KEPT0001", "tester", insider)
	for _, kind := range []string{"file_shared", "file_created", "file_public"} {
		for file, want := range map[string]bool{"F0KEPT0001": true, "F0OTHER001": false} {
			e := eventtest.Envelope("Ev1", a{"type": kind, "file_id": file, "user_id": insider, "file": a{"id": file}, "channel_id": "C0SHARED01", "event_ts": "1.0"}, inShared(true), ofSelf)
			if is, err := p.Assistant(t.Context(), &e, bots); is != want || err != nil {
				t.Errorf("%s of %s is an assistant's: %v, %v, want %v", kind, file, is, err, want)
			}
		}
	}
	e := eventtest.Envelope("Ev1", a{"type": "reaction_added", "user": insider, "item": a{"type": "message", "channel": "C0SHARED01", "ts": "1.0"}}, ofSelf)
	if is, err := p.Assistant(t.Context(), &e, bots); is || err != nil {
		t.Errorf("a reaction is an assistant's: %v, %v", is, err)
	}
}

// TestWhatCannotBeAskedIsNotDecided has no state, and no word from Slack on who our bot is.
func TestWhatCannotBeAskedIsNotDecided(t *testing.T) {
	t.Parallel()
	p := view.NewPosts(broken{values(t)}, view.OfPeople)
	if _, err := p.Posting(t.Context(), insider); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("a post is announced: %v", err)
	}
	e := eventtest.Envelope("Ev1", written(a{}), inShared(true))
	if _, err := p.Assistant(t.Context(), &e, bots); !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("it is decided: %v", err)
	}
	unknown := errors.New("nobody knows")
	e = eventtest.Envelope("Ev1", written(stamp), inShared(true), a{"authorizations": []any{}})
	if _, err := p.Assistant(t.Context(), &e, func(context.Context) (string, error) { return "", unknown }); !errors.Is(err, unknown) {
		t.Errorf("it is decided: %v", err)
	}
	// What a message says itself needs neither.
	e = eventtest.Envelope("Ev1", written(marking), inShared(true))
	if is, err := (*view.Posts)(nil).Assistant(t.Context(), &e, nil); !is || err != nil {
		t.Errorf("an assistant's: %v, %v", is, err)
	}
}

// broken is a state that cannot be reached.
type broken struct{ state.Store }

func (broken) Get(context.Context, string) (state.Entry, error) {
	return state.Entry{}, state.ErrUnavailable
}

func (broken) Put(context.Context, string, []byte, state.Put) (string, error) {
	return "", state.ErrUnavailable
}

func (broken) List(context.Context, string, string, int) ([]state.Entry, error) {
	return nil, state.ErrUnavailable
}
