package metrics

import (
	"sync"
	"sync/atomic"
	"time"
)

// An hour counts deliveries and failures of the last 60 minutes, minute by minute. The
// zero value is ready to use.
type hour struct {
	mu      sync.Mutex // held while a minute begins
	minutes [60]minute
}

type minute struct {
	of            atomic.Int64 // Unix minutes
	total, failed atomic.Int64
}

func (h *hour) add(now time.Time, failed bool) {
	n := now.Unix() / 60
	m := &h.minutes[n%60]
	if m.of.Load() != n {
		h.begin(m, n)
	}
	m.total.Add(1)
	if failed {
		m.failed.Add(1)
	}
}

// begin empties what was counted an hour ago. A count of the last minute that comes at
// the same moment may be lost with it: the share is none the worse.
func (h *hour) begin(m *minute, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.of.Load() == n {
		return
	}
	m.total.Store(0)
	m.failed.Store(0)
	m.of.Store(n)
}

// sum adds up the minutes that are not older than 60.
func (h *hour) sum(now time.Time) (total, failed int64) {
	n := now.Unix() / 60
	for i := range h.minutes {
		m := &h.minutes[i]
		if of := m.of.Load(); of > n-60 && of <= n {
			total += m.total.Load()
			failed += m.failed.Load()
		}
	}
	return total, failed
}
