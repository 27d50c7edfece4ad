package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/journal"
)

// start runs a journal on a memory queue until the test ends.
func start(t *testing.T, o journal.Options, events ...event.Event) (*journal.Journal, *memory.Store) {
	t.Helper()
	q, err := memory.New(memory.Options{RetentionAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, q, events...)
	j, err := journal.New(o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, j, q)
	<-j.Loaded()
	return j, q
}

// run runs a journal until the test ends, and waits for it.
func run(t *testing.T, j *journal.Journal, s journal.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx, s) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func publish(t *testing.T, q queue.Queue, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		if _, err := q.Publish(context.WithoutCancel(t.Context()), e); err != nil {
			t.Fatal(err)
		}
	}
}

// until waits for a change until ok.
func until(t *testing.T, j *journal.Journal, ok func() bool) {
	t.Helper()
	changed, stop := j.Watch(event.Filter{})
	defer stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("the journal did not come to it")
		}
	}
}

func held(j *journal.Journal, n int) func() bool {
	return func() bool { got, _ := j.Len(); return got == n }
}

// some returns n events, numbered from first, spread over channels, users and kinds.
func some(first, n int) []event.Event {
	at := time.Unix(1763791200, 0)
	var all []event.Event
	for i := first; i < first+n; i++ {
		all = append(all, event.Event{
			Source: "slack", ID: fmt.Sprintf("Ev%d", i), Kind: event.Kind{Type: []string{"message", "reaction_added", "app_mention"}[i%3]},
			Channel: fmt.Sprintf("C%d", i%5), User: fmt.Sprintf("U%d", i%7), Thread: fmt.Sprintf("%d.0", i%11),
			ReceivedAt: at.Add(time.Duration(i) * time.Second), Raw: fmt.Appendf(nil, `{"n":%d}`, i),
		})
	}
	return all
}

func ids(events []event.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.ID)
	}
	return all
}

func query(t *testing.T, j *journal.Journal, q event.Query) event.Page {
	t.Helper()
	page, err := j.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestFillsAndFollows(t *testing.T) {
	j, q := start(t, journal.Options{}, some(0, 5)...)
	if n, _ := j.Len(); n != 5 {
		t.Fatalf("holds %d events after Loaded, want the 5 of the store", n)
	}
	publish(t, q, some(5, 5)...)
	until(t, j, held(j, 10))
	if got := ids(query(t, j, event.Query{Order: event.OldestFirst}).Events); !cmp.Equal(got, ids(some(0, 10))) {
		t.Errorf("holds %v, want all in order", got)
	}
	e, err := j.Get(t.Context(), "slack", "Ev7")
	if err != nil || string(e.Raw) != `{"n":7}` || e.Position == "" {
		t.Errorf("Get = %+v, %v, want event 7", e, err)
	}
	for _, k := range [][2]string{{"slack", "Ev99"}, {"other", "Ev7"}} {
		if _, err := j.Get(t.Context(), k[0], k[1]); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("Get(%s, %s): %v, want ErrNotFound", k[0], k[1], err)
		}
	}
}

