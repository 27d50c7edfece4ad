package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
	"slackmcp/webhook/event"
)

// TestLogBeginsAnew looks a copy of an old event up, by which the seen ids are read from
// the file, and then writes several times what the write-ahead log holds between two
// checkpoints: it has to stay short.
func TestLogBeginsAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Synchronous: sqlite.Normal})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	const remembered = 4096 // in memory; the ids of older events are read from the file
	publishMany(t, q, remembered+1000, false)
	if r, err := q.Publish(t.Context(), message("m0")); err != nil || !r.Duplicate {
		t.Fatalf("a copy of the first event: %+v, %v, want a duplicate", r, err)
	}
	if _, err := q.Get(t.Context(), "slack", "m1"); err != nil { // by a reader's own look at the ids
		t.Fatal(err)
	}
	const body = 16 << 10
	publishLarge(t, q, 2000, body)
	logs, err := filepath.Glob(filepath.Join(dir, "queue-*-wal"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("write-ahead logs: %v, %v", logs, err)
	}
	info, err := os.Stat(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(12 << 20); info.Size() > most {
		t.Errorf("the write-ahead log has %d bytes after %d bytes of events, want at most %d", info.Size(), 2000*body, most)
	}
}

// publishLarge publishes n events with bodies of so many bytes, many at a time.
func publishLarge(t *testing.T, q *sqlite.Store, n, body int) {
	t.Helper()
	var all sync.WaitGroup
	for p := range 64 {
		all.Go(func() {
			for i := p; i < n; i += 64 {
				m := message(fmt.Sprint("large", i))
				m.Raw = make([]byte, body)
				if _, err := q.Publish(t.Context(), m); err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestManyReadersAtOnce has far more readers than there are connections for them, and each
// of them reads as the first one on its connection: none waits for another for ever.
func TestManyReadersAtOnce(t *testing.T) {
	t.Parallel()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Synchronous: sqlite.Normal})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	publishMany(t, q, 10, false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			var err error
			switch i % 4 {
			case 0:
				_, err = q.History(ctx, event.Query{})
			case 1:
				_, err = q.Get(ctx, "slack", "m1")
			case 2:
				_, err = q.History(ctx, event.Query{Order: event.OldestFirst, Filter: event.Filter{Since: time.Now().Add(-time.Hour)}})
			default:
				err = q.Tail(ctx, queue.Start{Since: time.Now().Add(-time.Hour)}, func(event.Event) error { return io.EOF })
				if errors.Is(err, io.EOF) {
					err = nil
				}
			}
			if err != nil {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	all.Wait()
}
