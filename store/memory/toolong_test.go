package memory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// TestAnEventThatNeverFitsRemovesNothing publishes one that is larger than all that is kept: the history stays, and
// so does a dead letter.
func TestAnEventThatNeverFitsRemovesNothing(t *testing.T) {
	t.Parallel()
	q, err := memory.New(memory.Options{MaxBytes: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	publish := func(id string, size int) error {
		_, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: id, Raw: make([]byte, size)})
		return err
	}
	if err := publish("kept", 100); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	g := queue.Group{Name: "g", Policy: queue.Policy{MaxAttempts: 1}}
	if err := q.Consume(ctx, g, func(context.Context, queue.Delivery) error {
		stop()
		return errors.New("no")
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := publish("long", 10_000); !errors.Is(err, queue.ErrTooLong) || errors.Is(err, queue.ErrFull) {
			t.Errorf("Publish of more than the store keeps: %v, want ErrTooLong", err)
		}
	}
	if _, err := q.Get(t.Context(), "slack", "kept"); err != nil {
		t.Errorf("the event before is gone: %v", err)
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Events != 1 || s.Groups[0].Dead != 1 || s.Expired != 0 {
		t.Errorf("Stats: %+v, %v, want an event and its dead letter", s, err)
	}
	if err := publish("fits", 9_000); err != nil {
		t.Errorf("Publish of what fits alone: %v", err)
	}
}
