package gaps

import (
	"sync"
	"time"
)

// A watch draws from each delivery what it tells about others.
type watch struct {
	after time.Duration
	began time.Time // when this process was there first

	mu sync.Mutex
	// good is when a delivery came last that was no repetition; failing is when the first
	// of those came that are refused now, zero when none is. Both are guarded by mu.
	good, failing time.Time
}

// Delivered notes that a delivery of Slack's is stored: when it happened by Slack's word,
// zero where that says nothing, and whether the delivery is a repetition.
func (l *Ledger) Delivered(happened time.Time, repetition bool) {
	now, w := l.opt.Now(), &l.watch
	w.mu.Lock()
	failing, good := w.failing, w.good
	w.failing = time.Time{}
	if !repetition {
		w.good = now
	}
	w.mu.Unlock()
	if !failing.IsZero() {
		if now.Sub(failing) > w.after {
			l.note(newGap(Unavailable, "", failing, now, now))
		}
		return
	}
	if !repetition || happened.IsZero() || now.Sub(happened) <= w.after || happened.Before(w.began) {
		return
	}
	// It waited nearly as long as Slack goes on: what came before it may be given up.
	from := w.began
	if good.After(from) {
		from = good
	}
	if from.Before(happened) {
		l.note(newGap(Unreachable, "", from, happened, now))
	}
}

// Refused notes that a delivery of Slack's was verified and could not be stored.
func (l *Ledger) Refused() {
	l.watch.mu.Lock()
	defer l.watch.mu.Unlock()
	if l.watch.failing.IsZero() {
		l.watch.failing = l.opt.Now()
	}
}

// Limited notes Slack's notice that it withheld events of the minute that began then.
func (l *Ledger) Limited(team string, minute time.Time) {
	if !minute.IsZero() {
		l.note(newGap(RateLimited, team, minute, minute.Add(time.Minute), l.opt.Now()))
	}
}
