package memory_test

import (
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/store/storetest"
	"slackmcp/webhook/event"
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

// TestAnEventGrowsOldFromWhenItWasStored receives an event by a clock that was a year ahead: it does not keep
// those behind it, nor itself.
func TestAnEventGrowsOldFromWhenItWasStored(t *testing.T) {
	t.Parallel()
	now := time.Now()
	q, err := memory.New(memory.Options{RetentionAge: time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, e := range []event.Event{
		{ID: "1", ReceivedAt: now.AddDate(1, 0, 0)},
		{ID: "2", ReceivedAt: now},
		{ID: "3"},
	} {
		if e.ID == "3" {
			now = now.Add(2 * time.Hour)
		}
		e.Source, e.Raw = "slack", []byte("{}")
		if _, err := q.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Events != 1 {
		t.Errorf("%d events are kept, %v, want the newest", s.Events, err)
	}
}
