package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// TestARestoreThatEndsOnItsWay ends a restore into an empty directory before each of its two renames, and before
// the note: no store opens of what is there, neither by Open nor by Accept nor by Repair, the error says what to do,
// and a restore once more makes the store, with its small values.
func TestARestoreThatEndsOnItsWay(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "b.backup")
	from := t.TempDir()
	q, err := Open(t.Context(), Options{Dir: from})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "1", Raw: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), BackupOptions{Dir: from, File: file}); err != nil {
		t.Fatal(err)
	}
	for name, done := range map[string]int{"before the first": 0, "before the second": 1, "before the note": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endRestore(t, file, done)
		})
	}
}

// endRestore ends a restore after so many renames.
func endRestore(t *testing.T, file string, done int) {
	t.Helper()
	o, err := Options{Dir: t.TempDir()}.normalize()
	if err != nil {
		t.Fatal(err)
	}
	f, err := own(o.Dir, o.Topic)
	if err != nil {
		t.Fatal(err)
	}
	next := noted{Events: 1}
	if err := errors.Join(f.restoreValues(t.Context(), file, &next), f.restoreEvents(t.Context(), file, loss{}, &next)); err != nil {
		t.Fatal(err)
	}
	ended := errors.New("ended")
	if done == 2 {
		if err := os.Mkdir(f.note, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	err = f.place(&RestoreReport{}, next, func(from, to string) error {
		if n++; n > done {
			return ended
		}
		return os.Rename(from, to)
	})
	if err == nil {
		t.Error("a restore that ended on its way succeeded")
	}
	if done == 2 {
		if err := os.Remove(f.note); err != nil {
			t.Fatal(err)
		}
	}
	f.release()
	for what, open := range map[string]func() error{
		"Open": func() error {
			q, err := Open(t.Context(), o)
			if err == nil {
				err = q.Close()
				t.Error("the store has opened")
			}
			return err
		},
		"Accept": func() error { _, err := Accept(t.Context(), o); return err },
		"Repair": func() error { _, err := Repair(t.Context(), o, true); return err },
	} {
		if err := open(); err == nil || !strings.Contains(err.Error(), "store restore") {
			t.Errorf("%s: %v, want that the restore is to be done once more", what, err)
		}
	}
	if r, err := Check(t.Context(), o.Dir, o.Topic, false); err != nil || len(r.Problems) == 0 || !strings.Contains(r.Problems[0].Remedy, "store restore") {
		t.Errorf("Check: %+v, %v, want that the restore is to be done once more", r, err)
	}
	if _, err := Restore(t.Context(), o, file); err != nil {
		t.Fatal(err)
	}
	q, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if v, err := q.State().Get(t.Context(), "key"); err != nil || string(v.Value) != "value" {
		t.Errorf("the small value is %q, %v", v.Value, err)
	}
}
