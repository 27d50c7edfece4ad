//go:build unix

package nats_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"slackmcp/internal/testservers"
	"slackmcp/store/nats"
	"slackmcp/store/storetest"
)

func TestStateConformance(t *testing.T) {
	t.Parallel()
	server := testservers.NATS(t)
	var places atomic.Int64
	storetest.RunState(t, storetest.StateHarness{
		Persistent: true, Shared: true,
		Place: func(testing.TB) string { return fmt.Sprintf("topic.%d", places.Add(1)) },
		Open: func(t testing.TB, place string) storetest.StateStore {
			t.Helper()
			s, err := nats.Open(t.Context(), nats.Options{URL: server.URL, Topic: place, StateOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			return storetest.StateOf(s)
		},
	})
}

func TestStateAway(t *testing.T) {
	t.Parallel()
	server := testservers.NATS(t)
	storetest.Away(t, server, func(t testing.TB) storetest.StateStore {
		t.Helper()
		s, err := nats.Open(context.Background(), nats.Options{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.StateOf(s)
	})
}