// Whoever has to know of an event before its readers hears of it before them, in order.
func TestBefore(t *testing.T) {
	q, err := memory.New(memory.Options{RetentionAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, q, some(0, 5)...)
	j, err := journal.New(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var heard []string
	j.Before(func(e *event.Event) { heard = append(heard, e.ID) }, func() { t.Error("the log is told to be broken") }) // readers have to wait meanwhile
	run(t, j, q)
	publish(t, q, some(5, 5)...)
	until(t, j, held(j, 10))
	if !cmp.Equal(heard, ids(some(0, 10))) {
		t.Errorf("heard of %v", heard)
	}
}

func TestForgetsTheOldest(t *testing.T) {
	t.Run("by count", func(t *testing.T) {
		j, q := start(t, journal.Options{MaxEvents: 10}, some(0, 25)...)
		if got := ids(query(t, j, event.Query{Order: event.OldestFirst}).Events); !cmp.Equal(got, ids(some(15, 10))) {
			t.Errorf("filled with %v, want the newest 10", got)
		}
		publish(t, q, some(25, 40)...)
		until(t, j, func() bool { _, err := j.Get(t.Context(), "slack", "Ev64"); return err == nil })
		if got := ids(query(t, j, event.Query{Order: event.OldestFirst}).Events); !cmp.Equal(got, ids(some(55, 10))) {
			t.Errorf("holds %v, want the newest 10", got)
		}
		if _, err := j.Get(t.Context(), "slack", "Ev54"); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("Get of a forgotten event: %v, want ErrNotFound", err)
		}
		if got := query(t, j, event.Query{Filter: event.Filter{Channel: "C0"}, Order: event.OldestFirst}); !cmp.Equal(ids(got.Events), []string{"Ev55", "Ev60"}) {
			t.Errorf("channel C0 has %v", ids(got.Events))
		}
		if floor := query(t, j, event.Query{Order: event.OldestFirst, Limit: 1}).Events[0].Position; j.Floor() != floor {
			t.Errorf("Floor() = %s, want %s", j.Floor(), floor)
		}
	})
	t.Run("by bytes", func(t *testing.T) {
		big := some(0, 20)
		for i := range big {
			big[i].Raw = make([]byte, 10_000)
		}
		j, _ := start(t, journal.Options{MaxBytes: 50_000}, big...)
		if n, bytes := j.Len(); n != 4 || bytes > 50_000 {
			t.Errorf("holds %d events of %d bytes, want 4 in 50,000", n, bytes)
		}
	})
	t.Run("but not the only one", func(t *testing.T) {
		big := some(0, 2)
		big[1].Raw = make([]byte, 10_000)
		j, _ := start(t, journal.Options{MaxBytes: 1000}, big...)
		if got := ids(query(t, j, event.Query{}).Events); !cmp.Equal(got, []string{"Ev1"}) {
			t.Errorf("holds %v, want the newest", got)
		}
	})
}

// TestQueryAgreesWithTheStore asks journal and store the same random questions.
func TestQueryAgreesWithTheStore(t *testing.T) {
	events := some(0, 300)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range events {
		// Clocks of replicas differ: receive times go back and forth.
		events[i].ReceivedAt = events[i].ReceivedAt.Add(time.Duration(rng.IntN(7)-3) * time.Second)
		events[i].FromSelf = rng.IntN(10) == 0
	}
	j, q := start(t, journal.Options{}, events...)
	pick := func(format string, n int) string {
		if rng.IntN(2) == 0 {
			return ""
		}
		return fmt.Sprintf(format, rng.IntN(n))
	}
	for range 500 {
		f := event.Filter{Channel: pick("C%d", 6), User: pick("U%d", 7), Thread: pick("%d.0", 11), ExcludeSelf: rng.IntN(2) == 0}
		if rng.IntN(3) == 0 {
			kinds := []string{"message", "reaction_added", "*", "app_mention", "x"}
			f.Patterns, _ = event.ParsePatterns(kinds[rng.IntN(5)], kinds[rng.IntN(5)])
		}
		if rng.IntN(3) == 0 {
			f.Since = events[rng.IntN(300)].ReceivedAt
		}
		if rng.IntN(3) == 0 {
			f.Until = events[rng.IntN(300)].ReceivedAt
		}
		ask := event.Query{Filter: f, Order: event.Order(rng.IntN(2)), Limit: 1 + rng.IntN(20)}
		want := all(t, q.History, ask)
		if got := all(t, j.Query, ask); !cmp.Equal(got, want) {
			t.Fatalf("%+v:\njournal %v\nstore   %v", ask, got, want)
		}
	}
}

// all reads page after page and returns the ids.
func all(t *testing.T, read func(context.Context, event.Query) (event.Page, error), q event.Query) []string {
	t.Helper()
	var got []string
	for range 1000 {
		page, err := read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Events) > q.Limit {
			t.Fatalf("a page of %d events, limit %d", len(page.Events), q.Limit)
		}
		got = append(got, ids(page.Events)...)
		if page.Next == "" || (len(page.Events) == 0 && !page.More) {
			return got
		}
		q.After = page.Next
	}
	t.Fatal("the pages do not end")
	return nil
}

