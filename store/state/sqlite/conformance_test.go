package sqlite_test

import (
	"testing"

	"slackmcp/store/state/sqlite"
	"slackmcp/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.RunState(t, storetest.StateHarness{
		Bubble: true, Persistent: true,
		Place: func(t testing.TB) string { t.Helper(); return t.TempDir() },
		Open: func(t testing.TB, dir string) storetest.StateStore {
			t.Helper()
			s, err := sqlite.Open(sqlite.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	})
}
