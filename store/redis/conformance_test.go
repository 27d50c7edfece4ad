//go:build unix

package redis_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/store/storetest"
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
