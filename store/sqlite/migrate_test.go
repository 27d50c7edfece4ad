//go:build unix

package sqlite_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// An oldStore is one that an earlier build left behind; see testdata/README.md.
type oldStore struct {
	dir       string
	Published int
	End       string
	Made      time.Time
	Stats     queue.Stats
}

func unpack(t *testing.T, archive string) *oldStore {
	t.Helper()
	s := &oldStore{dir: t.TempDir()}
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(r)
		if err == nil {
			err = os.WriteFile(filepath.Join(s.dir, filepath.Base(h.Name)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(s.dir, "expected.json"))
	if err == nil {
		err = json.Unmarshal(b, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open opens it an hour after it was made.
func (s *oldStore) open(t *testing.T) *sqlite.Store {
	t.Helper()
	q, err := sqlite.Open(t.Context(), s.options())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func (s *oldStore) options() sqlite.Options {
	return sqlite.Options{Dir: s.dir, RetentionAge: -1, Now: func() time.Time { return s.Made.Add(time.Hour) }}
}

// ids are all that were ever published.
func (s *oldStore) ids() (list []event.Event) {
	for i := range s.Published {
		e := event.Event{Source: []string{"slack", "github", "alerts"}[i%3], ID: fmt.Sprint("Ev", i)}
		switch i % 12 {
		case 3:
			e.ID = fmt.Sprint("dead-", i)
		case 5:
			e.ID = fmt.Sprint("retry-", i)
		}
		list = append(list, e)
	}
	if s.End == "kill" {
		list = append(list, event.Event{Source: "slack", ID: "hang-1"})
	}
	return list
}

// check looks whether everything is there that the earlier build had.
func (s *oldStore) check(t *testing.T, q *sqlite.Store) {
	t.Helper()
	got, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Stats.Groups {
		g := &s.Stats.Groups[i]
		// What was being handled comes again.
		g.Retrying += g.InFlight
		g.InFlight = 0
		g.OldestWaiting = got.Groups[i].OldestWaiting
	}
	got.Bytes, got.MostBytes = s.Stats.Bytes, s.Stats.MostBytes // The machine's disk decides about them.
	if want := fmt.Sprintf("%+v", s.Stats); fmt.Sprintf("%+v", got) != want {
		t.Errorf("Stats after the migration:\n%+v, want\n%s", got, want)
	}
	for _, e := range s.ids() {
		r, err := q.Publish(t.Context(), e)
		if err != nil || !r.Duplicate || r.Position == "" {
			t.Fatalf("Publish of a copy of %s/%s = %+v, %v, want a duplicate", e.Source, e.ID, r, err)
		}
	}
	p, err := q.History(t.Context(), event.Query{Order: event.OldestFirst, Limit: event.MaxLimit})
	if err != nil || int64(len(p.Events)) != s.Stats.Events {
		t.Fatalf("History has %d events (%v), want %d", len(p.Events), err, s.Stats.Events)
	}
	for _, e := range p.Events {
		if e.ID != "hang-1" && !strings.Contains(string(e.Raw), "an event of an earlier build") {
			t.Errorf("%s is stored with the body %q", e.ID, e.Raw)
		}
		if same, err := q.Get(t.Context(), e.Source, e.ID); err != nil || same.Position != e.Position {
			t.Errorf("Get(%s, %s) = %s, %v, want %s", e.Source, e.ID, same.Position, err, e.Position)
		}
	}
	letters, err := q.DeadLetters(t.Context(), "work", queue.LetterQuery{Limit: event.MaxLimit})
	if err != nil || int64(len(letters)) != s.Stats.Groups[1].Dead {
		t.Errorf("%d dead letters (%v), want %d", len(letters), err, s.Stats.Groups[1].Dead)
	}
	for _, l := range letters {
		if !strings.HasPrefix(l.Event.ID, "dead-") || l.Reason != "refused for good" || l.Attempts != 1 {
			t.Errorf("dead letter %+v", l)
		}
	}
}

// checkValues looks for the small values, which only one of the earlier builds had.
func (s *oldStore) checkValues(t *testing.T, q *sqlite.Store, had bool) {
	t.Helper()
	list, err := q.State().List(t.Context(), "subscriptions/", "", 0)
	got := ""
	for _, e := range list {
		got += e.Key + "=" + string(e.Value) + ";"
	}
	want := ""
	if had {
		want = "subscriptions/p/0=value 0, second;subscriptions/p/1=value 1;subscriptions/p/2=value 2;subscriptions/p/3=value 3;"
	}
	if err != nil || got != want {
		t.Errorf("small values: %q, %v, want %q", got, err, want)
	}
	if had {
		if v, err := q.State().Put(t.Context(), "subscriptions/p/1", nil, state.Put{}); err != nil || v != "8" {
			t.Errorf("Put = %q, %v, want the version after the seven that were given", v, err)
		}
	}
}

func archives(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/*.tar.gz")
	if err != nil || len(list) != 8 {
		t.Fatalf("%d archives, %v, want 8", len(list), err)
	}
	return list
}

// TestStoresOfEarlierBuilds opens what earlier builds left behind: every event, every group
// and every id is there, also when it is opened again, and the ids are forgotten when the
// TTL is over.
func TestStoresOfEarlierBuilds(t *testing.T) {
	t.Parallel()
	for _, archive := range archives(t) {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			t.Parallel()
			s := unpack(t, archive)
			if r, err := sqlite.Check(t.Context(), s.dir, "", true); err != nil || len(r.Problems) > 0 {
				t.Errorf("before the first start Check says %v, %v", r.Problems, err)
			}
			for range 2 {
				q := s.open(t)
				s.check(t, q)
				if err := q.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if tables := query(t, s.dir, "SELECT group_concat(name) FROM sqlite_schema WHERE name LIKE 'seen%'"); tables != "seen" {
				t.Errorf("tables of seen ids: %s, want one", tables)
			}
			if version := query(t, s.dir, "PRAGMA user_version"); version != "2" {
				t.Errorf("the layout is %s, want 2", version)
			}
			s.Made = s.Made.Add(48 * time.Hour)
			q := s.open(t)
			defer q.Close()
			s.checkValues(t, q, strings.Contains(archive, "5488c7e"))
			e := s.ids()[0]
			e.Headers = "X-Shop: ada\n"
			if r, err := q.Publish(t.Context(), e); err != nil || r.Duplicate {
				t.Errorf("Publish of the first event after the TTL = %+v, %v, want it stored", r, err)
			}
			if got, err := q.Get(t.Context(), e.Source, e.ID); err != nil || got.Headers != e.Headers {
				t.Errorf("its headers are %q, %v, want %q", got.Headers, err, e.Headers)
			}
		})
	}
}

// playMigrate opens a store and kills itself before the n-th step of the migration.
func playMigrate(dir string) error {
	dir, n, _ := strings.Cut(dir, ",")
	left, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	sqlite.OnMigrationStep(func(step string) {
		if left--; left == 0 {
			say("killed before: %s", step)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	q, err := sqlite.Open(context.Background(), sqlite.Options{Dir: dir, RetentionAge: -1})
	if err != nil {
		return err
	}
	return q.Close()
}

// TestMigrationGoesOnWhereItWasKilled kills a process before each step of the migration.
// The next process goes on, and one store is brought through by processes each of which
// comes one step further.
func TestMigrationGoesOnWhereItWasKilled(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"5488c7e-runs-close", "a9c661e-runs-close", "5488c7e-few-kill", "a9c661e-few-kill"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archive := "testdata/" + name + ".tar.gz"
			patient := unpack(t, archive)
			steps := 0
			for step := 1; ; step++ {
				s := unpack(t, archive)
				killed := killAt(t, s.dir, step)
				killAt(t, patient.dir, step)
				q := s.open(t)
				s.check(t, q)
				if err := q.Close(); err != nil {
					t.Fatal(err)
				}
				if !killed {
					break
				}
				steps++
			}
			q := patient.open(t)
			defer q.Close()
			patient.check(t, q)
			if steps < 8 {
				t.Errorf("%d steps, want at least the 8 that migrate names", steps)
			}
		})
	}
}

// killAt reports whether the child was killed; else it has migrated.
func killAt(t *testing.T, dir string, step int) bool {
	t.Helper()
	c := start(t, "migrate", fmt.Sprint(dir, ",", step))
	killed := false
	for c.lines.Scan() {
		killed = strings.HasPrefix(c.lines.Text(), "killed before")
		t.Log(step, c.lines.Text())
	}
	if err := c.cmd.Wait(); (err != nil) != killed {
		t.Fatalf("step %d: the child ended with %v", step, err)
	}
	return killed
}

// TestDamagedIDsAreNotMigrated has a run of which a part is missing: the store is refused and
// stays as it is.
func TestDamagedIDsAreNotMigrated(t *testing.T) {
	t.Parallel()
	s := unpack(t, "testdata/5488c7e-runs-close.tar.gz")
	edit(t, s.dir, "DELETE FROM seen_ids WHERE chunk = (SELECT max(chunk) FROM seen_ids)")
	if _, err := sqlite.Open(t.Context(), s.options()); err == nil || !strings.Contains(err.Error(), "restore it") {
		t.Errorf("Open: %v, want the remedy", err)
	}
	if version := query(t, s.dir, "PRAGMA user_version"); version != "1" {
		t.Errorf("the layout is %s, want it as it was", version)
	}
}

// TestNewerStoreIsRefused has a store of a later build, closed and killed: the error names the
// remedy, and neither the file nor its log is touched.
func TestNewerStoreIsRefused(t *testing.T) {
	t.Parallel()
	closed := store(t)
	edit(t, closed, "PRAGMA user_version = 3")

	// A copy of the files of an open store is what a killed process leaves.
	killed, from := t.TempDir(), store(t)
	const name = "queue-slack.events.db"
	db, err := sql.Open("sqlite", filepath.Join(from, name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = 3"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(from, name+suffix))
		if err == nil {
			err = os.WriteFile(filepath.Join(killed, name+suffix), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{closed, killed} {
		before, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		wal, _ := os.ReadFile(filepath.Join(dir, name+"-wal"))
		_, err = sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "layout 3") || !strings.Contains(err.Error(), "use the newer program") {
			t.Errorf("Open: %v, want an error that names the layout and the remedy", err)
		}
		after, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("the file was changed (%v)", err)
		}
		if now, _ := os.ReadFile(filepath.Join(dir, name+"-wal")); !bytes.Equal(wal, now) {
			t.Error("the log was changed")
		}
	}
}

// TestNewerValuesAreRefused has a later build's file of small values: the store is refused
// before the events' file is brought to a new layout.
func TestNewerValuesAreRefused(t *testing.T) {
	t.Parallel()
	s := unpack(t, "testdata/5488c7e-few-close.tar.gz")
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "state-slack.events.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), s.options()); err == nil || !strings.Contains(err.Error(), "use the newer program") {
		t.Errorf("Open: %v, want the remedy", err)
	}
	if version := query(t, s.dir, "PRAGMA user_version"); version != "1" {
		t.Errorf("the events have layout %s, want it as it was", version)
	}
}
