package sqlite_test

import (
	"testing"

	"slackmcp/store/state/sqlite"
	"slackmcp/store/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Run(t, statetest.Harness{
		Bubble: true, Persistent: true,
		Place: func(t testing.TB) string { t.Helper(); return t.TempDir() },
		Open: func(t testing.TB, dir string) statetest.Store {
			t.Helper()
			s, err := sqlite.Open(sqlite.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	})
}
