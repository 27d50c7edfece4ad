package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func historyTests() []test {
	return []test{
		{name: "pages in both orders", run: historyPages},
		{name: "limits have a default and a maximum", run: historyLimits},
		{name: "every filter selects", run: historyFilters},
		{name: "a page has what its reader may see, and no less of it, or is refused", run: historySight},
		{name: "a budget that runs out leaves a cursor", run: historyBudget},
		{name: "the end of the log is a cursor for what comes", run: historyEnd},
		{name: "pages do not shift while others write", run: historyWhileWriting},
		{name: "a cursor of another store has expired", run: historyForeign},
		{name: "a cursor that was trimmed has expired", run: historyTrimmed},
		{name: "a cursor survives a restart", restart: true, run: historyAcrossRestart},
		{name: "get finds by source and id", run: getOne},
	}
}

// pages reads a query to its end, and returns the ids and the sizes of the pages.
func (e *env) pages(q event.Query) (list []string, sizes []int) {
	e.Helper()
	for range 10_000 {
		p, err := e.q.History(e.Context(), q)
		if err != nil {
			e.Fatalf("History(%+v): %v", q, err)
		}
		list = append(list, ids(p.Events)...)
		sizes = append(sizes, len(p.Events))
		if p.More && p.Next == "" {
			e.Fatalf("History(%+v): there is more and no cursor", q)
		}
		if !p.More {
			return list, sizes
		}
		q.After = p.Next
	}
	e.Fatalf("History(%+v) does not end", q)
	return nil, nil
}

func reversed(list []string) []string {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}

func historyPages(e *env) {
	e.open(Config{})
	p, err := e.q.History(e.Context(), event.Query{})
	if err != nil || len(p.Events) != 0 || p.More || p.Next != "" {
		e.Errorf("History of an empty store = %+v, %v", p, err)
	}
	all := names("m", 23)
	e.publish(all...)
	for _, limit := range []int{1, 5, 22, 23, 24} {
		got, sizes := e.pages(event.Query{Order: event.OldestFirst, Limit: limit})
		e.same(fmt.Sprint("oldest first by ", limit), got, all)
		if slices.Max(sizes) > limit {
			e.Errorf("pages have %v events, want at most %d", sizes, limit)
		}
		got, _ = e.pages(event.Query{Order: event.NewestFirst, Limit: limit})
		e.same(fmt.Sprint("newest first by ", limit), got, reversed(all))
	}
	last, err := e.q.History(e.Context(), event.Query{Order: event.NewestFirst, Limit: 23})
	if err != nil || last.More || last.Next != "" {
		e.Errorf("the last page of newest first has More %v and Next %q (%v), want neither", last.More, last.Next, err)
	}
}

func historyLimits(e *env) {
	e.open(Config{})
	e.publish(names("m", event.DefaultLimit+1)...)
	for limit, want := range map[int]int{0: event.DefaultLimit, -1: event.DefaultLimit, 7: 7, 1 << 30: event.DefaultLimit + 1} {
		p, err := e.q.History(e.Context(), event.Query{Limit: limit})
		if err != nil || len(p.Events) != want {
			e.Errorf("History with limit %d: %d events, %v, want %d", limit, len(p.Events), err, want)
		}
	}
}

// historySight has readers who see every second event: by its channel, or by its body. A queue that is reached
// over a wire cannot ask them, and refuses with errors.ErrUnsupported.
func historySight(e *env) {
	e.open(Config{})
	all := names("m", 20)
	var want []string
	for i, id := range all {
		m := e.message(id)
		m.Channel, m.Raw = []string{"C1", "C2"}[i%2], fmt.Appendf(nil, `{"of":"C%d"}`, 1+i%2)
		if _, err := e.q.Publish(e.Context(), m); err != nil {
			e.Fatalf("Publish: %v", err)
		}
		if i%2 == 1 {
			want = append(want, id)
		}
	}
	nobody := &event.Sight{NeedsBody: func(*event.Event) bool { return false }, Sees: func(*event.Event) bool { return false }}
	if p, err := e.q.History(e.Context(), event.Query{Filter: event.Filter{Sight: nobody}}); errors.Is(err, errors.ErrUnsupported) && len(p.Events) == 0 {
		return
	}
	e.sees("channel", want, false, func(m *event.Event) bool { return m.Channel == "C2" })
	e.sees("body", want, true, func(m *event.Event) bool { return string(m.Raw) == `{"of":"C2"}` })
}

