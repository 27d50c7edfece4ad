package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/store/sqlite"
)

// TestStaleLog has a write-ahead log lie beside a database that it does not belong to: the start is
// refused and changes nothing, Check finds the same, and without the log the database opens.
func TestStaleLog(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make func(t *testing.T) string
		want string
		kept int64
	}{
		"the database of another store":       {func(t *testing.T) string { return beside(t, closedStore(t, 300), killed(t, 40)) }, "another store", 300},
		"a smaller database of another store": {func(t *testing.T) string { return beside(t, closedStore(t, 5), killed(t, 40)) }, "another store", 5},
		"an older copy":                       {func(t *testing.T) string { return olderCopy(t, 300, 330, 0) }, "gone", 300},
		"an older copy, as long as it is now": {func(t *testing.T) string { return olderCopy(t, 900, 1020, 250) }, "continues a later state", 250},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tc.make(t)
			before := [][]byte{read(t, dir, eventsFile), read(t, dir, eventsFile+"-wal")}
			r, err := sqlite.Check(t.Context(), dir, "", false)
			if err != nil || len(r.Problems) == 0 || !strings.Contains(r.Problems[0].What, tc.want) {
				t.Errorf("Check found %v (%v), want %q", r.Problems, err, tc.want)
			}
			_, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
			if d, ok := errors.AsType[*sqlite.DamageError](err); !ok || !strings.Contains(d.What, tc.want) || !strings.HasPrefix(d.Path, filepath.Join(dir, eventsFile)) {
				t.Fatalf("Open: %v, want the file and %q", err, tc.want)
			}
			if string(before[0]) != string(read(t, dir, eventsFile)) || string(before[1]) != string(read(t, dir, eventsFile+"-wal")) {
				t.Error("the refused start has changed a file")
			}
			remove(t, dir, eventsFile+"-wal", noteFile)
			q := reopened(t, sqlite.Options{Dir: dir})
			goesOn(t, q, tc.kept)
		})
	}
}

// beside puts the database of one store beside the log of another, whose directory it returns.
func beside(t *testing.T, database, log string) string {
	t.Helper()
	write(t, log, eventsFile, read(t, database, eventsFile))
	return log
}

// olderCopy is a store of n events beside the log of a process that began when it had m.
// Retention keeps so many events; 0 is all.
func olderCopy(t *testing.T, n, m, keep int) string {
	t.Helper()
	live, dir := t.TempDir(), t.TempDir()
	publish := func(from, to int) *sqlite.Store {
		q := reopened(t, sqlite.Options{Dir: live, RetentionCount: keep})
		for i := from; i < to; i++ {
			if _, err := q.Publish(t.Context(), message(fmt.Sprintf("m%03d", i))); err != nil {
				t.Fatal(err)
			}
		}
		return q
	}
	if err := publish(0, n).Close(); err != nil {
		t.Fatal(err)
	}
	old := read(t, live, eventsFile)
	if err := publish(n, m).Close(); err != nil {
		t.Fatal(err)
	}
	q := publish(m, m+20)
	copyStore(t, live, dir)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, dir, eventsFile, old)
	return dir
}
