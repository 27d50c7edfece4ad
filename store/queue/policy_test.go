package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

var errFailed = errors.New("failed")

func TestPolicyNext(t *testing.T) {
	t.Parallel()
	exact := queue.Policy{MaxAttempts: 6, Base: time.Second, Cap: 5 * time.Second, Jitter: -1}
	for _, tc := range []struct {
		name    string
		policy  queue.Policy
		attempt int
		err     error
		want    queue.Verdict
	}{
		{"the first pause is the base", exact, 1, errFailed, queue.Verdict{Delay: time.Second}},
		{"the pause doubles", exact, 2, errFailed, queue.Verdict{Delay: 2 * time.Second}},
		{"and doubles again", exact, 3, errFailed, queue.Verdict{Delay: 4 * time.Second}},
		{"up to the cap", exact, 4, errFailed, queue.Verdict{Delay: 5 * time.Second}},
		{"the last attempt is the end", exact, 6, errFailed, queue.Verdict{Dead: true}},
		{"one beyond it, too", exact, 7, errFailed, queue.Verdict{Dead: true}},
		{"a permanent error is the end", exact, 1, queue.Permanent(errFailed), queue.Verdict{Dead: true}},
		{"also when it is wrapped", exact, 1, fmt.Errorf("call: %w", queue.Permanent(errFailed)), queue.Verdict{Dead: true}},
		{"a longer pause that was asked for", exact, 1, queue.RetryAfter(errFailed, time.Minute), queue.Verdict{Delay: time.Minute}},
		{"a shorter one changes nothing", exact, 3, queue.RetryAfter(errFailed, time.Second), queue.Verdict{Delay: 4 * time.Second}},
		{"none is longer than an hour", exact, 1, queue.RetryAfter(errFailed, 6*time.Hour), queue.Verdict{Delay: time.Hour}},
		{"unless the policy says so", queue.Policy{MaxAsked: 5 * time.Hour}, 1, queue.RetryAfter(errFailed, 6*time.Hour), queue.Verdict{Delay: 5 * time.Hour}},
		{"it gives no further attempt", exact, 6, queue.RetryAfter(errFailed, time.Minute), queue.Verdict{Dead: true}},
		{"the zero policy ends after five", queue.Policy{}, 5, errFailed, queue.Verdict{Dead: true}},
		{"a huge attempt does not overflow", queue.Policy{MaxAttempts: 1 << 30, Base: time.Hour, Cap: 24 * time.Hour, Jitter: -1}, 1 << 20, errFailed, queue.Verdict{Delay: 24 * time.Hour}},
		{"nor does one whose shift does", queue.Policy{MaxAttempts: 1 << 30, Base: time.Hour, Cap: 24 * time.Hour, Jitter: -1}, 35, errFailed, queue.Verdict{Delay: 24 * time.Hour}},
		{"a base above the cap is the cap", queue.Policy{Base: time.Hour, Cap: time.Minute, Jitter: -1}, 1, errFailed, queue.Verdict{Delay: time.Minute}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.policy.Next(tc.attempt, tc.err); got != tc.want {
				t.Errorf("Next(%d, %v) = %+v, want %+v", tc.attempt, tc.err, got, tc.want)
			}
		})
	}
}

func TestPolicyJitter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		jitter   float64
		low, top time.Duration
	}{{0, 800 * time.Millisecond, time.Second}, {0.5, 500 * time.Millisecond, time.Second}, {1, 0, time.Second}, {7, 0, time.Second}} {
		p := queue.Policy{Base: time.Second, Jitter: tc.jitter}
		seen := map[time.Duration]bool{}
		for range 500 {
			d := p.Next(1, errFailed).Delay
			seen[d] = true
			if d < tc.low || d > tc.top {
				t.Fatalf("jitter %v: a pause of %v, want %v to %v", tc.jitter, d, tc.low, tc.top)
			}
		}
		if len(seen) < 100 {
			t.Errorf("jitter %v: %d different pauses of 500", tc.jitter, len(seen))
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	if queue.Permanent(nil) != nil || queue.RetryAfter(nil, time.Second) != nil {
		t.Error("marking no error makes one")
	}
	if queue.IsPermanent(errFailed) || queue.IsPermanent(nil) || queue.IsPermanent(queue.RetryAfter(errFailed, 1)) {
		t.Error("IsPermanent of an error that was not marked")
	}
	for _, err := range []error{queue.Permanent(errFailed), queue.RetryAfter(errFailed, time.Second)} {
		if !errors.Is(err, errFailed) || err.Error() != errFailed.Error() {
			t.Errorf("a marked error is %q and hides its cause: %v", err, errors.Is(err, errFailed))
		}
	}
}

func TestPostponed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want time.Duration
		held bool
	}{
		{queue.Postpone(errFailed, time.Minute), time.Minute, true},
		{queue.Postpone(errFailed, 0), 100 * time.Millisecond, true},
		{queue.Postpone(errFailed, -time.Minute), 100 * time.Millisecond, true},
		{queue.Postpone(errFailed, 2*time.Hour), time.Hour, true},
		{queue.Permanent(fmt.Errorf("given up: %w", queue.Postpone(errFailed, time.Minute))), 0, false},
		{errFailed, 0, false},
		{nil, 0, false},
	} {
		if got, held := queue.Postponed(tc.err); got != tc.want || held != tc.held {
			t.Errorf("Postponed(%v) = %v, %v, want %v, %v", tc.err, got, held, tc.want, tc.held)
		}
	}
	if got := (queue.Policy{MaxAsked: 5 * time.Hour}).Longest(); got != 5*time.Hour {
		t.Errorf("Longest = %v, want what may be asked for", got)
	}
}

func TestGroupDefaults(t *testing.T) {
	t.Parallel()
	g, err := queue.Group{Name: "g"}.Normalize()
	if err != nil || g.Workers != 8 || g.Deadline != time.Minute || g.Drain != 10*time.Second || g.Policy != queue.DefaultPolicy() {
		t.Errorf("Normalize = %+v, %v", g, err)
	}
	set := queue.Group{Name: "g", Workers: 1, Deadline: 2, Drain: 3, Policy: queue.Policy{MaxAttempts: 4}}
	if g, err := set.Normalize(); err != nil || g.Workers != 1 || g.Deadline != 2 || g.Drain != 3 || g.Policy.MaxAttempts != 4 {
		t.Errorf("Normalize changes what was set: %+v, %v", g, err)
	}
}

func TestCheckEvent(t *testing.T) {
	t.Parallel()
	for _, e := range []event.Event{{}, {Source: "slack"}, {ID: "x"}} {
		if queue.CheckEvent(&e) == nil {
			t.Errorf("CheckEvent(%+v) is nil", e)
		}
	}
	if err := queue.CheckEvent(&event.Event{Source: "slack", ID: "x"}); err != nil {
		t.Errorf("CheckEvent: %v", err)
	}
}
