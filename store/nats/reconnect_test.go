//go:build unix

package nats_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"slackmcp/store/nats"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
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
	until(t, func() bool {
		st, err := q.Stats(t.Context())
		return err == nil && st.Groups[0].Retrying == 1
	})
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
		t.Fatalf("Consume ended although it was not asked to: %v", err)
	case <-time.After(60 * time.Second):
		t.Fatal("the consumer did not go on")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Consume: %v", err)
	}
}

// TestServerForgetsDeliveries kills the server and takes from its disk what it knew of
// the consumer's deliveries, while handlers have two of them. The server answers no
// acknowledgement of what it did not deliver: the workers have to go on, and what they
// finished is not handled again here.
func TestServerForgetsDeliveries(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{2, 4} { // all busy, or some left that are given the same events
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			t.Parallel()
			forgets(t, workers)
		})
	}
}

func forgets(t *testing.T, workers int) {
	t.Helper()
	s := newServer(t)
	// No lease ends while the server is away.
	q, err := nats.Open(context.Background(), nats.Options{URL: s.url(), Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	const events = 6
	var mu sync.Mutex
	handled := map[string]int{}
	held, release := make(chan struct{}, events), make(chan struct{})
	go func() {
		_ = q.Consume(t.Context(), queue.Group{Name: "work", Workers: workers}, func(_ context.Context, d queue.Delivery) error {
			mu.Lock()
			handled[d.Event.ID]++
			mu.Unlock()
			if id := d.Event.ID; id == "Ev5" || id == "Ev6" {
				held <- struct{}{}
				<-release
			}
			return nil
		})
	}()
	for i := range events {
		if _, err := q.Publish(t.Context(), event.Event{Source: "slack", ID: fmt.Sprint("Ev", i+1), Raw: []byte(`{}`)}); err != nil {
			t.Fatal(err)
		}
	}
	<-held
	<-held
	s.Kill()
	known, err := filepath.Glob(filepath.Join(s.dir, "jetstream", "*", "streams", "EVENTS-*", "obs", "*", "o.dat"))
	if err != nil || len(known) == 0 {
		t.Fatalf("what the server knows of its consumers is not where it was: %v, %v", known, err)
	}
	for _, path := range known {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	s.Start()
	if workers > 2 { // until those that are free were given all again
		until(t, func() bool { mu.Lock(); defer mu.Unlock(); return handled["Ev4"] == 2 })
	}
	close(release)
	until(t, func() bool {
		st, err := q.Stats(t.Context())
		return err == nil && st.Groups[0].Waiting == 0 && st.Groups[0].Done == events
	})
	mu.Lock()
	defer mu.Unlock()
	if handled["Ev5"] != 1 || handled["Ev6"] != 1 {
		t.Errorf("handled %v, want Ev5 and Ev6, whose handlers the server did not stop, once", handled)
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); pause(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a minute")
		}
	}
}
