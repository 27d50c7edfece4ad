package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

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
