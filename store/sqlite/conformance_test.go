package sqlite_test

import (
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Backend:    "sqlite",
		Bubble:     true,
		Persistent: true,
		Place:      func(t testing.TB) string { return t.TempDir() },
		Open: func(t testing.TB, dir string, c storetest.Config) queue.Queue {
			q, err := sqlite.Open(t.Context(), sqlite.Options{
				Dir: dir, DedupeTTL: c.DedupeTTL, RetentionAge: c.RetentionAge, RetentionCount: c.RetentionCount,
			})
			if err != nil {
				t.Fatal(err)
			}
			return q
		},
	})
}

func TestStateConformance(t *testing.T) {
	storetest.RunState(t, storetest.StateHarness{
		Bubble: true, Persistent: true,
		Place: func(t testing.TB) string { return t.TempDir() },
		Open: func(t testing.TB, dir string) storetest.StateStore {
			q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return storetest.StateOf(q)
		},
	})
}

func TestAging(t *testing.T) {
	t.Parallel()
	storetest.Aging(t, func(t *testing.T, aging func(time.Time) time.Time) queue.Queue {
		t.Helper()
		return reopened(t, sqlite.Options{Dir: t.TempDir(), DedupeTTL: time.Second, RetentionAge: time.Second, Aging: aging})
	})
}
