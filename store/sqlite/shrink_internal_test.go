package sqlite

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// TestALowerCountIsReachedInSteps opens a store with a much lower RetentionCount than it was
// filled with: it receives at once, and removes the rest bit by bit.
func TestALowerCountIsReachedInSteps(t *testing.T) {
	const n, kept = 6 * roomStep, 100
	r := rand.New(rand.NewPCG(22, 13))
	var list []event.Event
	for i := range n {
		list = append(list, someEvent(r, i))
	}
	dir := t.TempDir()
	q := openBlocks(t, dir, n)
	publishAll(t, q, list)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}

	q = openBlocks(t, dir, kept)
	var step int64
	err := q.call(t.Context(), "make room", func(w *writer) error {
		before := w.trimmed
		err := w.makeRoom(1)
		step = w.trimmed - before
		return err
	})
	if err != nil || step != roomStep+1 {
		t.Errorf("one transaction removed %d events (%v), want %d", step, err, roomStep+1)
	}
	publishAll(t, q, []event.Event{someEvent(r, n)})
	waitForEvents(t, q, kept)
	if got, _ := readAll(t, q, event.Query{Limit: 1000}); len(got) != kept || got[0] != list[0].ID[:2]+"6144" {
		t.Errorf("%d events are left, the newest is %s", len(got), got[0])
	}
	// What they took will be used again, and is not taken.
	info, err := os.Stat(queueFile(dir, DefaultTopic))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Bytes > info.Size()/2 || s.Bytes < kept*100 {
		t.Errorf("%d bytes are taken of a file of %d (%v), want those of %d events", s.Bytes, info.Size(), err, kept)
	}
}

// TestALowerCountWaitsForGroups is the same where a group still needs the events: then the
// store is full.
func TestALowerCountWaitsForGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 14))
	dir := t.TempDir()
	q := openBlocks(t, dir, 1000)
	ctx, stop := context.WithCancel(t.Context())
	var consumer sync.WaitGroup
	consumer.Go(func() {
		_ = q.Consume(ctx, queue.Group{Name: "slow", Workers: 1}, func(context.Context, queue.Delivery) error {
			stop()
			return context.Canceled
		})
	})
	publishAll(t, q, []event.Event{someEvent(r, 0)})
	consumer.Wait()
	for i := range 50 {
		publishAll(t, q, []event.Event{someEvent(r, i+1)})
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openBlocks(t, dir, 10)
	e := someEvent(r, 100)
	if _, err := q.Publish(t.Context(), e); err == nil {
		t.Error("an event was stored in a store that is full of what a group waits for")
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Groups[0].Waiting != 51 || s.Groups[0].Expired != 0 {
		t.Errorf("Stats = %+v, %v, want 51 events that wait", s, err)
	}
}