// sees reads as somebody who sees some events.
func (e *env) sees(by string, want []string, body bool, sees func(*event.Event) bool) {
	e.Helper()
	q := event.Query{Order: event.OldestFirst, Limit: 4, Filter: event.Filter{Sight: &event.Sight{
		NeedsBody: func(*event.Event) bool { return body },
		Sees: func(m *event.Event) bool {
			if _, ok := m.Position.Seq(); !ok {
				e.Errorf("%s is judged without its position", m.ID)
			}
			return sees(m)
		},
	}}}
	got, sizes := e.pages(q)
	e.same("what is seen by its "+by, got, want)
	if sizes[0] != 4 || sizes[1] != 4 {
		e.Errorf("pages have %v events, want 4: what is not seen takes their room", sizes)
	}
	q.Order, q.Filter.Channel = event.NewestFirst, "C1"
	got, _ = e.pages(q)
	e.same("what is not seen by its "+by, got, nil)
}

func historyFilters(e *env) {
	e.open(Config{})
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, m := range []event.Event{
		{Source: "slack", Kind: event.Kind{Type: "message"}, Team: "T1", Channel: "C1", ChannelType: "channel", User: "U1", Thread: "1.1"},
		{Source: "slack", Kind: event.Kind{Type: "message", Subtype: "channel_join"}, Team: "T1", Channel: "C1", ChannelType: "channel", User: "U2"},
		{Source: "slack", Kind: event.Kind{Type: "message"}, Team: "T2", Channel: "C2", ChannelType: "im", User: "U1", FromSelf: true},
		{Source: "github", Kind: event.Kind{Type: "push"}},
		{Source: "slack", Kind: event.Kind{Type: "reaction_added"}, Team: "T1", Channel: "C1", User: "U1", Thread: "1.1"},
	} {
		m.ID, m.ReceivedAt, m.Raw = fmt.Sprint(i), start.Add(time.Duration(i)*time.Hour), []byte("{}")
		if _, err := e.q.Publish(e.Context(), m); err != nil {
			e.Fatalf("Publish: %v", err)
		}
	}
	kinds := func(list ...string) []event.Pattern {
		p, err := event.ParsePatterns(list...)
		if err != nil {
			e.Fatalf("ParsePatterns: %v", err)
		}
		return p
	}
	for _, tc := range []struct {
		f    event.Filter
		want []string
	}{
		{event.Filter{}, []string{"0", "1", "2", "3", "4"}},
		{event.Filter{Source: "github"}, []string{"3"}},
		{event.Filter{Team: "T1"}, []string{"0", "1", "4"}},
		{event.Filter{Channel: "C1", User: "U1"}, []string{"0", "4"}},
		{event.Filter{User: "U2"}, []string{"1"}},
		{event.Filter{Thread: "1.1"}, []string{"0", "4"}},
		{event.Filter{ExcludeSelf: true, Source: "slack"}, []string{"0", "1", "4"}},
		{event.Filter{Patterns: kinds("message")}, []string{"0", "1", "2"}},
		{event.Filter{Patterns: kinds("message/channel_join", "push")}, []string{"1", "3"}},
		{event.Filter{Patterns: kinds("message.im")}, []string{"2"}},
		{event.Filter{Since: start.Add(2 * time.Hour)}, []string{"2", "3", "4"}},
		{event.Filter{Until: start.Add(2 * time.Hour)}, []string{"0", "1"}},
		{event.Filter{Since: start.Add(time.Hour), Until: start.Add(4 * time.Hour), Channel: "C1"}, []string{"1"}},
		{event.Filter{Channel: "C9"}, nil},
	} {
		got, _ := e.pages(event.Query{Filter: tc.f, Order: event.OldestFirst, Limit: 2})
		e.same(fmt.Sprintf("oldest first with %+v", tc.f), got, tc.want)
		got, _ = e.pages(event.Query{Filter: tc.f, Order: event.NewestFirst, Limit: 2})
		e.same(fmt.Sprintf("newest first with %+v", tc.f), got, reversed(tc.want))
	}
}

