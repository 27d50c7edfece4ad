package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// TestRepair damages a store in each way. Repair writes what can be read into new files and says
// what could not, changes nothing before it is asked to replace the old ones, and then the
// store opens with what was read: events, ids, groups, dead letters and small values.
func TestRepair(t *testing.T) {
	t.Parallel()
	const n = 300
	for name, c := range map[string]struct {
		store  func(t *testing.T, n int) string
		damage func(t *testing.T, dir string)
		least  int64 // of the events
		all    bool
	}{
		"nothing":                       {workedStore, func(*testing.T, string) {}, n, true},
		"a page of events":              {workedStore, func(t *testing.T, dir string) { destroy(t, dir, []byte("m150 m150")) }, n - 30, false},
		"the page that leads to others": {workedStore, func(t *testing.T, dir string) { interior(t, dir) }, n, true},
		"the first page":                {workedStore, func(t *testing.T, dir string) { flip(t, dir, eventsFile, 0); flip(t, dir, eventsFile, 100) }, n, true},
		"the end is cut off": {workedStore, func(t *testing.T, dir string) {
			b := read(t, dir, eventsFile)
			write(t, dir, eventsFile, b[:len(b)*3/4])
		}, n / 2, false},
		"emptied beside a whole log": {killed, func(t *testing.T, dir string) { write(t, dir, eventsFile, nil) }, n, true},
		"a page of the log":          {killed, func(t *testing.T, dir string) { flip(t, dir, eventsFile+"-wal", firstFrames(300)+200) }, n, true},
		"the log's header":           {killed, func(t *testing.T, dir string) { flip(t, dir, eventsFile+"-wal", 16) }, n, true},
		"the log is cut": {killed, func(t *testing.T, dir string) {
			write(t, dir, eventsFile+"-wal", read(t, dir, eventsFile+"-wal")[:firstFrames(300)])
		}, 10, false},
		"the values are emptied": {killed, func(t *testing.T, dir string) { write(t, dir, valuesFile, nil) }, n, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := c.store(t, n)
			c.damage(t, dir)
			before := read(t, dir, eventsFile)
			r, err := sqlite.Repair(t.Context(), sqlite.Options{Dir: dir}, false)
			if err != nil {
				t.Fatal(err)
			}
			if r.Events < c.least || c.all != (r.Events == n) || !c.all && len(r.Lost) == 0 {
				t.Errorf("%d events were read and lost are %q, want at least %d, all: %v", r.Events, r.Lost, c.least, c.all)
			}
			if string(read(t, dir, eventsFile)) != string(before) || len(r.Files) != 2 {
				t.Errorf("the files %v were written, and the store changed: %v", r.Files, string(read(t, dir, eventsFile)) != string(before))
			}
			if r, err = sqlite.Repair(t.Context(), sqlite.Options{Dir: dir}, true); err != nil || len(r.SetAside) == 0 {
				t.Fatalf("Repair with replace: %+v, %v", r, err)
			}
			if found, err := sqlite.Check(t.Context(), dir, "", true); err != nil || len(found.Problems) > 0 {
				t.Errorf("Check after the repair: %v, %v", found.Problems, err)
			}
			q := reopened(t, sqlite.Options{Dir: dir})
			ids := everyEvent(t, q, event.OldestFirst)
			if int64(len(ids)) != r.Events {
				t.Errorf("%d events can be read after the repair, want %d", len(ids), r.Events)
			}
			followed := 0
			ctx, stop := context.WithCancel(t.Context())
			if err := q.Tail(ctx, queue.Start{}, func(e event.Event) error {
				if followed++; followed == len(ids) {
					stop()
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			for _, id := range ids {
				if r, err := q.Publish(t.Context(), message(id)); err != nil || !r.Duplicate {
					t.Fatalf("Publish of %s, which was kept: %+v, %v, want a duplicate", id, r, err)
				}
			}
			if _, err := q.State().Get(t.Context(), "key"); err != nil && !strings.Contains(name, "values") {
				t.Errorf("a small value after the repair: %v", err)
			}
			goesOn(t, q, -1)
		})
	}
}

// workedStore is a closed store with a group that has a dead letter.
func workedStore(t *testing.T, n int) string {
	t.Helper()
	dir := closedStore(t, n)
	q := reopened(t, sqlite.Options{Dir: dir})
	if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	err := q.Consume(ctx, queue.Group{Name: "some-group", Workers: 1}, func(_ context.Context, d queue.Delivery) error {
		switch d.Event.ID {
		case "m000":
			return queue.Permanent(errors.New("poison"))
		case fmt.Sprintf("m%03d", n-1):
			stop()
		}
		return nil
	})
	if err = errors.Join(err, q.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// interior destroys the page that leads to the pages of the events.
func interior(t *testing.T, dir string) {
	t.Helper()
	var root int
	if _, err := fmt.Sscan(query(t, dir, "SELECT rootpage FROM sqlite_schema WHERE name = 'events'"), &root); err != nil {
		t.Fatal(err)
	}
	b := read(t, dir, eventsFile)
	copy(b[(root-1)*page:], strings.Repeat("\xee", 300))
	write(t, dir, eventsFile, b)
}

// TestRepairKeepsGroups looks at what a group has after a repair.
func TestRepairKeepsGroups(t *testing.T) {
	t.Parallel()
	const n = 100
	dir := workedStore(t, n)
	destroy(t, dir, []byte("m050 m050"))
	if _, err := sqlite.Repair(t.Context(), sqlite.Options{Dir: dir}, true); err != nil {
		t.Fatal(err)
	}
	q := reopened(t, sqlite.Options{Dir: dir})
	defer q.Close()
	s, err := q.Stats(t.Context())
	if err != nil || len(s.Groups) != 1 || s.Groups[0].Dead != 1 || s.Groups[0].Waiting != 0 {
		t.Errorf("Stats: %+v (%v), want the group with its dead letter", s.Groups, err)
	}
	if len(s.Damage) != 1 || !s.Damage[0].Lost || !s.Damage[0].Accepted || s.Damage[0].Since.IsZero() {
		t.Errorf("Damage: %+v, want the loss with its times", s.Damage)
	}
	letters, err := q.DeadLetters(t.Context(), "some-group", queue.LetterQuery{})
	if err != nil || len(letters) != 1 || letters[0].Event.ID != "m000" {
		t.Errorf("dead letters: %+v (%v)", letters, err)
	}
	// A lost event can be stored again.
	if r, err := q.Publish(t.Context(), message("m050")); err != nil || r.Duplicate {
		t.Errorf("Publish of a lost event: %+v, %v, want it stored", r, err)
	}
}
