package webhook

import (
	"context"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
)

// longRate is how many bytes a second are read of all bodies together that are longer than
// a stretch. Without a pace, reading and hashing bodies of a MiB took more than a third of
// a processor under make flood, and none of them was signed. A MiB alone takes 60 ms, and
// Slack waits for 3 s.
const longRate = 16 << 20

// A pace gives out time at longRate. It is safe for concurrent use.
type pace struct {
	began time.Time
	next  atomic.Int64 // when the next caller has its turn, in nanoseconds after began
}

// wait takes the time of n bytes, waits until the callers before have had theirs or ctx is
// done, and returns how long it waited.
func (p *pace) wait(ctx context.Context, n int) time.Duration {
	cost := int64(n) * int64(time.Second) / longRate
	now := int64(time.Since(p.began))
	for {
		next := p.next.Load()
		at := max(next, now)
		if p.next.CompareAndSwap(next, at+cost) {
			_ = wait.Sleep(ctx, time.Duration(at-now)) // When ctx is done, the next read fails.
			return time.Duration(at - now)
		}
	}
}