func historyBudget(e *env) {
	e.open(Config{})
	e.publish(names("m", 40)...)
	special := e.message("special")
	special.Channel = "C2"
	if _, err := e.q.Publish(e.Context(), special); err != nil {
		e.Fatalf("Publish: %v", err)
	}
	e.publish(names("n", 40)...)
	for _, order := range []event.Order{event.OldestFirst, event.NewestFirst} {
		q := event.Query{Filter: event.Filter{Channel: "C2"}, Order: order, ScanBudget: 10}
		p, err := e.q.History(e.Context(), q)
		if err != nil || len(p.Events) != 0 || !p.More || p.Next == "" {
			e.Errorf("order %d: the first page is %d events, more %v, next %q, %v; want an empty page with a cursor", order, len(p.Events), p.More, p.Next, err)
		}
		got, sizes := e.pages(q)
		e.same(fmt.Sprint("order ", order), got, []string{"special"})
		if len(sizes) < 8 {
			e.Errorf("order %d: 81 events were looked at in %d pages of at most 10", order, len(sizes))
		}
	}
}

func historyEnd(e *env) {
	e.open(Config{})
	at := e.publish("a", "b")
	q := event.Query{Order: event.OldestFirst}
	p, err := e.q.History(e.Context(), q)
	if err != nil || p.Next != at[1] || p.More {
		e.Fatalf("the whole log ends with Next %q, more %v (%v), want %q", p.Next, p.More, err, at[1])
	}
	q.After = p.Next
	for range 2 {
		if p, err = e.q.History(e.Context(), q); err != nil || len(p.Events) != 0 || p.Next != at[1] || p.More {
			e.Fatalf("behind the end: %+v, %v, want nothing and the same cursor", p, err)
		}
	}
	e.publish("c")
	p, err = e.q.History(e.Context(), q)
	if err != nil {
		e.Fatalf("History: %v", err)
	}
	e.same("behind the cursor", ids(p.Events), []string{"c"})
}

func historyWhileWriting(e *env) {
	e.open(Config{})
	before := names("old", 200)
	e.publish(before...)
	var stop atomic.Bool
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := 0; i < 2000 && !stop.Load(); i++ {
				if _, err := e.q.Publish(e.Context(), e.message(fmt.Sprint("new", w, "-", i))); err != nil {
					e.Errorf("Publish: %v", err)
				}
			}
		})
	}
	for range 5 {
		newest, _ := e.pages(event.Query{Order: event.NewestFirst, Limit: 17})
		old := slices.DeleteFunc(newest, func(id string) bool { return id[:3] == "new" })
		e.same("newest first", old, reversed(before))
		p, err := e.q.History(e.Context(), event.Query{Order: event.OldestFirst, Limit: 200})
		if err != nil {
			e.Fatalf("History: %v", err)
		}
		e.same("oldest first", ids(p.Events), before)
	}
	stop.Store(true)
	writers.Wait()
}

func historyForeign(e *env) {
	e.open(Config{})
	e.publish(names("m", 5)...)
	for _, p := range []event.Position{e.foreign(), "nonsense", "-", "x-0000000000000001"} {
		for _, order := range []event.Order{event.OldestFirst, event.NewestFirst} {
			_, err := e.q.History(e.Context(), event.Query{After: p, Order: order})
			oldest := e.expired(fmt.Sprintf("History after %q", p), err)
			got, _ := e.pages(event.Query{After: oldest, Order: event.OldestFirst})
			e.same("from the oldest position", got, names("m", 5))
		}
	}
}

