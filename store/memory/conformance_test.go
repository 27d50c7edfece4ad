package memory_test

import (
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Backend: "memory",
		Bubble:  true,
		Place:   func(testing.TB) string { return "" },
		Open: func(t testing.TB, _ string, c storetest.Config) queue.Queue {
			q, err := memory.New(memory.Options{DedupeTTL: c.DedupeTTL, RetentionAge: c.RetentionAge, RetentionCount: c.RetentionCount})
			if err != nil {
				t.Fatal(err)
			}
			return q
		},
	})
}

func TestStateConformance(t *testing.T) {
	storetest.RunState(t, storetest.StateHarness{
		Bubble: true,
		Place:  func(testing.TB) string { return "" },
		Open: func(t testing.TB, _ string) storetest.StateStore {
			s, err := memory.New(memory.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return storetest.StateOf(s)
		},
	})
}

func TestAging(t *testing.T) {
	t.Parallel()
	storetest.Aging(t, func(t *testing.T, aging func(time.Time) time.Time) queue.Queue {
		t.Helper()
		q, err := memory.New(memory.Options{DedupeTTL: time.Second, RetentionAge: time.Second, Aging: aging})
		if err != nil {
			t.Fatal(err)
		}
		return q
	})
}
