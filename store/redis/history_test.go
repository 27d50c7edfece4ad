//go:build unix

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/webhook/event"
)

// A reader is a Tail and a group whose sightings can be waited for.
type reader struct {
	t    *testing.T
	mu   sync.Mutex
	seen []string
	work int
}

// attach lets a reader follow and work until the test ends.
func attach(t *testing.T, q queue.Queue) *reader {
	t.Helper()
	r := &reader{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := q.Tail(ctx, queue.Start{}, func(e event.Event) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seen = append(r.seen, e.ID)
			return nil
		}); err != nil {
			t.Errorf("Tail: %v", err)
		}
	})
	running.Go(func() {
		if err := q.Consume(ctx, queue.Group{Name: "g"}, func(context.Context, queue.Delivery) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.work++
			return nil
		}); err != nil {
			t.Errorf("Consume: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return r
}

// await waits until the tail saw ids in this order, after what it saw before, and the
// group worked them.
func (r *reader) await(want ...string) {
	r.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		r.mu.Lock()
		seen, worked := slices.Clone(r.seen), r.work
		r.mu.Unlock()
		if slices.Equal(seen, want) && worked == len(want) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the tail saw %v and the group worked %d, want %v", seen, worked, want)
		}
		pause(5 * time.Millisecond)
	}
}

func publish(t *testing.T, q queue.Queue, ids ...string) []event.Position {
	t.Helper()
	var at []event.Position
	for _, id := range ids {
		r, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: id, Raw: []byte("{}")})
		if err != nil || r.Duplicate {
			t.Fatalf("Publish(%s) = %+v, %v", id, r, err)
		}
		at = append(at, r.Position)
	}
	return at
}

// TestServerLosesItsNewestEvents replaces the server by one that went another way from an earlier state on,
// as a failover to a replica that lagged does when others were quicker to find it: the
// tail sees all that is there, although other events have the places that it had read.
func TestServerLosesItsNewestEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := s.open(redis.Options{})
	r := attach(t, q)
	publish(t, q, "a", "b", "c")
	r.await("a", "b", "c")
	finished(t, q, 3)
	dump := snapshot(t, s)
	lost := publish(t, q, "d", "e")
	r.await("a", "b", "c", "d", "e")

	replica := newServer(t)
	replica.Kill()
	restore(t, replica, dump)
	later := publish(t, replica.open(redis.Options{}), "x", "y")
	dump = snapshot(t, replica)
	s.Kill()
	restore(t, s, dump)
	r.await("a", "b", "c", "d", "e", "x", "y")
	again := publish(t, q, "d", "z")
	r.await("a", "b", "c", "d", "e", "x", "y", "d", "z")
	if slices.Contains(later, again[0]) || again[0] <= lost[1] {
		t.Errorf("after positions %v were lost and %v given, %v were given: want them behind all", lost, later, again)
	}
}

// TestReaderFindsThatTheServerLostEvents is the same, with the process first that has seen more.
func TestReaderFindsThatTheServerLostEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := s.open(redis.Options{})
	r := attach(t, q)
	publish(t, q, "a", "b")
	r.await("a", "b")
	finished(t, q, 2)
	dump := snapshot(t, s)
	lost := publish(t, q, "c")
	r.await("a", "b", "c")
	s.Kill()
	restore(t, s, dump)
	eventually(t, func() error {
		at, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "d", Raw: []byte("{}")})
		if err == nil && at.Position <= lost[0] {
			t.Errorf("position %s was given after %s was lost", at.Position, lost[0])
		}
		return err
	})
	r.await("a", "b", "c", "d")
	// The pages bridge the gap in the numbers.
	for _, order := range []event.Order{event.NewestFirst, event.OldestFirst} {
		var got []string
		for query := (event.Query{Order: order, Limit: 1}); ; {
			p, err := q.History(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Events {
				got = append(got, e.ID)
			}
			if !p.More {
				break
			}
			query.After = p.Next
		}
		want := []string{"a", "b", "d"}
		if order == event.NewestFirst {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("History by pages = %v, want %v", got, want)
		}
	}
	if _, err := q.History(t.Context(), event.Query{After: event.NewPosition(lost[0].Epoch(), 1<<40)}); !expired(err) {
		t.Errorf("History after a position that was never given: %v, want it expired", err)
	}
	finished(t, q, 3)
}

// finished waits until the group has done n events, which are all: an end that is not
// recorded when a snapshot is taken is a lease that no consumer holds in the store made of it.
func finished(t *testing.T, q queue.Queue, n int64) {
	t.Helper()
	eventually(t, func() error {
		stats, err := q.Stats(t.Context())
		if err == nil && (stats.Accepted != n || stats.Groups[0].Done != n) {
			err = fmt.Errorf("%+v, want %d accepted and done", stats, n)
		}
		return err
	})
}

func expired(err error) bool {
	_, ok := errors.AsType[*event.CursorExpiredError](err)
	return ok
}

// TestStoreWasEmptied: a server that lost everything is a new store, with a new epoch, and all go
// on in it.
func TestStoreWasEmptied(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := s.open(redis.Options{})
	r := attach(t, q)
	at := publish(t, q, "a", "b")
	r.await("a", "b")
	s.Kill()
	s.Start()
	eventually(t, func() error {
		_, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "c", Raw: []byte("{}")})
		return err
	})
	r.await("a", "b", "c")
	stats, err := q.Stats(t.Context())
	if err != nil || stats.Epoch == "" || stats.Epoch == at[0].Epoch() || stats.Accepted != 1 {
		t.Errorf("Stats = %+v, %v, want one event in a new epoch", stats, err)
	}
	if _, err := q.History(t.Context(), event.Query{After: at[0]}); !expired(err) {
		t.Errorf("History after a position of the old store: %v, want it expired", err)
	}
}

// TestOpenBeforeTheServer opens a queue, and uses it, before there is a server.
func TestOpenBeforeTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.Kill()
	q := s.open(redis.Options{})
	r := attach(t, q)
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "a", Raw: []byte("{}")}); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("Publish without a server: %v, want ErrUnavailable", err)
	}
	s.Start()
	for i := range 3 {
		eventually(t, func() error {
			_, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: fmt.Sprint(i), Raw: []byte("{}")})
			return err
		})
	}
	r.await("0", "1", "2")
}

// eventually tries until there is no error.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		pause(10 * time.Millisecond)
	}
}
