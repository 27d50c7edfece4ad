package webhook

import (
	"sync/atomic"
	"time"
)

// longRate is how many bytes a second are read of all bodies together that are longer than
// a stretch. Before they had a pace, reading and hashing bodies of a MiB took more than a
// third of a processor under make flood, and nobody had signed one of them. A MiB alone
// takes 60 ms, and Slack waits for 3 s.
const longRate = 16 << 20

// A pace gives out time at longRate.
type pace struct {
	began time.Time
	next  atomic.Int64 // when the next has its turn, in nanoseconds after began
}

// wait takes the time of n bytes, waits until those before have had theirs, and returns how
// long it waited.
func (p *pace) wait(n int) time.Duration {
	cost := int64(n) * int64(time.Second) / longRate
	now := int64(time.Since(p.began))
	for {
		next := p.next.Load()
		at := max(next, now)
		if p.next.CompareAndSwap(next, at+cost) {
			if at == now {
				return 0
			}
			<-time.After(time.Duration(at - now))
			return time.Duration(at - now)
		}
	}
}
