// Package storetest holds every backend to the contracts of packages queue and state. A
// backend is done when [Run] and [RunState] pass for it. It is imported by tests only.
//
// The suite knows nothing of how a backend works: it publishes, consumes, reads and
// counts through the interface only, closes and reopens the store between steps where
// the backend is persistent, and compares what it counted itself with Stats.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A Harness tells the suite how to get at one backend.
type Harness struct {
	// Backend is what Stats has to call it.
	Backend string
	// Place makes an empty place for a store, a directory or a prefix, that nothing
	// else uses and that is removed when t ends.
	Place func(t testing.TB) string
	// Open opens the store at a place. A second Open after Close finds what was there,
	// if the backend is persistent.
	Open func(t testing.TB, place string, c Config) queue.Queue
	// Persistent says that a store outlives Close.
	Persistent bool
	// Unordered says that Consume refuses a group with a Key.
	Unordered bool
	// Bubble runs every test in a synctest bubble, where waiting takes no time. A
	// backend that waits for the network cannot.
	Bubble bool
	// Tick is the unit of all times in the suite: what the backend's clock and timers
	// can tell apart with certainty. 0 means one second with Bubble, and without it
	// 100 ms.
	Tick time.Duration
}

// Config is what a test asks of a store. A zero field is the backend's default.
type Config struct {
	DedupeTTL      time.Duration
	RetentionAge   time.Duration
	RetentionCount int
	// Lease is how long a claim lasts unless it is renewed, where a backend has such a
	// time.
	Lease time.Duration
}

// A test is one sentence of the contract.
type test struct {
	name string
	// restart says that the test closes and opens the store and expects to find
	// everything.
	restart bool
	// long says that the test waits for minutes, which only a bubble affords.
	long bool
	// keyed says that the test orders events by their key.
	keyed bool
	run   func(e *env)
}

// Run runs the suite. It needs no network and no program but what the harness uses.
func Run(t *testing.T, h Harness) {
	switch {
	case h.Tick != 0:
	case h.Bubble:
		h.Tick = time.Second
	default:
		h.Tick = 100 * time.Millisecond
	}
	for _, part := range []struct {
		name  string
		tests []test
	}{
		{"publish", publishTests()},
		{"groups", groupTests()},
		{"work", workTests()},
		{"letters", letterTests()},
		{"states", stateTests()},
		{"tail", tailTests()},
		{"history", historyTests()},
		{"text", textTests()},
		{"bytes of a page", pageTests()},
		{"retention", retentionTests()},
		{"life", lifeTests()},
	} {
		t.Run(part.name, func(t *testing.T) { h.run(t, part.tests) })
	}
}

func (h Harness) run(t *testing.T, tests []test) {
	for _, tc := range tests {
		if tc.restart && !h.Persistent || tc.long && !h.Bubble || tc.keyed && h.Unordered {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h.bubble(t, tc.run)
		})
	}
}

func (h Harness) bubble(t *testing.T, run func(*env)) {
	if !h.Bubble {
		run(newEnv(t, h))
		return
	}
	synctest.Test(t, func(t *testing.T) { run(newEnv(t, h)) })
}

// errHandler is what failing handlers return.
var errHandler = errors.New("handler refused")

// An env is one test's store.
type env struct {
	testing.TB

	h     Harness
	place string
	cfg   Config
	q     queue.Queue
	stops []func() // consumers that run
}

func newEnv(t testing.TB, h Harness) *env {
	e := &env{TB: t, h: h, place: h.Place(t)}
	t.Cleanup(e.close)
	return e
}

// ticks is n units of time.
func (e *env) ticks(n int) time.Duration { return time.Duration(n) * e.h.Tick }

// sleep lets time pass.
func (e *env) sleep(d time.Duration) { <-time.After(d) }

// open opens the store with a configuration.
func (e *env) open(c Config) *env {
	e.Helper()
	e.cfg = c
	e.q = e.h.Open(e, e.place, c)
	return e
}

// restart closes the store and opens it again.
func (e *env) restart() {
	e.Helper()
	e.close()
	e.open(e.cfg)
}

// close ends the consumers and the store.
func (e *env) close() {
	e.Helper()
	for _, stop := range e.stops {
		stop()
	}
	e.stops = nil
	if e.q == nil {
		return
	}
	if err := e.q.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.q = nil
}

// message is an event of the suite.
func (e *env) message(id string) event.Event {
	return event.Event{
		Source: "slack", ID: id, Kind: event.Kind{Type: "message"}, Channel: "C1",
		ReceivedAt: time.Now(), Raw: []byte(`{"event_id":"` + id + `"}`),
	}
}

// publish stores events that have to be new, and returns their positions.
func (e *env) publish(ids ...string) []event.Position {
	e.Helper()
	var at []event.Position
	for _, id := range ids {
		r, err := e.q.Publish(e.Context(), e.message(id))
		if err != nil || r.Duplicate || r.Position == "" {
			e.Fatalf("Publish(%s) = %+v, %v, want a new position", id, r, err)
		}
		at = append(at, r.Position)
	}
	return at
}