func historyTrimmed(e *env) {
	e.open(Config{RetentionCount: 3})
	at := e.publish(names("m", 10)...)
	e.trimmed(7)
	_, err := e.q.History(e.Context(), event.Query{After: at[1], Order: event.OldestFirst})
	oldest := e.expired("History after a trimmed position", err)
	got, _ := e.pages(event.Query{After: oldest, Order: event.OldestFirst})
	e.same("from the oldest position", got, names("m", 10)[7:])
	// Backwards there is simply nothing left.
	p, err := e.q.History(e.Context(), event.Query{After: at[1], Order: event.NewestFirst})
	if err != nil || len(p.Events) != 0 || p.More {
		e.Errorf("newest first behind a trimmed position: %+v, %v, want nothing", p, err)
	}
}

func historyAcrossRestart(e *env) {
	e.open(Config{})
	all := names("m", 9)
	e.publish(all...)
	for _, order := range []event.Order{event.OldestFirst, event.NewestFirst} {
		p, err := e.q.History(e.Context(), event.Query{Order: order, Limit: 4})
		if err != nil {
			e.Fatalf("History: %v", err)
		}
		first := ids(p.Events)
		e.restart()
		rest, _ := e.pages(event.Query{Order: order, Limit: 4, After: p.Next})
		want := all
		if order == event.NewestFirst {
			want = reversed(all)
		}
		e.same("both halves", append(first, rest...), want)
	}
}

func getOne(e *env) {
	e.open(Config{RetentionCount: 50})
	e.publish(names("m", 60)...)
	e.trimmed(10)
	for i, id := range names("m", 60) {
		got, err := e.q.Get(e.Context(), "slack", id)
		if gone := i < 10; gone != errors.Is(err, event.ErrNotFound) || !gone && got.ID != id {
			e.Errorf("Get(%s) = %q, %v", id, got.ID, err)
		}
	}
	for _, k := range [][2]string{{"slack", "m"}, {"github", "m30"}, {"", ""}} {
		if _, err := e.q.Get(e.Context(), k[0], k[1]); !errors.Is(err, event.ErrNotFound) {
			e.Errorf("Get(%q, %q): %v, want ErrNotFound", k[0], k[1], err)
		}
	}
}

func tailTests() []test {
	return []test{
		{name: "a tail begins where it is told", run: tailStarts},
		{name: "a tail begins at an instant", run: tailSince},
		{name: "a tail goes on after a restart where it ended", restart: true, run: tailAfterRestart},
		{name: "every tail sees every event once and in order", run: tailsWhilePublishing},
		{name: "a slow tail does not slow publish", run: slowTail},
		{name: "a tail far behind catches up", run: tailBehind},
		{name: "a tail ends with the error of its function", run: tailError},
		{name: "a tail ends with its context", run: tailContext},
		{name: "a start of another store has expired", run: tailForeign},
		{name: "a start that was trimmed has expired", run: tailTrimmed},
		{name: "a tail that retention overtook says so", run: tailOvertaken},
	}
}

// A follower is a Tail that runs and what it saw.
type follower struct {
	mu   sync.Mutex
	list []event.Event
	err  error
	done bool
}

// follow starts a Tail that ends with the test.
func (e *env) follow(from queue.Start) *follower {
	e.Helper()
	f := &follower{}
	ctx, cancel := context.WithCancel(e.Context())
	ended := make(chan struct{})
	q := e.q
	go func() {
		defer close(ended)
		err := q.Tail(ctx, from, func(ev event.Event) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.list = append(f.list, ev)
			return nil
		})
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err, f.done = err, true
	}()
	e.stops = append(e.stops, func() {
		cancel()
		<-ended
	})
	return f
}

func (f *follower) events() []event.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// saw is a check that the follower has seen n events.
func (f *follower) saw(n int) func() error {
	return func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.done {
			return fmt.Errorf("it ended with %w", f.err)
		}
		if len(f.list) != n {
			return fmt.Errorf("saw %d events, want %d", len(f.list), n)
		}
		return nil
	}
}

