package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

var errDisk = &fault{"commit", errors.New("disk I/O error (1034)")}

// trouble makes the writer's next transaction fail after do, as a disk does.
func trouble(t *testing.T, q *Store, do func(*writer)) {
	t.Helper()
	err := q.call(t.Context(), "test", func(w *writer) error {
		do(w)
		return errDisk
	})
	if !errors.Is(err, queue.ErrUnavailable) || !errors.Is(err, error(errDisk)) {
		t.Fatalf("a call whose transaction fails: %v, want ErrUnavailable with its cause", err)
	}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	q, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func publish(t *testing.T, q *Store, id string) error {
	t.Helper()
	_, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: id, Raw: []byte(id)})
	return err
}

// until polls.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 10_000 {
		if ok() {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestFailedTransactionIsUndoneAndTheStoreReopens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, t.TempDir())
		defer q.Close()
		if err := publish(t, q, "before"); err != nil {
			t.Fatal(err)
		}
		trouble(t, q, func(w *writer) {
			entries := []entry{{event: event.Event{Source: "slack", ID: "lost"}}}
			if err := w.publish(entries, time.Now()); err != nil || entries[0].receipt.Position == "" {
				t.Errorf("publish within the transaction: %v", err)
			}
		})
		if err := publish(t, q, "while"); !errors.Is(err, queue.ErrUnavailable) {
			t.Errorf("Publish right after the failure: %v, want ErrUnavailable", err)
		}
		if _, err := q.History(t.Context(), event.Query{}); !errors.Is(err, queue.ErrUnavailable) {
			t.Errorf("History right after the failure: %v, want ErrUnavailable", err)
		}
		until(t, "the store", func() bool { return publish(t, q, "after") == nil })
		for id, want := range map[string]error{"before": nil, "after": nil, "lost": event.ErrNotFound, "while": event.ErrNotFound} {
			if _, err := q.Get(t.Context(), "slack", id); !errors.Is(err, want) {
				t.Errorf("Get(%s) after the repair: %v, want %v", id, err, want)
			}
		}
		// Its id was not remembered without its event.
		if err := publish(t, q, "lost"); err != nil {
			t.Errorf("Publish of the event that was undone: %v", err)
		}
		if s, err := q.Stats(t.Context()); err != nil || s.Accepted != 3 || s.Events != 3 {
			t.Errorf("Stats: %+v, %v, want 3 events", s, err)
		}
	})
}

// TestClaimWithoutConsumer has a claim that is in the file and that was never handed
// out, as after a commit whose fsync failed and that is found nevertheless.
func TestClaimWithoutConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, t.TempDir())
		defer q.Close()
		ctx, cancel := context.WithCancel(t.Context())
		attempts := map[string][]int{}
		started, release := make(chan struct{}), make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- q.Consume(ctx, queue.Group{Name: "g", Workers: 1}, func(_ context.Context, d queue.Delivery) error {
				attempts[d.Event.ID] = append(attempts[d.Event.ID], d.Attempt)
				if d.Event.ID == "runs" {
					close(started)
					<-release
				}
				return nil
			})
		}()
		if err := errors.Join(publish(t, q, "runs"), publish(t, q, "claimed")); err != nil {
			t.Fatal(err)
		}
		<-started
		err := q.call(t.Context(), "test", func(w *writer) error {
			g := w.groups["g"]
			g.cursor++
			g.leases[g.cursor] = lease{attempt: 1}
			g.dirty = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		trouble(t, q, func(*writer) {})
		until(t, "the store", func() bool { return publish(t, q, "after") == nil })
		close(release)
		until(t, "the handlers", func() bool {
			s, err := q.Stats(t.Context())
			return err == nil && s.Groups[0].Done == 3
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(attempts), "map[after:[1] claimed:[1] runs:[1]]"; got != want {
			t.Errorf("attempts: %s, want %s", got, want)
		}
	})
}

func TestRenewedLogIsTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := filepath.Join(dir, "x.db")
	if err := renewLog(db); err != nil {
		t.Errorf("renew without a log: %v", err)
	}
	if err := os.WriteFile(db+"-wal", []byte("frames"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(db + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if err := renewLog(db); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(db + "-wal")
	if err != nil || os.SameFile(before, after) || after.Mode().Perm() != 0o600 {
		t.Errorf("after renew the log is %v (%v), want another file with mode 0600", after.Mode(), err)
	}
	if b, err := os.ReadFile(db + "-wal"); err != nil || string(b) != "frames" {
		t.Errorf("after renew the log holds %q (%v)", b, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("renew left %d files (%v)", len(list), err)
	}
}
