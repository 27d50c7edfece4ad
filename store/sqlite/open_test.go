package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]sqlite.Options{
		"Dir":            {},
		"Topic":          {Dir: t.TempDir(), Topic: strings.Repeat("x", 76)},
		"DedupeTTL":      {Dir: t.TempDir(), DedupeTTL: -1},
		"RetentionCount": {Dir: t.TempDir(), RetentionCount: -1},
		"Synchronous":    {Dir: t.TempDir(), Synchronous: "off"},
	} {
		if _, err := sqlite.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("Open with a wrong %s: %v, want an error that names it", field, err)
		}
	}
}

func TestTopicsAreApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	topics := []string{"", "slack.events", "Slack.Events", "a/b", "a%2fb", "../x", "ü", strings.Repeat("/", 75)}
	for i, topic := range topics {
		q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Topic: topic})
		if err != nil {
			t.Fatalf("Open with topic %q: %v", topic, err)
		}
		s, err := q.Stats(t.Context())
		// "" is "slack.events".
		if want := int64(0); err != nil || i != 1 && s.Accepted != want {
			t.Errorf("topic %q begins with %d events (%v)", topic, s.Accepted, err)
		}
		if _, err := q.Publish(t.Context(), message(topic+"x")); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(entries) == 0 {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "x.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a topic led out of the directory: %v", err)
	}
}

// TestStrangeDirectory has a directory whose name means something in an address of a file.
func TestStrangeDirectory(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	dir := filepath.Join(above, "a b%20c?mode=memory#ü&")
	for _, duplicate := range []bool{false, true} {
		q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := q.Publish(t.Context(), message("a")); err != nil || r.Duplicate != duplicate {
			t.Errorf("Publish = %+v, %v, want duplicate %v", r, err, duplicate)
		}
		if _, err := q.Get(t.Context(), "slack", "a"); err != nil {
			t.Error(err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := os.ReadDir(above); err != nil || len(list) != 1 {
		t.Errorf("%d entries beside the directory (%v), want none", len(list)-1, err)
	}
}

func TestSecondOpening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Topic: "other"}); !errors.Is(err, queue.ErrLocked) {
		t.Errorf("a second Open: %v, want ErrLocked", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if q, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

func message(id string) event.Event {
	return event.Event{
		Source: "slack", ID: id, Kind: event.Kind{Type: "message"}, ReceivedAt: time.Now(),
		Raw: []byte(strings.Repeat(id+" ", 60)),
	}
}

// edit changes a store's file from outside.
func edit(t *testing.T, dir, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "queue-slack.events.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// query reads one value of a store that is closed.
func query(t *testing.T, dir, text string) (value string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "queue-slack.events.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), text).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func store(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Publish(t.Context(), message("a")); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFilesThatAreNotOurs(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"PRAGMA user_version = 99":                       "newer program",
		"PRAGMA application_id = 7":                      "another program",
		"DELETE FROM meta":                               "no epoch",
		"PRAGMA application_id=0; PRAGMA user_version=3": "another program",
	} {
		dir := store(t)
		edit(t, dir, sql)
		if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open after %s: %v, want an error with %q", sql, err, want)
		}
		// The lock was given back: the complaint is the same.
		if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); errors.Is(err, queue.ErrLocked) {
			t.Errorf("a failed Open kept the lock")
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "queue-slack.events.db"), []byte(strings.Repeat("no database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err == nil {
		t.Error("Open of a file that is no database succeeded")
	}
}

func TestPlaceThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: filepath.Join(file, "dir")}); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("Open below a file: %v, want the remedy", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Open(ctx, sqlite.Options{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with a context that is done: %v", err)
	}
}

func TestWidePermissionsAreTightened(t *testing.T) {
	t.Parallel()
	dir := store(t)
	path := filepath.Join(dir, "queue-slack.events.db")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the store is %v (%v), want 0600", info.Mode().Perm(), err)
	}
}

// TestManySeenIDs goes beyond what is kept in memory: ids in runs and in merged runs
// are known, also after a restart, and expired ones are forgotten.
func TestManySeenIDs(t *testing.T) {
	t.Parallel()
	const n = 4096 + 200
	dir := t.TempDir()
	begun := time.Now()
	var later atomic.Int64
	clock := func() time.Time { return begun.Add(time.Duration(later.Load())) }
	open := func() *sqlite.Store {
		q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, RetentionCount: 5000, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	q := open()
	publishMany(t, q, n, false)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open()
	defer q.Close()
	publishMany(t, q, n, true)
	if s, err := q.Stats(t.Context()); err != nil || s.Accepted != n || s.SeenIDs != n {
		t.Fatalf("Stats: %d accepted, %d seen (%v), want %d", s.Accepted, s.SeenIDs, err, n)
	}
	p, err := q.History(t.Context(), event.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Get(t.Context(), "slack", p.Events[0].ID); err != nil {
		t.Errorf("Get of an event whose id is in a run: %v", err)
	}
	later.Store(int64(49 * time.Hour))
	publishMany(t, q, 200, false)
}

// TestIDsOfSingleEventsShareRows publishes one event at a time, so that each has a commit of
// its own, with a restart in between: the table has few rows, and every id is known.
func TestIDsOfSingleEventsShareRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 500
	for part := range 2 {
		q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Synchronous: sqlite.Normal})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			r, err := q.Publish(t.Context(), message(fmt.Sprint("m", i)))
			if known := i < part*n/2; err != nil || r.Duplicate != known {
				t.Fatalf("Publish(m%d) = %+v, %v, want duplicate %v", i, r, err, known)
			}
			if part == 0 && i == n/2-1 {
				break
			}
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if rows := query(t, dir, "SELECT count(*) FROM seen"); rows != "4" {
		t.Errorf("%d ids are in %s rows, want 4", n, rows)
	}
	if ids := query(t, dir, "SELECT sum(length(ids)) / 24 FROM seen"); ids != "500" {
		t.Errorf("the rows have %s ids, want %d", ids, n)
	}
}

// publishMany publishes the same n events with 64 publishers.
func publishMany(t *testing.T, q *sqlite.Store, n int, duplicate bool) {
	t.Helper()
	var all sync.WaitGroup
	for p := range 64 {
		all.Go(func() {
			for i := p; i < n; i += 64 {
				r, err := q.Publish(t.Context(), message(fmt.Sprint("m", i)))
				if err != nil || r.Duplicate != duplicate {
					t.Errorf("Publish(m%d) = %+v, %v, want duplicate %v", i, r, err, duplicate)
					return
				}
			}
		})
	}
	all.Wait()
}
