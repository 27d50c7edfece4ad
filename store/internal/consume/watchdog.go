package consume

import (
	"sync"
	"time"

	"slackmcp/store/queue"
)

// A Watchdog knows which groups this process consumes. The zero value knows none. It is
// safe for concurrent use.
type Watchdog struct {
	mu     sync.Mutex
	groups map[string]*watched
}

type watched struct {
	consumers   int
	maxDeadline time.Duration
	since       time.Time // when the first of its consumers came
}

// Attend counts a consumer in; the returned function counts it out.
func (w *Watchdog) Attend(g queue.Group) (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.groups == nil {
		w.groups = map[string]*watched{}
	}
	one := w.groups[g.Name]
	if one == nil {
		one = &watched{since: time.Now()}
		w.groups[g.Name] = one
	}
	one.consumers++
	one.maxDeadline = max(one.maxDeadline, g.Deadline)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if one.consumers--; one.consumers == 0 {
			delete(w.groups, g.Name)
		}
	}
}

// grace is how much longer than a whole attempt nothing may be delivered while events
// are due, before the group counts as stalled.
const grace = 10 * time.Second

// StalledSince is when it was clear that events were due and that for longer than an
// attempt may take none was delivered; zero while all is well and where this process
// does not consume the group. due is when the first event was due, or the last delivery
// if that was later; both times are by the backend's clock.
func (w *Watchdog) StalledSince(group string, due, now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.groups[group]
	if one == nil || due.IsZero() {
		return time.Time{}
	}
	if due.Before(one.since) {
		due = one.since
	}
	if seen := due.Add(one.maxDeadline + grace); !seen.After(now) {
		return seen
	}
	return time.Time{}
}
