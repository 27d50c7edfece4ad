package wait_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"slackmcp/internal/wait"
)

func TestSleepLastsAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := wait.Sleep(t.Context(), time.Minute); err != nil || time.Since(began) != time.Minute {
			t.Errorf("Sleep returned %v after %v", err, time.Since(began))
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := wait.Sleep(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Sleep returned %v after %v", err, time.Since(began))
		}
		if err := wait.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep of no time under an ended context returned %v", err)
		}
	})
}

func TestBackoffDoublesUpToItsLongestPause(t *testing.T) {
	b := wait.Backoff{First: 100 * time.Millisecond, Most: 500 * time.Millisecond}
	for round := range 2 {
		for i, longest := range []time.Duration{100, 200, 400, 500, 500} {
			longest *= time.Millisecond
			if d := b.Next(); d < longest/2 || d > longest {
				t.Errorf("round %d: pause %d is %v, want %v to %v", round, i+1, d, longest/2, longest)
			}
		}
		b.Reset()
	}
}

func TestZeroBackoffPausesForNoTime(t *testing.T) {
	var b wait.Backoff
	if d := b.Next(); d != 0 {
		t.Errorf("the pause is %v", d)
	}
}

func TestGrowthOfNumberedAttempts(t *testing.T) {
	for _, tc := range []struct {
		g       wait.Growth
		attempt int
		random  float64
		want    time.Duration
	}{
		{wait.Growth{First: time.Second, Most: time.Minute, Factor: 2}, 1, 0, time.Second},
		{wait.Growth{First: time.Second, Most: time.Minute, Factor: 2}, 4, 0.5, 8 * time.Second},
		{wait.Growth{First: time.Second, Most: time.Minute, Factor: 4}, 3, 0, 16 * time.Second},
		{wait.Growth{First: time.Second, Most: time.Minute, Factor: 4}, 4, 0, time.Minute},
		{wait.Growth{First: time.Second, Most: time.Minute, Factor: 2, Jitter: 0.2}, 2, 0.5, 1800 * time.Millisecond},
		{wait.Growth{First: time.Second, Most: time.Minute, Factor: 2, Jitter: 7}, 2, 0.5, time.Second},
		{wait.Growth{First: time.Second, Most: time.Minute, Factor: 2, Jitter: -1}, 2, 0.5, 2 * time.Second},
		{wait.Growth{First: time.Hour, Most: time.Minute, Factor: 2}, 1, 0, time.Minute},
		{wait.Growth{First: time.Hour, Most: 1<<63 - 1, Factor: 2}, 1 << 20, 0, 1<<63 - 1},
		{wait.Growth{}, 1 << 20, 0, 0},
	} {
		if got := tc.g.After(tc.attempt, tc.random); got != tc.want {
			t.Errorf("%+v after %d: %v, want %v", tc.g, tc.attempt, got, tc.want)
		}
	}
}