func tailStarts(e *env) {
	e.open(Config{})
	at := e.publish("a", "b", "c")
	all := e.follow(queue.Start{})
	after := e.follow(queue.Start{After: at[0]})
	wins := e.follow(queue.Start{After: at[1], Now: true})
	end := e.follow(queue.Start{After: at[2]})
	e.eventually("Tail", all.saw(3))
	e.eventually("Tail", after.saw(2))
	now := e.follow(queue.Start{Now: true})
	// Nothing tells when a Tail from now has begun, but that it sees something.
	n := 0
	e.eventually("Tail from now", func() error {
		n++
		e.publish(fmt.Sprint("n", n))
		if len(now.events()) == 0 {
			return errors.New("saw nothing yet")
		}
		return nil
	})
	want := append([]string{"a", "b", "c"}, names("n", n+1)[1:]...)
	e.eventually("Tail", all.saw(3+n))
	e.same("all", ids(all.events()), want)
	e.eventually("Tail", after.saw(2+n))
	e.same("after a", ids(after.events()), want[1:])
	e.eventually("Tail", wins.saw(1+n))
	e.same("after b", ids(wins.events()), want[2:])
	e.eventually("Tail", end.saw(n))
	e.same("after c", ids(end.events()), want[3:])
	for _, id := range ids(now.events()) {
		if slices.Contains([]string{"a", "b", "c"}, id) {
			e.Errorf("the tail from now saw %s, which was there before", id)
		}
	}
}

func tailSince(e *env) {
	e.open(Config{})
	e.publish("a", "b")
	e.sleep(e.ticks(3))
	since := e.message("").ReceivedAt
	e.publish("c", "d")
	f := e.follow(queue.Start{Since: since})
	e.eventually("Tail", f.saw(2))
	e.publish("e")
	e.eventually("Tail", f.saw(3))
	e.same("since", ids(f.events()), []string{"c", "d", "e"})
}

func tailAfterRestart(e *env) {
	e.open(Config{})
	f := e.follow(queue.Start{})
	e.publish("a", "b", "c")
	e.eventually("Tail", f.saw(3))
	last := f.events()[1].Position
	e.restart()
	e.publish("d")
	f = e.follow(queue.Start{After: last})
	e.eventually("Tail", f.saw(2))
	e.same("after the restart", ids(f.events()), []string{"c", "d"})
}

func tailsWhilePublishing(e *env) {
	e.open(Config{})
	const publishers, events = 6, 80
	var tails []*follower
	for range 3 {
		tails = append(tails, e.follow(queue.Start{}))
	}
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for _, id := range names(fmt.Sprint("p", p, "-"), events) {
				if _, err := e.q.Publish(e.Context(), e.message(id)); err != nil {
					e.Errorf("Publish: %v", err)
				}
			}
		})
	}
	tails = append(tails, e.follow(queue.Start{}))
	all.Wait()
	tails = append(tails, e.follow(queue.Start{}))
	want := e.stored()
	for i, f := range tails {
		e.eventually("Tail", f.saw(publishers*events))
		e.same(fmt.Sprint("tail ", i), ids(f.events()), want)
	}
	for p := range publishers {
		mine := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return id[:3] != fmt.Sprint("p", p, "-") })
		e.same("order of one publisher", mine, names(fmt.Sprint("p", p, "-"), events))
	}
}

func slowTail(e *env) {
	e.open(Config{})
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	stuck, release := make(chan struct{}), make(chan struct{})
	seen := 0
	ended := make(chan error, 1)
	go func() {
		ended <- e.q.Tail(ctx, queue.Start{}, func(event.Event) error {
			if seen++; seen == 1 {
				close(stuck)
				<-release
			}
			if seen == 300 {
				cancel()
			}
			return nil
		})
	}()
	e.publish("first")
	<-stuck
	e.publish(names("m", 299)...)
	close(release)
	if err := <-ended; err != nil || seen != 300 {
		e.Errorf("the slow tail saw %d events and ended with %v, want 300 and nil", seen, err)
	}
}

func tailBehind(e *env) {
	e.open(Config{})
	const n = 1300
	var all sync.WaitGroup
	for p := range 10 {
		all.Go(func() {
			for _, id := range names(fmt.Sprint(p, "-"), n/10) {
				if _, err := e.q.Publish(e.Context(), e.message(id)); err != nil {
					e.Errorf("Publish: %v", err)
				}
			}
		})
	}
	all.Wait()
	f := e.follow(queue.Start{})
	e.eventually("Tail", f.saw(n))
	e.same("tail", ids(f.events()), e.stored())
}