// duplicate publishes an event that has to be known.
func (e *env) duplicate(id string, want event.Position) {
	e.Helper()
	r, err := e.q.Publish(e.Context(), e.message(id))
	if err != nil || !r.Duplicate {
		e.Fatalf("Publish(%s) = %+v, %v, want a duplicate", id, r, err)
	}
	if r.Position != "" && r.Position != want {
		e.Errorf("the duplicate of %s is said to be at %s, want %s", id, r.Position, want)
	}
}

// names makes ids: prefix0, prefix1 and so on.
func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return list
}

// stored reads the ids in the store, oldest first.
func (e *env) stored() []string {
	e.Helper()
	var list []string
	q := event.Query{Order: event.OldestFirst, Limit: event.MaxLimit}
	for {
		p, err := e.q.History(e.Context(), q)
		if err != nil {
			e.Fatalf("History: %v", err)
		}
		list = append(list, ids(p.Events)...)
		if !p.More {
			return list
		}
		q.After = p.Next
	}
}

func ids(list []event.Event) []string {
	var out []string
	for _, e := range list {
		out = append(out, e.ID)
	}
	return out
}

// same fails the test unless two lists are equal.
func (e *env) same(what string, got, want []string) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s: %v, want %v", what, got, want)
	}
}

// eventually polls until check is nil.
func (e *env) eventually(what string, check func() error) {
	e.Helper()
	deadline := time.Now().Add(max(e.ticks(100), 20*time.Second))
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			e.Fatalf("%s: %v", what, err)
		}
		e.sleep(e.h.Tick / 5)
	}
}

// group reads one group's counts.
func (e *env) group(name string) queue.GroupStats {
	e.Helper()
	for _, g := range e.stats().Groups {
		if g.Name == name {
			return g
		}
	}
	e.Fatalf("Stats does not list the group %s", name)
	return queue.GroupStats{}
}

func (e *env) stats() queue.Stats {
	e.Helper()
	s, err := e.q.Stats(e.Context())
	if err != nil {
		e.Fatalf("Stats: %v", err)
	}
	return s
}

// counts waits until a group's counts are as wanted. Names and instants do not count.
func (e *env) counts(name string, want queue.GroupStats) {
	e.Helper()
	e.eventually("counts of "+name, func() error {
		got := e.group(name)
		got.Name, got.OldestWaiting, got.StalledSince = "", time.Time{}, time.Time{}
		if got != want {
			return fmt.Errorf("%+v, want %+v", got, want)
		}
		return nil
	})
}

// consume runs Consume until the returned function is called, which waits for it.
func (e *env) consume(g queue.Group, h queue.Handler) (stop func()) {
	e.Helper()
	if g.Policy == (queue.Policy{}) {
		g.Policy = e.policy()
	}
	ctx, cancel := context.WithCancel(e.Context())
	done := make(chan error, 1)
	q := e.q
	go func() { done <- q.Consume(ctx, g, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, queue.ErrClosed) {
			e.Errorf("Consume(%s): %v", g.Name, err)
		}
	})
	e.stops = append(e.stops, stop)
	e.eventually("registration", func() error {
		list, err := q.Groups(e.Context())
		if err != nil {
			return err
		}
		if !slices.Contains(list, g.Name) {
			return fmt.Errorf("groups are %v, want %s among them", list, g.Name)
		}
		return nil
	})
	return stop
}

// register makes a group durable and leaves it without a consumer.
func (e *env) register(g queue.Group) {
	e.Helper()
	g.Workers = 1
	g.Filter = event.Filter{Source: "none"} // what it sees before it stops counts as done
	e.consume(g, func(context.Context, queue.Delivery) error { return nil })()
}

// policy is quick, small and without chance.
func (e *env) policy() queue.Policy {
	return queue.Policy{MaxAttempts: 3, Base: e.ticks(2), Cap: e.ticks(8), Jitter: -1}
}

// A log collects what handlers saw. The zero value is empty.
type log struct {
	mu   sync.Mutex
	list []queue.Delivery
}

func (l *log) add(d queue.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, d)
}

// calls counts the attempts by event id.
func (l *log) calls() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[string]int{}
	for _, d := range l.list {
		n[d.Event.ID]++
	}
	return n
}

// attempts lists the attempt numbers of one event.
func (l *log) attempts(id string) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []int
	for _, d := range l.list {
		if d.Event.ID == id {
			out = append(out, d.Attempt)
		}
	}
	return out
}

// len is how many attempts there were.
func (l *log) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list)
}

// record is a handler that keeps what it sees and answers with fn, or nil.
func (l *log) record(fn func(queue.Delivery) error) queue.Handler {
	return func(_ context.Context, d queue.Delivery) error {
		l.add(d)
		if fn == nil {
			return nil
		}
		return fn(d)
	}
}

// reached waits until the handlers were called n times, and a little longer.
func (e *env) reached(l *log, n int) {
	e.Helper()
	e.eventually("attempts", func() error {
		if got := l.len(); got != n {
			return fmt.Errorf("%d so far, want %d", got, n)
		}
		return nil
	})
}