func TestPagesContinueBehindAPosition(t *testing.T) {
	j, _ := start(t, journal.Options{}, some(0, 10)...)
	t.Run("newest first", func(t *testing.T) {
		page := query(t, j, event.Query{Limit: 4})
		if !cmp.Equal(ids(page.Events), []string{"Ev9", "Ev8", "Ev7", "Ev6"}) || !page.More || page.Next != page.Events[3].Position {
			t.Errorf("first page %v, more %v", ids(page.Events), page.More)
		}
		page = query(t, j, event.Query{Limit: 20, After: page.Next})
		if len(page.Events) != 6 || page.More || page.Next != "" {
			t.Errorf("last page has %d events, more %v, next %q", len(page.Events), page.More, page.Next)
		}
		if page := query(t, j, event.Query{Limit: 10}); page.Next != j.Floor() || page.More {
			t.Errorf("a full page that ends at the window: next %q, more %v, want the floor and no more", page.Next, page.More)
		}
	})
	t.Run("oldest first has always a next", func(t *testing.T) {
		page := query(t, j, event.Query{Order: event.OldestFirst, Filter: event.Filter{Channel: "C0"}})
		if len(page.Events) != 2 || page.Next != j.Newest() || page.More {
			t.Errorf("%d events, next %q, want 2 and the newest position", len(page.Events), page.Next)
		}
		page = query(t, j, event.Query{Order: event.OldestFirst, After: page.Next})
		if len(page.Events) != 0 || page.Next != j.Newest() {
			t.Errorf("behind the newest: %d events, next %q", len(page.Events), page.Next)
		}
	})
	t.Run("the scan budget ends a page early", func(t *testing.T) {
		page := query(t, j, event.Query{Filter: event.Filter{Team: "T0"}, ScanBudget: 3})
		if len(page.Events) != 0 || !page.More || page.Next == "" {
			t.Errorf("%d events, more %v, next %q, want an empty page that goes on", len(page.Events), page.More, page.Next)
		}
	})
	t.Run("cursors that do not belong here", func(t *testing.T) {
		for _, q := range []event.Query{
			{After: event.NewPosition("another", 3)},
			{After: "nonsense"},
			{After: event.NewPosition(j.Floor().Epoch(), 0), Order: event.OldestFirst},
		} {
			_, err := j.Query(t.Context(), q)
			if e, ok := errors.AsType[*event.CursorExpiredError](err); !ok || e.Oldest != j.Floor() {
				t.Errorf("After %q: %v, want CursorExpiredError with the floor", q.After, err)
			}
		}
	})
	t.Run("an empty window", func(t *testing.T) {
		empty, err := journal.New(journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if page, err := empty.Query(t.Context(), event.Query{}); err != nil || len(page.Events) != 0 || page.Next != "" {
			t.Errorf("Query = %+v, %v", page, err)
		}
		if _, err := empty.Query(t.Context(), event.Query{After: j.Newest()}); err == nil {
			t.Error("a cursor is accepted that cannot be judged")
		}
		if empty.Floor() != "" || empty.Newest() != "" {
			t.Error("an empty window has bounds")
		}
	})
}

func TestWatchIsLevelTriggered(t *testing.T) {
	j, q := start(t, journal.Options{})
	changed, stop := j.Watch(event.Filter{})
	defer stop()
	select {
	case <-changed:
		t.Fatal("notified of a change before there was one")
	default:
	}
	publish(t, q, some(0, 50)...)
	until(t, j, held(j, 50))
	<-changed
	// All fifty were there when the value was taken, or another one follows.
	until(t, j, held(j, 50))
	stop()
	stop()
	select {
	case <-changed: // from before
	default:
	}
	for i := range 5 {
		publish(t, q, some(50+i, 1)...)
		until(t, j, held(j, 51+i))
	}
	select {
	case <-changed:
		t.Error("notified of a change after stop")
	default:
	}
}

// A script is a store whose tail delivers what is written.
type script []event.Event

func (s script) History(context.Context, event.Query) (event.Page, error) { return event.Page{}, nil }

func (s script) Tail(ctx context.Context, _ queue.Start, fn func(event.Event) error) error {
	for _, e := range s {
		if err := fn(e); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func TestTailWithRepetitionsAndOtherEpochs(t *testing.T) {
	at := func(epoch string, seq uint64, id string) event.Event {
		return event.Event{Source: "slack", ID: id, Position: event.NewPosition(epoch, seq)}
	}
	tests := []struct {
		name string
		tail script
		max  int
		want []string
		// heard is what Before tells.
		heard []string
	}{
		{"an event twice", script{at("a", 1, "x"), at("a", 2, "y"), at("a", 2, "y"), at("a", 1, "x"), at("a", 3, "z")}, 10, []string{"x", "y", "z"}, []string{"x", "y", "y", "x", "z"}},
		{"another epoch begins anew", script{at("b", 7, "x"), at("b", 8, "y"), at("a", 9, "z")}, 10, []string{"z"}, []string{"x", "y", "broken", "z"}},
		{"an id that was forgotten and came again", script{at("a", 1, "x"), at("a", 2, "x"), at("a", 3, "y"), at("a", 4, "z")}, 3, []string{"x", "y", "z"}, []string{"x", "x", "y", "z"}},
		{
			"positions that a failover gives away anew",
			script{
				at("a", 1, "x"), at("a", 2, "y"), at("a", 3, "y2"), at("a", 2, "leave"), at("a", 3, "w"), at("a", 4, "v"),
				at("a", 4, "u"), at("a", 1, "x"), at("a", 4, "t"), at("a", 5, "z"),
			},
			10,
			[]string{"x", "y", "y2", "v", "z"},
			[]string{"x", "y", "y2", "broken", "leave", "w", "v", "broken", "u", "x", "broken", "t", "z"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j, err := journal.New(journal.Options{MaxEvents: tt.max})
			if err != nil {
				t.Fatal(err)
			}
			var heard []string
			j.Before(func(e *event.Event) { heard = append(heard, e.ID) }, func() { heard = append(heard, "broken") })
			run(t, j, tt.tail)
			until(t, j, func() bool { _, err := j.Get(t.Context(), "slack", "z"); return err == nil })
			if !cmp.Equal(heard, tt.heard) {
				t.Errorf("heard %v, want %v", heard, tt.heard)
			}
			if got := ids(query(t, j, event.Query{Order: event.OldestFirst}).Events); !cmp.Equal(got, tt.want) {
				t.Errorf("holds %v, want %v", got, tt.want)
			}
			for _, id := range tt.want {
				if e, err := j.Get(t.Context(), "slack", id); err != nil || e.ID != id {
					t.Errorf("Get(%s) = %s, %v", id, e.ID, err)
				}
			}
		})
	}
}

// TestWatchersHearOfWhatTheyWaitFor has readers of which each waits for something else.
func TestWatchersHearOfWhatTheyWaitFor(t *testing.T) {
	j, q := start(t, journal.Options{MaxEvents: 100}, some(0, 100)...) // All are woken at every fiftieth event.
	kinds, err := event.ParsePatterns("reaction_added", "message/channel_join")
	if err != nil {
		t.Fatal(err)
	}
	joins, private := event.MustPatterns("message/channel_join"), event.MustPatterns("message.groups")
	filters := map[string]event.Filter{
		"channel": {Channel: "C1"}, "user in a channel": {Channel: "C1", User: "U2"}, "thread": {Thread: "1.0"}, "kinds": {Patterns: kinds},
		"another channel": {Channel: "C9"}, "another user": {User: "U9"}, "another thread": {Thread: "9.9"}, "another source": {Source: "github"},
		"another user in the channel": {Channel: "C1", User: "U1"}, "another thread in the channel": {Channel: "C1", Thread: "9.9"},
		"another kind in the channel": {Channel: "C1", Patterns: joins}, "another kind of channel": {Patterns: private}, "another team": {Channel: "C1", Team: "T9"},
		"kinds in the channel": {Source: "slack", Channel: "C1", Patterns: kinds},
		"who sees C1":          {Sight: &event.Sight{Sees: func(e *event.Event) bool { return e.Channel == "C1" }}}, "who sees nothing": {Sight: &event.Sight{Sees: func(*event.Event) bool { return false }}},
	}
	changed := map[string]<-chan struct{}{}
	for name, f := range filters {
		c, stop := j.Watch(f)
		defer stop()
		changed[name] = c
	}
	heard := func() (list []string) {
		for name, c := range changed {
			select {
			case <-c:
				list = append(list, name)
			default:
			}
		}
		slices.Sort(list)
		return list
	}
	one := func(id, channel, thread string) {
		every, stop := j.Watch(event.Filter{})
		defer stop()
		publish(t, q, event.Event{Source: "slack", ID: id, Kind: event.Kind{Type: "reaction_added"}, Channel: channel, User: "U2", Thread: thread, Raw: []byte("{}")})
		<-every // A round wakes all that are to be woken before it ends, so the next one finds them woken.
		publish(t, q, event.Event{Source: "slack", ID: id + "b", Kind: event.Kind{Type: "message"}, Channel: "C7", User: "U7", Raw: []byte("{}")})
		<-every
	}
	// Some of the fifty have come already, so this begins behind a time when all are woken.
	for i := 0; len(changed["who sees nothing"]) == 0; i++ {
		if i == 100 {
			t.Fatal("who sees nothing is left behind")
		}
		one(fmt.Sprint("filler", i), "C7", "")
	}
	one("filler", "C7", "")
	heard()
	one("a", "C1", "1.0")
	if got := heard(); !slices.Equal(got, []string{"channel", "kinds", "kinds in the channel", "thread", "user in a channel", "who sees C1"}) {
		t.Errorf("%q heard of it", got)
	}
	one("b", "C2", "")
	if got := heard(); !slices.Equal(got, []string{"kinds"}) {
		t.Errorf("%q heard of it, want kinds alone", got)
	}
	for i := range 50 {
		publish(t, q, event.Event{Source: "slack", ID: fmt.Sprint("late", i), Kind: event.Kind{Type: "message"}, Channel: "C7", Raw: []byte("{}")})
	}
	for name, c := range changed {
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Errorf("%s is left behind", name)
		}
	}
}

// BenchmarkWatchers is what an event costs while so many readers wait for others.
func BenchmarkWatchers(b *testing.B) {
	for _, n := range []int{0, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			q, err := memory.New(memory.Options{RetentionAge: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer q.Close()
			j, err := journal.New(journal.Options{})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			var all sync.WaitGroup
			all.Go(func() { _ = j.Run(ctx, q) })
			for i := range n {
				f := event.Filter{Channel: fmt.Sprint("none", i)}
				changed, stop := j.Watch(f)
				all.Go(func() {
					defer stop()
					for after := event.Position(""); ; {
						select {
						case <-changed:
						case <-ctx.Done():
							return
						}
						page, err := j.Query(ctx, event.Query{Filter: f, After: after, Order: event.OldestFirst})
						if err == nil {
							after = page.Next
						}
					}
				})
			}
			events := some(0, b.N)
			b.ResetTimer()
			for _, e := range events {
				if _, err := q.Publish(ctx, e); err != nil {
					b.Fatal(err)
				}
			}
			for {
				if e, err := j.Get(ctx, "slack", events[b.N-1].ID); err == nil && e.Position != "" {
					break
				}
				time.Sleep(100 * time.Microsecond)
			}
			b.StopTimer()
			cancel()
			all.Wait()
		})
	}
}

// TestManyWatchersAllWake has a thousand readers wait for the same event.
func TestManyWatchersAllWake(t *testing.T) {
	j, q := start(t, journal.Options{})
	var ready, done sync.WaitGroup
	for range 1000 {
		ready.Add(1)
		done.Go(func() {
			changed, stop := j.Watch(event.Filter{})
			defer stop()
			ready.Done()
			for range changed {
				if _, err := j.Get(context.Background(), "slack", "Ev99"); err == nil {
					return
				}
			}
		})
	}
	ready.Wait()
	publish(t, q, some(0, 100)...)
	done.Wait()
}

// A flaky store fails the given number of times.
type flaky struct {
	journal.Store
	mu    sync.Mutex
	fails int
	asked []time.Time
}

func (f *flaky) trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, time.Now())
	if f.fails > 0 {
		f.fails--
		return queue.ErrUnavailable
	}
	return nil
}