func tailError(e *env) {
	e.open(Config{})
	e.publish("a", "b")
	n := 0
	err := e.q.Tail(e.Context(), queue.Start{}, func(event.Event) error {
		n++
		return errHandler
	})
	if !errors.Is(err, errHandler) || n != 1 {
		e.Errorf("Tail = %v after %d calls, want the function's error after 1", err, n)
	}
}

func tailContext(e *env) {
	e.open(Config{})
	ctx, cancel := context.WithCancel(e.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.q.Tail(ctx, queue.Start{}, func(event.Event) error { return nil }) }()
	e.publish("a")
	cancel()
	if err := <-ended; err != nil {
		e.Errorf("Tail whose context ended: %v, want nil", err)
	}
}

// foreign is a position of another store.
func (e *env) foreign() event.Position {
	e.Helper()
	other := e.h.Open(e, e.h.Place(e), Config{})
	defer other.Close()
	for _, id := range []string{"x", "y", "z"} {
		if _, err := other.Publish(e.Context(), e.message(id)); err != nil {
			e.Fatalf("Publish: %v", err)
		}
	}
	p, err := other.History(e.Context(), event.Query{})
	if err != nil || len(p.Events) == 0 {
		e.Fatalf("History: %v", err)
	}
	return p.Events[len(p.Events)-1].Position
}

// expired checks that an error says how to begin again.
func (e *env) expired(what string, err error) event.Position {
	e.Helper()
	var x *event.CursorExpiredError
	if !errors.As(err, &x) {
		e.Fatalf("%s: %v, want *event.CursorExpiredError", what, err)
	}
	return x.Oldest
}

func tailForeign(e *env) {
	e.open(Config{})
	e.publish("a", "b", "c", "d", "e")
	fn := func(event.Event) error { return errHandler }
	for _, p := range []event.Position{e.foreign(), "nonsense", "x-0000000000000001"} {
		err := e.q.Tail(e.Context(), queue.Start{After: p}, fn)
		oldest := e.expired(fmt.Sprintf("Tail after %q", p), err)
		f := e.follow(queue.Start{After: oldest})
		e.eventually("Tail after the oldest position", f.saw(5))
	}
}

func tailTrimmed(e *env) {
	e.open(Config{RetentionCount: 3})
	at := e.publish(names("m", 10)...)
	e.trimmed(7)
	err := e.q.Tail(e.Context(), queue.Start{After: at[2]}, func(event.Event) error { return errHandler })
	f := e.follow(queue.Start{After: e.expired("Tail after a trimmed position", err)})
	e.eventually("Tail after the oldest position", f.saw(3))
	whole := e.follow(queue.Start{After: at[6]})
	e.eventually("Tail after the last trimmed position", whole.saw(3))
	e.same("tail", ids(whole.events()), names("m", 10)[7:])
}

// tailOvertaken has a reader that is stuck while retention goes by. It may see what it
// missed all the same; it may not leave anything out in silence.
func tailOvertaken(e *env) {
	e.open(Config{RetentionCount: 10})
	stuck, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	var seen []string
	ended := make(chan error, 1)
	q := e.q
	go func() {
		ended <- q.Tail(ctx, queue.Start{}, func(ev event.Event) error {
			if seen = append(seen, ev.ID); len(seen) == 1 {
				close(stuck)
				<-release
			}
			if ev.ID == "last" {
				cancel()
			}
			return nil
		})
	}()
	e.publish("first")
	<-stuck
	e.publish(names("m", 1200)...)
	e.publish("last")
	close(release)
	// The reader's time begins now: how long publishing takes is the backend's matter.
	defer time.AfterFunc(e.ticks(100), cancel).Stop()
	all := slices.Concat([]string{"first"}, names("m", 1200), []string{"last"})
	err := <-ended
	if len(seen) > len(all) || !slices.Equal(seen, all[:len(seen)]) {
		e.Errorf("the tail saw %d events and left some out", len(seen))
	}
	if len(seen) < len(all) {
		e.expired("Tail that was overtaken", err)
	}
}
