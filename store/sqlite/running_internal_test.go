package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// worked makes a store of dead letters, retries and done events, all in its database, and opens it.
// Its retention keeps few events.
func worked(t *testing.T, n, keep int) *Store {
	t.Helper()
	dir := t.TempDir()
	q := open(t, dir)
	for i := range n {
		if err := publish(t, q, fmt.Sprintf("m%04d", i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Consume(ctx, queue.Group{Name: "handlers"}, func(_ context.Context, d queue.Delivery) error {
			if d.Event.ID >= fmt.Sprintf("m%04d", n-10) {
				return errors.New("try again")
			}
			return queue.Permanent(fmt.Errorf("refused %s %s", d.Event.ID, strings.Repeat("x", 400)))
		})
	}()
	until(t, "the dead letters", func() bool {
		s, err := q.Stats(t.Context())
		return err == nil && len(s.Groups) == 1 && s.Groups[0].Dead == int64(n-10) && s.Groups[0].InFlight == 0
	})
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q, err := Open(t.Context(), Options{Dir: dir, RetentionCount: keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// spoil overwrites the beginning of each page of rows on which something stands, in the file that a
// store has open, and has the store's writer forget what it has read.
func spoil(t *testing.T, q *Store, holds string) {
	t.Helper()
	const leaf, leafIndex = 0x0d, 0x0a
	b, err := os.ReadFile(q.files.db)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(q.files.db, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := false
	for at := 0; at < len(b); at += pageSize {
		if p := b[at : at+pageSize]; (p[0] == leaf || p[0] == leafIndex) && bytes.Contains(p, []byte(holds)) {
			found = true
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xee}, 300), int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !found {
		t.Fatalf("%q is nowhere in %s", holds, filepath.Base(q.files.db))
	}
	if err := q.call(t.Context(), "test", func(w *writer) error { return w.db.script("PRAGMA shrink_memory") }); err != nil {
		t.Fatal(err)
	}
}

func positionOf(t *testing.T, q *Store, id string) event.Position {
	t.Helper()
	e, err := q.Get(t.Context(), "slack", id)
	if err != nil {
		t.Fatal(err)
	}
	return e.Position
}

// TestDamageOfARunningStore has a page of the groups' tables become unreadable while the store is
// open: that is said, no group works, and events are received, read and kept within retention, with
// whatever was given up or done.
func TestDamageOfARunningStore(t *testing.T) {
	t.Parallel()
	const n, keep = 400, 500
	for name, tc := range map[string]struct {
		holds string
		meet  func(t *testing.T, q *Store) // has the store come to the page
	}{
		"work, met by an operator": {"refused m0005", func(t *testing.T, q *Store) {
			if _, err := q.Redrive(t.Context(), "handlers", positionOf(t, q, "m0005")); !errors.Is(err, queue.ErrUnavailable) {
				t.Errorf("Redrive of a letter on the page: %v, want ErrUnavailable", err)
			}
		}},
		"work, met by retention": {"refused m0005", func(t *testing.T, q *Store) {
			for i := range keep {
				_ = publish(t, q, fmt.Sprintf("first%04d", i)) // the one that meets it is refused
			}
		}},
		"groups, met when the store is opened again": {"handlers", func(t *testing.T, q *Store) {
			trouble(t, q, func(*writer) {})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := worked(t, n, keep)
			spoil(t, q, tc.holds)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 2)
			consume := func(name string) {
				go func() {
					ended <- q.Consume(ctx, queue.Group{Name: name}, func(context.Context, queue.Delivery) error { return errors.New("no") })
				}()
			}
			consume("handlers")
			until(t, "the consumer", func() bool {
				q.mu.Lock()
				defer q.mu.Unlock()
				return q.view.groups[0].consumers == 1 || q.damage.lacks(workTable)
			})
			tc.meet(t, q)
			until(t, "the store to take events again", func() bool { return publish(t, q, "after") == nil })
			s, err := q.Stats(t.Context())
			if err != nil || len(s.Damage) != 1 || !strings.Contains(s.Damage[0].What, workMeans) || !strings.Contains(s.Damage[0].Remedy, "store repair") {
				t.Errorf("Damage = %+v (%v), want the table, what it means and the remedy", s.Damage, err)
			}
			// A group that is new is no reason to fail either, and neither is an operator.
			consume("another")
			if _, err := q.Redrive(t.Context(), "handlers", positionOf(t, q, "after")); !errors.Is(err, queue.ErrUnavailable) || !strings.Contains(err.Error(), "store repair") {
				t.Errorf("Redrive: %v, want ErrUnavailable with the remedy", err)
			}
			cursor := q.bounds().Last
			for i := range 2 * keep {
				if err := publish(t, q, fmt.Sprintf("n%04d", i)); err != nil && !errors.Is(err, queue.ErrFull) {
					t.Fatalf("Publish of event %d: %v", i, err)
				} else if err != nil {
					// What no group has begun is kept, as where a group stands still.
					if s, _ := q.Stats(t.Context()); s.Events < keep {
						t.Fatalf("event %d is refused with %d events kept", i, s.Events)
					}
					break
				}
			}
			p, err := q.History(t.Context(), event.Query{Limit: 1})
			if err != nil || len(p.Events) != 1 || q.bounds().Last == cursor {
				t.Errorf("History: %+v, %v", p, err)
			}
			stop()
			for range 2 {
				if err := <-ended; err != nil {
					t.Errorf("Consume: %v", err)
				}
			}
		})
	}
}

// TestReadersMeetDamage has a page that only a reader comes to: the store says so, and all else works.
func TestReadersMeetDamage(t *testing.T) {
	t.Parallel()
	q := worked(t, 400, 500)
	spoil(t, q, "refused m0005")
	if _, err := q.DeadLetters(t.Context(), "handlers", queue.LetterQuery{}); err == nil {
		t.Error("DeadLetters: no error")
	}
	if d := q.Damage(); len(d) != 1 || !strings.Contains(d[0].What, lettersMean) {
		t.Errorf("Damage = %+v, want that letters cannot be looked at", d)
	}
	if err := publish(t, q, "after"); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if err := q.Consume(ctx, queue.Group{Name: "handlers"}, func(_ context.Context, d queue.Delivery) error {
		if d.Event.ID == "after" {
			stop()
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
