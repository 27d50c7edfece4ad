//go:build unix

package redis_test

import (
	"context"
	"testing"

	"slackmcp/internal/testservers"
	"slackmcp/store/state/redis"
	"slackmcp/store/storetest"
)

func TestAway(t *testing.T) {
	t.Parallel()
	engine := testservers.Redis(t)
	storetest.Away(t, engine, func(t testing.TB) storetest.StateStore {
		t.Helper()
		s, err := redis.Open(context.Background(), redis.Options{URL: engine.URL})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
