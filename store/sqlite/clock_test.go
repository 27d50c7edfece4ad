package sqlite_test

import (
	"context"
	"errors"
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
