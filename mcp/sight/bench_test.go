package sight_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/view"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
	"slackmcp/store/memory"
	"slackmcp/webhook/event"
	"slackmcp/webhook/journal"
)

// workspace is a Slack with private conversations, each person in every fourth.
type workspace struct{ conversations int }

func (w workspace) Conversation(ctx context.Context, _ access.Person, id string) (slackapi.Channel, error) {
	return w.ConversationInfo(ctx, id)
}
func (w workspace) Holds(context.Context, access.Person) error { return nil }
func (w workspace) ConversationInfo(_ context.Context, id string) (slackapi.Channel, error) {
	return slackapi.Channel{ID: id, IsChannel: true, IsPrivate: true, IsMember: true}, nil
}

func (w workspace) Members(_ context.Context, channel, _ string, _ int) (page slackapi.MemberPage, _ error) {
	n := 0
	_, _ = fmt.Sscanf(channel, "C%d", &n)
	for i := range 1000 {
		if (i+n)%4 == 0 {
			page.Members = append(page.Members, fmt.Sprintf("U%d", i))
		}
	}
	return page, nil
}

func (w workspace) UserConversations(context.Context, string, slackapi.ListQuery) (page slackapi.ChannelPage, _ error) {
	for i := range w.conversations {
		page.Channels = append(page.Channels, slackapi.Channel{ID: fmt.Sprintf("C%d", i), IsChannel: true, IsPrivate: true, IsMember: true})
	}
	return page, nil
}

func (w workspace) UserInfo(_ context.Context, id string) (slackapi.User, error) {
	return slackapi.User{ID: id, TeamID: "T1"}, nil
}

func (w workspace) UserList(context.Context, string, int) (page slackapi.UserPage, _ error) {
	for i := range 1000 {
		page.Users = append(page.Users, slackapi.User{ID: fmt.Sprintf("U%d", i), TeamID: "T1"})
	}
	return page, nil
}

func (w workspace) FileInfo(context.Context, string) (slackapi.File, error) {
	return slackapi.File{}, nil
}

// window is a journal as readers have it.
type window struct{ *journal.Journal }

func (w window) Query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	p, err := w.Journal.Query(ctx, q)
	if err != nil {
		return err
	}
	return use(p)
}

func (w window) Get(ctx context.Context, source, id string, use func(*event.Event) error) error {
	e, err := w.Journal.Get(ctx, source, id)
	if err != nil {
		return err
	}
	return use(&e)
}

