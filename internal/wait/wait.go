// Package wait is the one way to pause: [Sleep] until an instant or the end of a context,
// [Backoff], the growing pauses between the attempts at something that fails, and
// [Growth], their arithmetic where the number of the attempt is kept elsewhere.
package wait

import (
	"context"
	"math/rand/v2"
	"time"
)

// Sleep returns nil after d, or the context's error as soon as ctx is done. A d of 0 or
// less only asks whether ctx is done.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A Backoff yields the pauses between attempts: the first is First, each further one is
// twice as long, and none is longer than Most. Half of each pause is random, so that
// processes that failed together do not return together. It is used by one goroutine at a
// time; the zero value pauses for no time at all.
type Backoff struct {
	First, Most time.Duration

	next time.Duration
}

// Next returns the pause before the next attempt.
func (b *Backoff) Next() time.Duration {
	d := min(max(b.next, b.First), b.Most)
	b.next = min(2*d, b.Most)
	return Jitter(d)
}

// Sleep pauses for Next, or until ctx is done, whose error it then returns.
func (b *Backoff) Sleep(ctx context.Context) error { return Sleep(ctx, b.Next()) }

// Reset makes the next pause the first one again, after an attempt that succeeded.
func (b *Backoff) Reset() { b.next = 0 }

// Jitter returns a random duration from half of d up to d.
func Jitter(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // The randomness spreads load; it protects no secret.
}

// A Growth is how the pauses between numbered attempts grow: the first is First, each
// further one is Factor times as long, and none is longer than Most. The share Jitter of
// each, from 0 to 1, is random: a pause is never longer than said, and shorter by that
// share at most. A negative Jitter counts as 0.
type Growth struct {
	First, Most time.Duration
	Factor      int
	Jitter      float64
}

// After returns the pause after a failed attempt, counted from 1. random is a number from
// 0 up to 1, at which the pause is the shortest.
func (g Growth) After(attempt int, random float64) time.Duration {
	d := min(g.First, g.Most)
	for i := 1; i < attempt && d > 0 && d < g.Most; i++ {
		if d > g.Most/time.Duration(g.Factor) {
			d = g.Most
		} else {
			d *= time.Duration(g.Factor)
		}
	}
	return d - time.Duration(float64(d)*min(max(g.Jitter, 0), 1)*random)
}
