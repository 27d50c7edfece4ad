//go:build unix

package nats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/queue"
)

// TestConnectionBreaksDuringCall breaks the connection while the consumer waits for the
// server's answer: a retry is due, so that it takes its request for new events back. It
// has to go on when the server is there again.
func TestConnectionBreaksDuringCall(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q, err := open(context.Background(), s.url()+" breaks")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	const due = 500 * time.Millisecond
	attempts, ended := make(chan int, 16), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		ended <- q.Consume(ctx, queue.Group{Name: "work"}, func(_ context.Context, d queue.Delivery) error {
			attempts <- d.Attempt
			if d.Attempt == 1 {
				return queue.RetryAfter(errors.New("not yet"), due)
			}
			return nil
		})
	}()
	if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: "Ev1", Raw: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	<-attempts
	for deadline := time.Now().Add(30 * time.Second); ; pause(5 * time.Millisecond) {
		st, err := q.Stats(t.Context())
		if err == nil && st.Groups[0].Retrying == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the retry is not on the schedule: %+v, %v", st, err)
		}
	}
	s.Pause()
	pause(2 * due) // the retry falls due while the server is silent
	s.Kill()
	s.Start()
	select {
	case n := <-attempts:
		if n < 2 {
			t.Errorf("attempt %d followed the first", n)
		}
	case err := <-ended:
		t.Fatalf("Consume ended although nobody asked it to: %v", err)
	case <-time.After(60 * time.Second):
		t.Fatal("the consumer did not go on")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Consume: %v", err)
	}
}