func (f *flaky) History(ctx context.Context, q event.Query) (event.Page, error) {
	if err := f.trouble(); err != nil {
		return event.Page{}, err
	}
	return f.Store.History(ctx, q)
}

func (f *flaky) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	if err := f.trouble(); err != nil {
		return err
	}
	return f.Store.Tail(ctx, from, fn)
}

func TestRunSurvivesAFailingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := memory.New(memory.Options{RetentionAge: -1})
		if err != nil {
			t.Fatal(err)
		}
		publish(t, q, some(0, 3)...)
		j, err := journal.New(journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := &flaky{Store: q, fails: 10}
		begin := time.Now()
		run(t, j, s)
		<-j.Loaded()
		// 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 4 x 5 s, half of each random
		if took, most := time.Since(begin), 26300*time.Millisecond; took < most/2 || took > most {
			t.Errorf("came back after %v, want the doubled pauses, 5 s at most", took)
		}
		synctest.Wait()
		if n, _ := j.Len(); n != 3 {
			t.Errorf("holds %d events, want 3", n)
		}
	})
}

// A cut store ends its tail on demand, and may lose its events.
type cut struct {
	mu   sync.Mutex
	q    *memory.Store
	stop chan struct{}
}

func (c *cut) current() (*memory.Store, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.q, c.stop
}

