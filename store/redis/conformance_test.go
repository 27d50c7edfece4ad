//go:build unix

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/store/storetest"
	"slackmcp/webhook/event"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := newServer(t, everysec...)
	var places atomic.Int64
	storetest.Run(t, storetest.Harness{
		Backend:    "redis",
		Persistent: true,
		Place:      func(testing.TB) string { return fmt.Sprintf("topic%d", places.Add(1)) },
		Open: func(t testing.TB, place string, c storetest.Config) queue.Queue {
			t.Helper()
			q, err := redis.Open(t.Context(), redis.Options{
				URL: s.url(), Topic: place, MaxConnections: 10, Lease: c.Lease,
				DedupeTTL: c.DedupeTTL, RetentionAge: c.RetentionAge, RetentionCount: c.RetentionCount,
			})
			if err != nil {
				t.Fatal(err)
			}
			return q
		},
	})
}

func TestAging(t *testing.T) {
	t.Parallel()
	s := newServer(t, everysec...)
	storetest.Aging(t, func(t *testing.T, aging func(time.Time) time.Time) queue.Queue {
		t.Helper()
		q, err := redis.Open(t.Context(), redis.Options{URL: s.url(), DedupeTTL: time.Second, RetentionAge: time.Second, Aging: aging})
		if err != nil {
			t.Fatal(err)
		}
		return q
	})
}

// TestASetBackClock has a retry and a lease that are scheduled for tomorrow, as they are after the clock was set
// back by a day: both are due.
func TestASetBackClock(t *testing.T) {
	t.Parallel()
	s := newServer(t, everysec...)
	q, err := redis.Open(t.Context(), redis.Options{URL: s.url()})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr()})
	defer c.Close()
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "1", Raw: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	tries := 0
	group := queue.Group{Name: "g", Workers: 1, Policy: queue.Policy{MaxAttempts: 9, Base: 5 * time.Second}}
	if err := q.Consume(ctx, group, func(context.Context, queue.Delivery) error {
		if tries++; tries == 2 {
			stop()
			return nil
		}
		time.AfterFunc(time.Second, func() {
			keys, err := c.Keys(context.Background(), "*due*").Result()
			for _, key := range keys {
				due, _ := c.ZRange(context.Background(), key, 0, -1).Result()
				for _, seq := range due {
					err = errors.Join(err, c.ZIncrBy(context.Background(), key, 24*3600*1e6, seq).Err())
				}
			}
			if err != nil || len(keys) == 0 {
				t.Errorf("no schedule was found: %v, %v", keys, err)
			}
		})
		return errors.New("not yet")
	}); err != nil {
		t.Fatal(err)
	}
	if tries != 2 {
		t.Errorf("an event that is scheduled for tomorrow was tried %d times, want twice", tries)
	}
}
