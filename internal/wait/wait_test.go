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
