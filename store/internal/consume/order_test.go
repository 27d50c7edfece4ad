package consume_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func of(key string) *event.Event { return &event.Event{Channel: key} }

func newSequencer(workers int) *consume.Sequencer {
	return consume.NewSequencer(queue.Group{Workers: workers, Key: func(e *event.Event) string { return e.Channel }})
}

func TestWithoutAKeyThereIsNoOrder(t *testing.T) {
	s := consume.NewSequencer(queue.Group{Workers: 8})
	s.Taken(1)
	s.Taken(2)
	for _, seq := range []int64{2, 1} {
		turn, _, ok := s.Enter(t.Context(), seq, of("C1"))
		if !ok {
			t.Errorf("%d has to wait", seq)
		}
		turn.End(true, time.Hour)
	}
	s.Skip(3)
	s.Hold(4, of("C1"), time.Hour)

	s = newSequencer(8)
	s.Taken(1)
	if _, _, ok := s.Enter(t.Context(), 1, of("")); !ok {
		t.Error("an event with an empty key has to wait")
	}
}

// TestWorkersThatRaceKeepTheOrder hands out deliveries in order to goroutines that come
// to enter in any.
func TestWorkersThatRaceKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		s := newSequencer(2 * n)
		for seq := range int64(n) {
			s.Taken(seq)
		}
		var mu sync.Mutex
		var ran []int64
		for seq := range int64(n) {
			go func() {
				time.Sleep(time.Duration(n-seq) * time.Millisecond) // the last one first
				turn, _, ok := s.Enter(t.Context(), seq, of("C1"))
				if !ok {
					t.Errorf("%d was sent back", seq)
					return
				}
				mu.Lock()
				ran = append(ran, seq)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				turn.End(false, 0)
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.IsSorted(ran) || len(ran) != n {
			t.Errorf("ran in the order %v", ran)
		}
	})
}

func TestAFailingEventHoldsBackItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSequencer(8)
		s.Taken(1)
		first, _, ok := s.Enter(t.Context(), 1, of("C1"))
		if !ok {
			t.Fatal("the first one has to wait")
		}
		first.End(true, 10*time.Second)

		s.Taken(2)
		if _, delay, ok := s.Enter(t.Context(), 2, of("C1")); ok || delay < 10*time.Second || delay > 11*time.Second {
			t.Errorf("the second one: %v after %v, want it back just after the first", ok, delay)
		}
		s.Taken(3)
		other, _, ok := s.Enter(t.Context(), 3, of("C2"))
		if !ok {
			t.Error("another key is held back, too")
		}
		other.End(false, 0)

		// The second comes again before the first: it knows its place.
		time.Sleep(11 * time.Second)
		s.Taken(2)
		if _, _, ok := s.Enter(t.Context(), 2, of("C1")); ok {
			t.Error("the second one overtakes")
		}
		s.Taken(1)
		first, _, ok = s.Enter(t.Context(), 1, of("C1"))
		if !ok {
			t.Fatal("the first one has to wait for itself")
		}
		first.End(false, 0)
		s.Taken(2)
		if _, _, ok := s.Enter(t.Context(), 2, of("C1")); !ok {
			t.Error("the second one waits although none is before it")
		}
	})
}

func TestWhatWillNotRunHoldsBackNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSequencer(8)
		s.Taken(1)
		s.Taken(2)
		s.Skip(1)
		if _, _, ok := s.Enter(t.Context(), 2, of("C1")); !ok {
			t.Error("it waits for one that was skipped")
		}
		s.Taken(3)
		s.Hold(3, of("C2"), time.Hour) // a crash: it is tried again
		s.Taken(4)
		if _, delay, ok := s.Enter(t.Context(), 4, of("C2")); ok || delay < time.Hour {
			t.Errorf("it overtakes one that crashed: %v, %v", ok, delay)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSequencer(2) // one may wait
		s.Taken(1)
		if _, _, ok := s.Enter(t.Context(), 1, of("C1")); !ok {
			t.Fatal("the first one has to wait")
		}
		back := make(chan string, 2)
		for _, seq := range []int64{2, 3} {
			s.Taken(seq)
			go func() {
				began := time.Now()
				_, delay, ok := s.Enter(t.Context(), seq, of("C1"))
				back <- fmt.Sprint(ok, " ", time.Since(began), " ", delay > 0)
			}()
			synctest.Wait()
		}
		if got := <-back; got != "false 0s true" {
			t.Errorf("the one too many: %s, want it sent back at once", got)
		}
		if got := <-back; got != "false 10s true" {
			t.Errorf("the one that waits: %s, want it sent back after ten seconds", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.Taken(4)
		if _, _, ok := s.Enter(ctx, 4, of("C1")); ok {
			t.Error("it runs although the consumer stops and another one runs")
		}
	})
}
