package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// The files of a store.
const (
	eventsFile = "queue-slack.events.db"
	valuesFile = "state-slack.events.db"
	noteFile   = "position-slack.events"
)

// killed makes a store of n events and of n changes of small values as a process that was
// killed leaves it: with write-ahead logs, and a position note.
func killed(t *testing.T, n int) string {
	t.Helper()
	live, dir := t.TempDir(), t.TempDir()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: live})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for i := range n {
		if _, err := q.Publish(t.Context(), message(fmt.Sprintf("m%03d", i))); err != nil {
			t.Fatal(err)
		}
		if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{}); err != nil {
			t.Fatal(err)
		}
	}
	// The note is at most a second late.
	want := fmt.Sprintf(`"events":%d,"values":%d`, n, n)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(string(read(t, live, noteFile)), want); {
		if time.Now().After(deadline) {
			t.Fatalf("the note is %q, want %s", read(t, live, noteFile), want)
		}
		time.Sleep(10 * time.Millisecond)
	}
	copyStore(t, live, dir)
	return dir
}

// copyStore copies what a kill leaves.
func copyStore(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasSuffix(e.Name(), "-shm") {
			write(t, to, e.Name(), read(t, from, e.Name()))
		}
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// flip changes bytes of a file.
func flip(t *testing.T, dir, name string, at int) {
	t.Helper()
	b := read(t, dir, name)
	for i := range 16 {
		b[at+i] ^= 0x5a
	}
	write(t, dir, name, b)
}

// firstFrames is where a write-ahead log ends after some of its frames.
func firstFrames(n int) int { return 32 + n*(24+8192) }

// TestDamageStopsTheStart damages a store in each way that loses what was acknowledged. The
// start is refused with an error that names the file, what is lost and the remedy, and changes
// nothing; Check finds the same; and Accept goes on.
func TestDamageStopsTheStart(t *testing.T) {
	t.Parallel()
	const n = 40
	older := killed(t, 10)
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		path   string
		want   string
		kept   int64 // events after Accept; -1 leaves it open
	}{
		"the events are emptied beside a whole log":    {func(t *testing.T, dir string) { write(t, dir, eventsFile, nil) }, eventsFile, "is empty, and there were 40 events", 0},
		"the events are removed beside a whole log":    {func(t *testing.T, dir string) { remove(t, dir, eventsFile) }, eventsFile, "is missing, and there were 40 events", 0},
		"the events and their log are removed":         {func(t *testing.T, dir string) { remove(t, dir, eventsFile, eventsFile+"-wal") }, eventsFile, "is missing, and there were 40 events", 0},
		"the events are emptied, and no note is there": {func(t *testing.T, dir string) { write(t, dir, eventsFile, nil); remove(t, dir, noteFile) }, eventsFile, "its write-ahead log has", 0},
		"the header is overwritten":                    {func(t *testing.T, dir string) { flip(t, dir, eventsFile, 0) }, eventsFile, "has a damaged header, and there were 40", 0},
		"the log is cut": {func(t *testing.T, dir string) {
			write(t, dir, eventsFile+"-wal", read(t, dir, eventsFile+"-wal")[:firstFrames(40)])
		}, eventsFile, "has gone back", -1},
		"the log is removed":            {func(t *testing.T, dir string) { remove(t, dir, eventsFile+"-wal") }, eventsFile, "40 events", -1},
		"a frame of the log is damaged": {func(t *testing.T, dir string) { flip(t, dir, eventsFile+"-wal", firstFrames(40)+200) }, eventsFile, "whole pages follow", -1},
		"the log's header is damaged":   {func(t *testing.T, dir string) { flip(t, dir, eventsFile+"-wal", 8) }, eventsFile + "-wal", "damaged header", -1},
		"the note is ahead":             {func(t *testing.T, dir string) { write(t, dir, noteFile, read(t, killed(t, 50), noteFile)) }, eventsFile, "50 events", n},
		"an older copy was put in place": {func(t *testing.T, dir string) {
			note := read(t, dir, noteFile)
			copyStore(t, older, dir)
			write(t, dir, noteFile, note)
		}, eventsFile, "40 events", 10},
		"the values are emptied beside a whole log": {func(t *testing.T, dir string) { write(t, dir, valuesFile, nil) }, valuesFile, "is empty, and there were 40 changes", n},
		"the values' log is removed":                {func(t *testing.T, dir string) { remove(t, dir, valuesFile+"-wal") }, valuesFile, "40 changes", n},
		"the values' header is overwritten":         {func(t *testing.T, dir string) { flip(t, dir, valuesFile, 0) }, valuesFile, "has a damaged header, and there were 40", n},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := killed(t, n)
			c.damage(t, dir)
			before := map[string][]byte{}
			for _, f := range []string{eventsFile, eventsFile + "-wal", valuesFile, valuesFile + "-wal", noteFile} {
				before[f] = read(t, dir, f)
			}
			r, err := sqlite.Check(t.Context(), dir, "", false)
			if err != nil || len(r.Problems) == 0 {
				t.Fatalf("Check found %v (%v), want a problem", r.Problems, err)
			}
			check(t, r.Problems[0], filepath.Join(dir, c.path), c.want)
			_, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
			check(t, err, filepath.Join(dir, c.path), c.want)
			for f, b := range before {
				if !bytes.Equal(read(t, dir, f), b) {
					t.Errorf("the refused start has changed %s", f)
				}
			}
			q, err := sqlite.Accept(t.Context(), sqlite.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			goesOn(t, q, c.kept)
			if q, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err != nil {
				t.Fatalf("Open after Accept: %v", err)
			}
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// check wants an error that names a file, what is wrong and the remedy.
func check(t *testing.T, err error, path, want string) {
	t.Helper()
	d, ok := errors.AsType[*sqlite.DamageError](err)
	if !ok || d.Path != path || !strings.Contains(d.What, want) || !strings.Contains(d.Remedy, "store repair") || !strings.Contains(d.Remedy, "store accept") {
		t.Errorf("error: %v, want one with %s, %q and the remedies", err, path, want)
	}
}

// goesOn wants a store that has so many events and works, and closes it.
func goesOn(t *testing.T, q *sqlite.Store, kept int64) {
	t.Helper()
	s, err := q.Stats(t.Context())
	if err != nil || kept >= 0 && s.Events != kept {
		t.Errorf("%d events are kept (%v), want %d", s.Events, err, kept)
	}
	if _, err := q.Publish(t.Context(), message("after")); err != nil {
		t.Error(err)
	}
	if _, err := q.State().Put(t.Context(), "key", nil, state.Put{}); err != nil {
		t.Error(err)
	}
	if _, err := q.Get(t.Context(), "slack", "after"); err != nil {
		t.Error(err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// TestWhatIsNoDamage has what a crash, a power loss or an earlier build leaves: it opens.
func TestWhatIsNoDamage(t *testing.T) {
	t.Parallel()
	const n = 20
	for name, change := range map[string]func(t *testing.T, dir string){
		"nothing":                 func(*testing.T, string) {},
		"no note":                 func(t *testing.T, dir string) { remove(t, dir, noteFile) },
		"an empty note":           func(t *testing.T, dir string) { write(t, dir, noteFile, nil) },
		"a torn note":             func(t *testing.T, dir string) { write(t, dir, noteFile, read(t, dir, noteFile)[:100]) },
		"a note of zeros":         func(t *testing.T, dir string) { write(t, dir, noteFile, make([]byte, 256)) },
		"an older note":           func(t *testing.T, dir string) { older(t, dir) },
		"a torn frame at the end": func(t *testing.T, dir string) { appendTo(t, dir, eventsFile+"-wal", 5000) },
		"a damaged index of the log": func(t *testing.T, dir string) {
			write(t, dir, eventsFile+"-shm", bytes.Repeat([]byte{0xee}, 32768))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := killed(t, n)
			change(t, dir)
			if r, err := sqlite.Check(t.Context(), dir, "", true); err != nil || len(r.Problems) > 0 || r.Events != n {
				t.Errorf("Check found %v and %d events (%v), want no problem and %d", r.Problems, r.Events, err, n)
			}
			q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if d := q.Damage(); len(d) > 0 {
				t.Errorf("Damage: %v, want none", d)
			}
			goesOn(t, q, n)
		})
	}
}

// older puts a note in place that was written a moment before.
func older(t *testing.T, dir string) {
	t.Helper()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	note := read(t, dir, noteFile)
	if _, err := q.State().Put(t.Context(), "key", nil, state.Put{}); err != nil {
		t.Error(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, dir, noteFile, note)
}

func appendTo(t *testing.T, dir, name string, n int) {
	t.Helper()
	write(t, dir, name, append(read(t, dir, name), bytes.Repeat([]byte{7}, n)...))
}

// TestLossIsShownAndAccepted has a store that lost events: positions of the time before are
// refused after Accept, and what is missing is known with its time.
func TestLossIsShownAndAccepted(t *testing.T) {
	t.Parallel()
	dir := killed(t, 40)
	write(t, dir, eventsFile+"-wal", read(t, dir, eventsFile+"-wal")[:firstFrames(40)])
	q, err := sqlite.Accept(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	before, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Damage) != 1 || before.Damage[0].Events != 40-before.Events || !before.Damage[0].Accepted ||
		before.Damage[0].Since.IsZero() || !before.Damage[0].Until.After(before.Damage[0].Since) {
		t.Errorf("after Accept: %d events and the damage %+v, want the missing events with their times", before.Events, before.Damage)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	// In the mode in which a power loss may take events, the start goes on, and says so.
	dir = killed(t, 40)
	write(t, dir, eventsFile+"-wal", read(t, dir, eventsFile+"-wal")[:firstFrames(40)])
	if q, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Synchronous: sqlite.Normal}); err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	after, err := q.Stats(t.Context())
	if err != nil || len(after.Damage) != 1 || after.Damage[0].Accepted {
		t.Errorf("with synchronous normal: damage %+v (%v), want one that is not accepted", after.Damage, err)
	}
	old := event.NewPosition(strings.Split(string(after.Newest), "-")[0], 40)
	if _, err := q.History(t.Context(), event.Query{After: old, Order: event.OldestFirst}); err == nil {
		t.Error("a position of the time before the loss is taken")
	}
}

// TestCutDatabase has a database that lost its end.
func TestCutDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	publishMany(t, q, 200, false)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	b := read(t, dir, eventsFile)
	write(t, dir, eventsFile, b[:len(b)/2])
	_, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if d, ok := errors.AsType[*sqlite.DamageError](err); !ok || !strings.Contains(d.What, "pages are gone") {
		t.Errorf("Open of a database that was cut: %v, want how many pages are gone", err)
	}
}

// TestLinksAreRefused has links in place of files that are written to without being read.
func TestLinksAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lock", noteFile} {
		dir, other := store(t), filepath.Join(t.TempDir(), "other")
		write(t, filepath.Dir(other), "other", []byte("precious"))
		remove(t, dir, name)
		if err := os.Symlink(other, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is a link") || errors.Is(err, queue.ErrLocked) {
			t.Errorf("Open with %s being a link: %v, want an error that says so", name, err)
		}
		if got := read(t, filepath.Dir(other), "other"); string(got) != "precious" {
			t.Errorf("what %s leads to was changed to %q", name, got)
		}
	}
}
