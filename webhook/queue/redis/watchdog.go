package redis

import (
	"time"

	"slackmcp/webhook/queue"
)

// watched is a group that this process consumes.
type watched struct {
	consumers   int
	maxDeadline time.Duration
	since       time.Time // when the first of its consumers came
}

// attend counts a consumer in; the returned function counts it out.
func (q *Queue) attend(g queue.Group) (leave func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.watch[g.Name]
	if w == nil {
		w = &watched{since: time.Now()}
		q.watch[g.Name] = w
	}
	w.consumers++
	w.maxDeadline = max(w.maxDeadline, g.Deadline)
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if w.consumers--; w.consumers == 0 {
			delete(q.watch, g.Name)
		}
	}
}

// stallGrace is how much longer than a whole attempt nothing may be delivered while
// events are due, before the group counts as stalled.
const stallGrace = 10 * time.Second

// stalledSince is when the watchdog saw that events were due and that for longer than
// an attempt may take nobody was given one. Both times are by Redis's clock; due is not
// before the group's last delivery.
func (q *Queue) stalledSince(group string, due, now time.Time) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.watch[group]
	if w == nil {
		return time.Time{}
	}
	if due.Before(w.since) {
		due = w.since
	}
	if seen := due.Add(w.maxDeadline + stallGrace); !seen.After(now) {
		return seen
	}
	return time.Time{}
}
