package sqlite_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// TestSmallValuesEndByTheBelievedTime lets a value end by the time that is believed, and by no other.
func TestSmallValuesEndByTheBelievedTime(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	q := reopened(t, sqlite.Options{Dir: t.TempDir(), Believed: func(now time.Time) time.Time { return now.Add(time.Duration(offset.Load())) }})
	defer q.Close()
	if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		offset time.Duration
		there  bool
	}{{0, true}, {time.Minute, true}, {2 * time.Hour, false}} {
		offset.Store(int64(c.offset))
		if _, err := q.State().Get(t.Context(), "key"); (err == nil) != c.there {
			t.Errorf("after %s: %v, want it there: %v", c.offset, err, c.there)
		}
	}
}

// TestASetBackClock sets the clock back by a day, and forward and back, while an event waits to be tried again:
// it is tried, and a later one is worked, within their pauses.
func TestASetBackClock(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	q := reopened(t, sqlite.Options{Dir: t.TempDir(), Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }})
	defer q.Close()
	publish := func(id string) {
		if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: id, Raw: []byte("{}")}); err != nil {
			t.Error(err)
		}
	}
	publish("1")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var order []string
	jumps := []time.Duration{-24 * time.Hour, 31 * 24 * time.Hour, 0}
	err := q.Consume(ctx, queue.Group{Name: "g", Workers: 1, Policy: queue.Policy{MaxAttempts: 9, Base: time.Second, Jitter: -1}}, func(_ context.Context, d queue.Delivery) error {
		order = append(order, d.Event.ID)
		if len(jumps) == 0 {
			stop()
			return nil
		}
		// It is scheduled by the clock as it is, and then the clock jumps.
		jump := jumps[0]
		jumps = jumps[1:]
		time.AfterFunc(500*time.Millisecond, func() { offset.Store(int64(jump)) })
		return errors.New("not yet")
	})
	if err != nil || len(order) != 4 || ctx.Err() != context.Canceled {
		t.Errorf("tried were %v, %v, want the event four times", order, err)
	}
}

// TestOneEventOfAClockThatWasAheadKeepsNothing stores an event a year ahead, and more after the clock is right
// again, both with a guard that knows the time and without one: all of them, and their ids, end with their age.
func TestOneEventOfAClockThatWasAheadKeepsNothing(t *testing.T) {
	t.Parallel()
	for name, guarded := range map[string]bool{"with a guard": true, "without a guard": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var passed, ahead atomic.Int64
			start := time.Now()
			o := sqlite.Options{Dir: t.TempDir(), RetentionAge: time.Hour, DedupeTTL: time.Hour, Now: func() time.Time {
				return start.Add(time.Duration(passed.Load() + ahead.Load()))
			}}
			if guarded {
				o.Believed = func(time.Time) time.Time { return start.Add(time.Duration(passed.Load())) }
			}
			q := reopened(t, o)
			defer q.Close()
			publish := func(n int) {
				for range n {
					passed.Add(int64(time.Second))
					if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: strconv.FormatInt(passed.Load(), 10), Raw: []byte("{}")}); err != nil {
						t.Fatal(err)
					}
				}
			}
			publish(3)
			ahead.Store(int64(365 * 24 * time.Hour))
			publish(700) // more than a step of retention
			ahead.Store(0)
			publish(200)
			passed.Add(int64(48 * time.Hour))
			for end := time.Now().Add(30 * time.Second); ; {
				publish(1)
				s, err := q.Stats(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				// A row of ids that is appended to is as old as its newest one.
				if s.Events < 100 && s.SeenIDs < 400 {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("%d events and %d ids are kept", s.Events, s.SeenIDs)
				}
				<-time.After(10 * time.Millisecond)
			}
		})
	}
}
