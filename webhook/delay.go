package webhook

import (
	"context"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/webhook/limiter"
)

// delayedShare is the part of MaxInFlight that may wait to be refused, beside those that
// are served.
const delayedShare = 8

// A delay lets refusals wait, so that who posts anew as soon as the last post was answered
// takes less of the server. Under make flood 16 posters had a thousand refusals a second
// before, and a hundred since; the p99 of signed events fell from 2.2 times its quiet value
// to between 1.5 and 1.8 (docs/performance.md).
type delay struct {
	wait time.Duration
	most int64
	n    atomic.Int64 // that wait now
}

// unwelcome reports whether the refusal of a delivery waits: one of an address that is held
// back, or of an unverified address while the server is busy.
func (v *delivery) unwelcome() bool {
	return v.Outcome == Limited || v.Outcome == Busy && v.from.standing != limiter.Known
}

// hold waits, unless as many as may do already or the request's end comes first. Its
// caller holds nothing that others need.
func (d *delay) hold(ctx context.Context) {
	if !d.enter() {
		return
	}
	defer d.n.Add(-1)
	_ = wait.Sleep(ctx, d.wait) // A request that has ended is answered all the same.
}

// enter counts one more, if there may be one.
func (d *delay) enter() bool {
	for {
		n := d.n.Load()
		if n >= d.most {
			return false
		}
		if d.n.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