// judging is a journal of 10,000 messages in 300 conversations, before a judge who knows all of them.
func judging(b *testing.B) (window, *visibility.Judge) {
	b.Helper()
	w := workspace{300}
	j, err := visibility.New(visibility.Options{
		Bot: w, People: w, Self: func() (visibility.Install, bool) {
			return visibility.Install{Host: "slack.com", Team: "T1", Bot: "UBOT"}, true
		}, Pace: 1e6,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(j.Close)
	store, err := memory.New(memory.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	log, err := journal.New(journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	log.Before(j.Apply, j.Forget)
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	go func() { _ = j.Run(ctx) }()
	go func() { _ = log.Run(ctx, store) }()
	for i := range 10_000 {
		e := eventtest.Envelope(fmt.Sprintf("Ev%d", i), map[string]any{
			"type": "message", "channel": fmt.Sprintf("C%d", i%300), "channel_type": "group", "user": "U1", "ts": "1700000000.000100", "text": "some words that somebody says in a conversation",
		}, map[string]any{"team_id": "T1"})
		if _, err := store.Publish(ctx, e); err != nil {
			b.Fatal(err)
		}
	}
	for p := (access.Person{Host: "slack.com", Team: "T1", User: "U1"}); ; time.Sleep(20 * time.Millisecond) {
		n, _ := log.Len()
		known := n == 10_000
		for i := range 300 {
			known = known && j.See(p, &event.Event{Source: event.SourceSlack, Team: "T1", Channel: fmt.Sprintf("C%d", i)}) != visibility.Unknown
		}
		if known {
			return window{log}, j
		}
	}
}

// BenchmarkList reads the newest 50 events, as a service and as a person who sees a quarter of them. It reports
// the slowest of 20.
func BenchmarkList(b *testing.B) {
	w, j := judging(b)
	show := func(p access.Person, sees func(string) bool, e *event.Event) event.Event {
		return view.Seer{User: p.User, Sees: sees}.Event(e)
	}
	events := sight.Over(w, sight.Options{Judge: j, Show: show, Cursors: sealer{}})
	for name, log := range map[string]sight.Log{"service": events.For(sight.Of(eventtest.Service())), "person": events.For(sight.Of(person("U1")))} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				err := log.Query(b.Context(), event.Query{Filter: event.Filter{Source: event.SourceSlack}}, func(p event.Page) error {
					if len(p.Events) != 50 {
						b.Errorf("%d events", len(p.Events))
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds()), "p95-µs")
		})
	}
}

// BenchmarkVerdict judges one event for one of a thousand people.
func BenchmarkVerdict(b *testing.B) {
	w, j := judging(b)
	e, err := w.Journal.Get(b.Context(), event.SourceSlack, "Ev9999")
	if err != nil {
		b.Fatal(err)
	}
	events := sight.Over(w, sight.Options{Judge: j, Show: func(_ access.Person, _ func(string) bool, e *event.Event) event.Event { return *e }, Cursors: sealer{}})
	var logs []sight.Log
	for i := range 1000 {
		logs = append(logs, events.For(sight.Of(person(fmt.Sprintf("U%d", i)))))
	}
	n := 0
	for b.Loop() {
		logs[n%1000].Verdict(&e)
		n++
	}
}

// BenchmarkHidden asks in turn for what is hidden and for what does not exist, an event by its id and the events of a
// conversation, and reports how the times compare: the ratios of the medians and of the slowest of 20.
func BenchmarkHidden(b *testing.B) {
	w, j := judging(b)
	show := func(p access.Person, sees func(string) bool, e *event.Event) event.Event {
		return view.Seer{User: p.User, Sees: sees}.Event(e)
	}
	log := sight.Over(w, sight.Options{Judge: j, Show: show, Cursors: sealer{}}).For(sight.Of(person("U1")))
	var hidden event.Event
	for i := 0; i < 300 && hidden.ID == ""; i++ {
		e, err := w.Journal.Get(b.Context(), event.SourceSlack, fmt.Sprintf("Ev%d", 9_000+i))
		if err != nil {
			b.Fatal(err)
		}
		if log.Verdict(&e) == visibility.Hidden {
			hidden = e
		}
	}
	for name, ask := range map[string]func(hide bool) error{
		"event": func(hide bool) error {
			id := "EvNone"
			if hide {
				id = hidden.ID
			}
			err := log.Get(b.Context(), event.SourceSlack, id, func(*event.Event) error { return nil })
			if !errors.Is(err, event.ErrNotFound) {
				return fmt.Errorf("%s: %w", id, err)
			}
			return nil
		},
		"conversation": func(hide bool) error {
			q := event.Query{Filter: event.Filter{Source: event.SourceSlack, Channel: "CNONE"}}
			if hide {
				q.Filter.Channel = hidden.Channel
			}
			return log.Query(b.Context(), q, func(p event.Page) error {
				if len(p.Events) > 0 {
					return fmt.Errorf("%d events of %s are shown", len(p.Events), q.Filter.Channel)
				}
				return nil
			})
		},
	} {
		b.Run(name, func(b *testing.B) {
			took := map[bool][]time.Duration{}
			for b.Loop() {
				for _, hide := range []bool{true, false} {
					began := time.Now()
					if err := ask(hide); err != nil {
						b.Fatal(err)
					}
					took[hide] = append(took[hide], time.Since(began))
				}
			}
			at := func(hide bool, part float64) float64 {
				slices.Sort(took[hide])
				return float64(took[hide][int(part*float64(len(took[hide])-1))].Nanoseconds()) / 1000
			}
			b.ReportMetric(at(true, 0.5), "hidden-µs")
			b.ReportMetric(at(false, 0.5), "absent-µs")
			b.ReportMetric(at(true, 0.5)/at(false, 0.5), "ratio")
			b.ReportMetric(at(true, 0.95)/at(false, 0.95), "p95-ratio")
		})
	}
}
