package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// page is the size of the pages of a store.
const page = 8192

// closedStore makes a store of n events that was closed, so that all is in its database.
func closedStore(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	q := reopened(t, sqlite.Options{Dir: dir})
	for i := range n {
		if _, err := q.Publish(t.Context(), message(fmt.Sprintf("m%03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func reopened(t *testing.T, o sqlite.Options) *sqlite.Store {
	t.Helper()
	q, err := sqlite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// destroy overwrites the page of rows on which something stands, from its beginning on. What
// stands on other pages is left from the time when they held rows.
func destroy(t *testing.T, dir string, holds []byte) {
	t.Helper()
	const leaf, leafIndex = 0x0d, 0x0a
	b := read(t, dir, eventsFile)
	for at := 0; at < len(b); at += page {
		if p := b[at : at+page]; (p[0] == leaf || p[0] == leafIndex) && bytes.Contains(p, holds) {
			copy(p, bytes.Repeat([]byte{0xee}, 300))
			write(t, dir, eventsFile, b)
			return
		}
	}
	t.Fatalf("%q is nowhere in the store", holds)
}

// everyEvent pages through the log.
func everyEvent(t *testing.T, q *sqlite.Store, order event.Order) (ids []string) {
	t.Helper()
	query := event.Query{Order: order, Limit: 30}
	for {
		p, err := q.History(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Events {
			ids = append(ids, e.ID)
		}
		if !p.More {
			return ids
		}
		query.After = p.Next
	}
}

// TestUnreadablePage has one page of events that cannot be read: readers pass over it, what
// cannot be read is known, also after a restart, and events are received.
func TestUnreadablePage(t *testing.T) {
	t.Parallel()
	const n = 300
	dir := closedStore(t, n)
	destroy(t, dir, []byte("m150 m150"))
	q := reopened(t, sqlite.Options{Dir: dir})
	oldest, newest := everyEvent(t, q, event.OldestFirst), everyEvent(t, q, event.NewestFirst)
	if len(oldest) >= n || len(oldest) < n-40 || slices.Contains(oldest, "m150") {
		t.Fatalf("%d of %d events were read, want all but those of a page", len(oldest), n)
	}
	slices.Reverse(newest)
	if !slices.Equal(oldest, newest) {
		t.Errorf("forward %d events were read and backward %d", len(oldest), len(newest))
	}
	s, err := q.Stats(t.Context())
	if err != nil || len(s.Damage) != 1 || s.Damage[0].Events != int64(n-len(oldest)) || s.Damage[0].Since.IsZero() || !strings.Contains(s.Damage[0].Remedy, "store repair") {
		t.Errorf("Damage = %+v (%v), want %d events with their times and the remedy", s.Damage, err, n-len(oldest))
	}
	if _, err := q.Get(t.Context(), "slack", "m150"); err == nil || errors.Is(err, event.ErrNotFound) {
		t.Errorf("Get of an event that cannot be read: %v, want that it cannot be read", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var followed []string
	if err := q.Tail(ctx, queue.Start{}, func(e event.Event) error {
		if followed = append(followed, e.ID); e.ID == "m299" {
			stop()
		}
		return nil
	}); err != nil || !slices.Equal(followed, oldest) {
		t.Errorf("Tail gave %d events (%v), want the %d that can be read", len(followed), err, len(oldest))
	}
	if _, err := q.History(t.Context(), event.Query{Filter: event.Filter{Since: time.Now().Add(-time.Minute)}}); err != nil {
		t.Errorf("History since an instant: %v", err)
	}
	goesOn(t, q, n)
	q = reopened(t, sqlite.Options{Dir: dir})
	defer q.Close()
	if d := q.Damage(); len(d) != 1 {
		t.Errorf("after a restart the damage is %+v, want what was found before", d)
	}
	for _, deep := range []bool{false, true} {
		r, err := sqlite.Check(t.Context(), dir, "", deep)
		if found := len(r.Problems) > 0; err != nil || deep && !found {
			t.Errorf("Check, deep %v, found %v (%v)", deep, r.Problems, err)
		}
	}
}

// TestRetentionPassesUnreadableEvents has retention reach events that cannot be read.
func TestRetentionPassesUnreadableEvents(t *testing.T) {
	t.Parallel()
	const n = 300
	t.Run("by count", func(t *testing.T) {
		t.Parallel()
		dir := closedStore(t, n)
		destroy(t, dir, []byte("m020 m020"))
		q := reopened(t, sqlite.Options{Dir: dir, RetentionCount: n})
		defer q.Close()
		for i := range 2 * n {
			if _, err := q.Publish(t.Context(), message(fmt.Sprintf("n%03d", i))); err != nil {
				t.Fatalf("Publish of event %d: %v", i, err)
			}
		}
		s, err := q.Stats(t.Context())
		if err != nil || s.Events != n || s.Expired != 2*n {
			t.Errorf("%d events are kept and %d expired (%v), want %d and %d", s.Events, s.Expired, err, n, 2*n)
		}
	})
	t.Run("by age", func(t *testing.T) {
		t.Parallel()
		dir := closedStore(t, n)
		destroy(t, dir, []byte("m020 m020"))
		var later atomic.Int64
		q := reopened(t, sqlite.Options{Dir: dir, RetentionAge: time.Hour, Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
		defer q.Close()
		later.Store(int64(2 * time.Hour))
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := q.Publish(t.Context(), message(fmt.Sprint("n", time.Now().UnixNano()))); err != nil {
				t.Fatal(err)
			}
			s, err := q.Stats(t.Context())
			if err != nil || s.Expired == n {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d events expired, want %d", s.Expired, n)
			}
		}
	})
}

// TestGroupsPassUnreadableEvents has a group come to events that cannot be read: they are dead
// letters with a reason, and the others are handled.
func TestGroupsPassUnreadableEvents(t *testing.T) {
	t.Parallel()
	const n = 100
	dir := closedStore(t, n)
	destroy(t, dir, []byte("m050 m050"))
	q := reopened(t, sqlite.Options{Dir: dir})
	defer q.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Consume(ctx, queue.Group{Name: "g"}, func(context.Context, queue.Delivery) error { return nil })
	}()
	var g queue.GroupStats
	for deadline := time.Now().Add(20 * time.Second); g.Done+g.Dead < n && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if s, err := q.Stats(t.Context()); err == nil && len(s.Groups) > 0 {
			g = s.Groups[0]
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if g.Done+g.Dead != n || g.Dead == 0 {
		t.Errorf("%d events are done and %d dead of %d", g.Done, g.Dead, n)
	}
	letters, err := q.DeadLetters(t.Context(), "g", queue.LetterQuery{})
	if err != nil || int64(len(letters)) != g.Dead || !strings.Contains(letters[0].Reason, "cannot be read") || letters[0].Event.Position == "" {
		t.Errorf("dead letters: %+v (%v), want %d with the reason and their positions", letters, err, g.Dead)
	}
}

// TestUnreadableIDs has a page of seen ids that cannot be read.
func TestUnreadableIDs(t *testing.T) {
	t.Parallel()
	const n = 600
	dir := closedStore(t, n)
	ids := query(t, dir, "SELECT substr(ids, 1, 48) FROM seen ORDER BY first LIMIT 1 OFFSET 1")
	destroy(t, dir, []byte(ids))
	q := reopened(t, sqlite.Options{Dir: dir})
	if d := q.Damage(); len(d) != 1 || !strings.Contains(d[0].What, "seen") {
		t.Errorf("Damage = %+v, want that ids cannot be read", d)
	}
	for _, id := range []string{"m000", "m599"} {
		if _, err := q.Publish(t.Context(), message(id)); err != nil {
			t.Error(err)
		}
	}
	if r, err := q.Publish(t.Context(), message("m599")); err != nil || !r.Duplicate {
		t.Errorf("Publish of a known event: %+v, %v, want a duplicate", r, err)
	}
	goesOn(t, q, -1)
}

// TestUnreadableTables has tables without which a store cannot work: the start is refused with
// the remedy.
func TestUnreadableTables(t *testing.T) {
	t.Parallel()
	for name, holds := range map[string]string{"meta": "epoch", "groups": "some-group"} {
		dir := closedStore(t, 10)
		q := reopened(t, sqlite.Options{Dir: dir})
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			for s, err := q.Stats(t.Context()); err == nil && len(s.Groups) == 0; s, err = q.Stats(t.Context()) {
				time.Sleep(time.Millisecond)
			}
			stop()
		}()
		if err := q.Consume(ctx, queue.Group{Name: "some-group"}, func(context.Context, queue.Delivery) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		destroy(t, dir, []byte(holds))
		_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		if d, ok := errors.AsType[*sqlite.DamageError](err); !ok || d.Path != filepath.Join(dir, eventsFile) || !strings.Contains(d.Remedy, "store repair") {
			t.Errorf("Open with an unreadable table %s: %v, want the file and the remedy", name, err)
		}
	}
}
