package consume_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A script is a backend that hands out what it is given and notes what is reported to it.
type script struct {
	items   chan consume.Item[int]
	extend  func(leases []int) ([]int, error)
	settle  func(n int) error // the nth call, from 1
	takeErr func(n int) error

	mu      sync.Mutex
	takes   int
	settles int
	renewed map[int]int
	settled map[int]consume.Outcome
}

func newScript(items ...consume.Item[int]) *script {
	s := &script{items: make(chan consume.Item[int], 100), renewed: map[int]int{}, settled: map[int]consume.Outcome{}}
	for _, item := range items {
		s.items <- item
	}
	return s
}

func (s *script) Take(ctx context.Context, _ int) ([]consume.Item[int], error) {
	s.mu.Lock()
	s.takes++
	n := s.takes
	s.mu.Unlock()
	if s.takeErr != nil {
		if err := s.takeErr(n); err != nil {
			return nil, err
		}
	}
	select {
	case item := <-s.items:
		return []consume.Item[int]{item}, nil
	case <-ctx.Done():
		return nil, nil
	}
}

func (s *script) Extend(_ context.Context, leases []int) ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range leases {
		s.renewed[l]++
	}
	if s.extend == nil {
		return nil, nil
	}
	return s.extend(leases)
}

func (s *script) Settle(_ context.Context, lease int, o consume.Outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settles++
	if s.settle != nil {
		if err := s.settle(s.settles); err != nil {
			return err
		}
	}
	s.settled[lease] = o
	return nil
}

// lease is the lease of these tests, in the bubble's time.
const lease = 30 * time.Second

// run works a script for a while.
func run(t *testing.T, s *script, g queue.Group, d time.Duration, h queue.Handler) error {
	t.Helper()
	g.Name = "g"
	g, err := g.Normalize()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return consume.Run(ctx, g, h, s, consume.Options{Lease: lease, Log: slog.New(slog.DiscardHandler), Life: t.Context()})
}

func item(n int) consume.Item[int] {
	return consume.Item[int]{Lease: n, Event: event.Event{ID: "Ev", Channel: "C1"}, Attempt: 1}
}

// lasts is a handler that takes its time, unless its context ends.
func lasts(d time.Duration) queue.Handler {
	return func(ctx context.Context, _ queue.Delivery) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func TestLeasesAreRenewedUntilSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(item(1))
		if err := run(t, s, queue.Group{Deadline: 10 * time.Minute}, 5*time.Minute, lasts(95*time.Second)); err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := s.renewed[1]; n != 9 {
			t.Errorf("a lease of 30 s was renewed %d times in 95 s, want 9", n)
		}
		if !s.settled[1].Done {
			t.Errorf("outcome %+v, want done", s.settled[1])
		}
	})
}

func TestRenewalEndsAfterTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(item(1))
		stuck := func(context.Context, queue.Delivery) error {
			<-time.After(10 * time.Minute)
			return nil
		}
		if err := run(t, s, queue.Group{Deadline: time.Minute}, time.Hour, stuck); err != nil {
			t.Errorf("Run: %v", err)
		}
		// The minute of the deadline and the one lease after it, every ten seconds.
		if n := s.renewed[1]; n > 9 {
			t.Errorf("renewed %d times, want it to end a lease after the deadline", n)
		}
		if o := s.settled[1]; o.Done || o.Dead {
			t.Errorf("outcome %+v of a handler that returned long after its deadline, want another attempt", o)
		}
	})
}

func TestLostLeaseEndsTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(item(1))
		s.extend = func(leases []int) ([]int, error) { return leases, nil }
		var cause error
		err := run(t, s, queue.Group{}, time.Minute, func(ctx context.Context, _ queue.Delivery) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return cause
		})
		if err != nil || !errors.Is(cause, consume.ErrLost) {
			t.Errorf("Run: %v; the handler ended with %v, want ErrLost", err, cause)
		}
		if len(s.settled) != 0 {
			t.Errorf("settled %v, which another consumer will", s.settled)
		}
	})
}

func TestOutcomeIsOfferedUntilTheBackendIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(item(1))
		began := time.Now()
		s.settle = func(int) error {
			if time.Since(began) < time.Minute {
				return queue.ErrUnavailable
			}
			return nil
		}
		if err := run(t, s, queue.Group{}, 5*time.Minute, lasts(0)); err != nil {
			t.Errorf("Run: %v", err)
		}
		if !s.settled[1].Done || s.settles > 80 {
			t.Errorf("%d tries and outcome %+v, want it recorded after a minute with pauses between", s.settles, s.settled[1])
		}
		if s.renewed[1] < 5 {
			t.Errorf("the lease was renewed %d times while the outcome waited", s.renewed[1])
		}
	})
}

func TestAwayIsNoBusyLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.takeErr = func(int) error { return queue.ErrUnavailable }
		if err := run(t, s, queue.Group{}, 10*time.Minute, lasts(0)); err != nil {
			t.Errorf("Run: %v", err)
		}
		if s.takes > 620 || s.takes < 300 {
			t.Errorf("%d takes in ten minutes without a backend, want one every one to two seconds", s.takes)
		}
	})
}

func TestDroppedGroupEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(item(1))
		s.takeErr = func(n int) error {
			if n > 1 {
				return queue.ErrNoGroup
			}
			return nil
		}
		began := time.Now()
		err := run(t, s, queue.Group{Deadline: time.Hour}, time.Hour, lasts(time.Hour))
		if !errors.Is(err, queue.ErrNoGroup) || time.Since(began) > time.Minute {
			t.Errorf("Run: %v after %v, want ErrNoGroup at once, without grace", err, time.Since(began))
		}
	})
}

func TestCrashedAttemptIsJudgedAndNotRun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		attempt int
		dead    bool
	}{"an early one is tried again": {1, false}, "the last one is a dead letter": {3, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := item(1)
				i.Crashed, i.Attempt = true, tc.attempt
				s := newScript(i)
				err := run(t, s, queue.Group{Policy: queue.Policy{MaxAttempts: 3}}, time.Minute, func(context.Context, queue.Delivery) error {
					t.Error("the handler was called")
					return nil
				})
				if o := s.settled[1]; err != nil || o.Done || o.Dead != tc.dead || o.Reason != consume.ErrCrashed.Error() {
					t.Errorf("Run: %v, outcome %+v, want dead %v and the crash as reason", err, o, tc.dead)
				}
			})
		})
	}
}

func TestFilteredEventsAreDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(item(1))
		err := run(t, s, queue.Group{Filter: event.Filter{Channel: "C2"}}, time.Minute, func(context.Context, queue.Delivery) error {
			t.Error("the handler was called")
			return nil
		})
		if err != nil || !s.settled[1].Done {
			t.Errorf("Run: %v, outcome %+v, want done", err, s.settled[1])
		}
	})
}

func TestStoppingGivesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(item(1))
		began := time.Now()
		err := run(t, s, queue.Group{Drain: 5 * time.Second}, time.Second, lasts(time.Minute))
		if o := s.settled[1]; err != nil || o.Done || o.Dead || o.Delay != 0 || time.Since(began) != 6*time.Second {
			t.Errorf("Run: %v after %v, outcome %+v, want it given back after the drain", err, time.Since(began), o)
		}
	})
}
