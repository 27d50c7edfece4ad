//go:build unix

package nats_test

import (
	"context"
	"testing"

	"slackmcp/internal/testservers"
	"slackmcp/store/state/nats"
	"slackmcp/store/storetest"
)

func TestAway(t *testing.T) {
	t.Parallel()
	engine := testservers.NATS(t)
	storetest.Away(t, engine, func(t testing.TB) storetest.StateStore {
		t.Helper()
		s, err := nats.Open(context.Background(), nats.Options{URL: engine.URL})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
