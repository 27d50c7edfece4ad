//go:build unix

package nats_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"slackmcp/internal/testservers"
	"slackmcp/store/state/nats"
	"slackmcp/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	engine := testservers.NATS(t)
	var places atomic.Int64
	storetest.RunState(t, storetest.StateHarness{
		Persistent: true, Shared: true,
		Place: func(testing.TB) string { return fmt.Sprintf("topic.%d", places.Add(1)) },
		Open: func(t testing.TB, place string) storetest.StateStore {
			t.Helper()
			s, err := nats.Open(t.Context(), nats.Options{URL: engine.URL, Topic: place})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	})
}
