//go:build unix

package nats_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/nats"
	"slackmcp/store/queue"
	"slackmcp/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var places atomic.Int64
	storetest.Run(t, storetest.Harness{
		Backend:    "nats",
		Persistent: true,
		Place:      func(testing.TB) string { return fmt.Sprintf("topic.%d", places.Add(1)) },
		Open: func(t testing.TB, place string, c storetest.Config) queue.Queue {
			t.Helper()
			q, err := nats.Open(t.Context(), nats.Options{
				URL: s.url(), Topic: place, Lease: c.Lease,
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
	s := newServer(t)
	storetest.Aging(t, func(t *testing.T, aging func(time.Time) time.Time) queue.Queue {
		t.Helper()
		q, err := nats.Open(t.Context(), nats.Options{URL: s.url(), DedupeTTL: time.Second, RetentionAge: time.Second, Aging: aging})
		if err != nil {
			t.Fatal(err)
		}
		return q
	})
}