func (c *cut) become(q *memory.Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.stop)
	c.q, c.stop = q, make(chan struct{})
}

func (c *cut) History(ctx context.Context, q event.Query) (event.Page, error) {
	store, _ := c.current()
	return store.History(ctx, q)
}

func (c *cut) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	store, stop := c.current()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return store.Tail(ctx, from, fn)
}

func TestRunContinuesBehindItsNewestEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, err := memory.New(memory.Options{RetentionAge: -1})
		if err != nil {
			t.Fatal(err)
		}
		s := &cut{q: first, stop: make(chan struct{})}
		publish(t, first, some(0, 3)...)
		j, err := journal.New(journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		broken := 0
		j.Before(func(*event.Event) {}, func() { broken++ }) // the test looks while Run waits
		run(t, j, s)
		<-j.Loaded()

		s.become(first) // the tail breaks, and events come meanwhile
		publish(t, first, some(3, 3)...)
		time.Sleep(time.Second)
		if got := ids(query(t, j, event.Query{Order: event.OldestFirst}).Events); !cmp.Equal(got, ids(some(0, 6))) {
			t.Errorf("holds %v, want every event once", got)
		}
		if broken != 0 {
			t.Error("a tail that goes on is told to have lost events")
		}

		second, err := memory.New(memory.Options{RetentionAge: -1})
		if err != nil {
			t.Fatal(err)
		}
		publish(t, second, some(100, 2)...)
		s.become(second) // the store was lost: another epoch
		time.Sleep(time.Second)
		if got := ids(query(t, j, event.Query{Order: event.OldestFirst}).Events); !cmp.Equal(got, ids(some(100, 2))) {
			t.Errorf("holds %v, want what the new store has", got)
		}
		if broken == 0 {
			t.Error("nobody is told that the store is another one")
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []journal.Options{{MaxEvents: -1}, {MaxBytes: -1}} {
		if _, err := journal.New(o); err == nil {
			t.Errorf("New(%+v) succeeded", o)
		}
	}
}

func BenchmarkQuery(b *testing.B) {
	q, err := memory.New(memory.Options{RetentionAge: -1})
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range some(0, journal.DefaultMaxEvents) {
		if _, err := q.Publish(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	j, err := journal.New(journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = j.Run(ctx, q) })
	<-j.Loaded()
	for name, f := range map[string]event.Filter{"all": {}, "channel": {Channel: "C3"}, "nothing": {Team: "T0"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := j.Query(ctx, event.Query{Filter: f}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
