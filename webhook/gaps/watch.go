package gaps

import (
	"sync"
	"time"
)

// lastRepetition is the number of Slack's last repetition of a delivery: when it fails too,
// the event is given up.
const lastRepetition = 3

// A watch concludes from deliveries, and from requests that were refused, whether others
// were missed.
type watch struct {
	after time.Duration
	began time.Time // when this process began

	mu sync.Mutex
	// good is when the last delivery came that was no repetition, and stored when the last
	// of all came; mu guards them, as it does what follows.
	good, stored time.Time
	// failing is when the first of the verified deliveries came that are being refused, and
	// earliest when its event had happened, or that of a later one; zero when none is refused.
	failing, earliest time.Time
	// lost is the last minute that was noted because an event of it was given up.
	lost time.Time
	// Requests that may be Slack's and were refused unread came from suspected to newestRefusal,
	// without a verified one among them; zero when there are none.
	suspected, newestRefusal time.Time
}

// Delivered notes that a delivery of Slack's is stored. happened is when the event
// happened by Slack's clock, or zero if that is unknown; repetition says that Slack has
// tried to deliver it before.
func (l *Ledger) Delivered(happened time.Time, repetition bool) {
	now, w := l.opt.Now(), &l.watch
	w.mu.Lock()
	from, to, refused := w.ended(now)
	good := w.good
	verified := !w.failing.IsZero()
	w.failing, w.suspected, w.newestRefusal, w.stored = time.Time{}, time.Time{}, time.Time{}, now
	if !repetition {
		w.good = now
	}
	w.mu.Unlock()
	if refused {
		l.note(newGap(Unavailable, "", from, to, now))
	}
	if verified || !repetition || happened.IsZero() || now.Sub(happened) <= w.after || happened.Before(w.began) {
		return
	}
	// Slack has tried to deliver it for nearly as long as it ever does: events before it may
	// have been given up.
	from = w.began
	if good.After(from) {
		from = good
	}
	if from.Before(happened) {
		l.note(newGap(Unreachable, "", from, happened, now))
	}
}

// Refused notes that a delivery of Slack's was verified and could not be stored. happened is
// when its event happened by Slack's clock, or zero if that is unknown, and repetition the
// number of Slack's repetition, 0 for the first delivery.
func (l *Ledger) Refused(happened time.Time, repetition int) {
	now, w := l.opt.Now(), &l.watch
	if happened.IsZero() || happened.After(now) {
		happened = now
	}
	w.mu.Lock()
	if w.failing.IsZero() {
		w.failing, w.earliest = now, now
	}
	if happened.Before(w.earliest) && now.Sub(happened) < 2*w.after { // older ones come by Delayed Events
		w.earliest = happened
	}
	minute := happened.Truncate(time.Minute)
	lost := repetition >= lastRepetition && !minute.Equal(w.lost)
	if lost {
		w.lost = minute
	}
	w.mu.Unlock()
	if lost { // Others may be stored while this one is given up.
		l.note(newGap(Unavailable, "", minute, minute.Add(time.Minute), now))
	}
}

// TurnedAway notes that a request was refused unread which may be Slack's: on Slack's route,
// and by its headers well formed and fresh. Every client can send such a request. That it
// is refused counts only when others are refused for longer than
// After, and no delivery of Slack's is verified meanwhile.
func (l *Ledger) TurnedAway() {
	now, w := l.opt.Now(), &l.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.suspected.IsZero() || now.Sub(w.newestRefusal) > w.after {
		w.suspected = now
	}
	w.newestRefusal = now
}

// Limited notes Slack's notice that it withheld events of the minute that began then.
func (l *Ledger) Limited(team string, minute time.Time) {
	if !minute.IsZero() {
		l.note(newGap(RateLimited, team, minute, minute.Add(time.Minute), l.opt.Now()))
	}
}

// Refusing returns for how long Slack's deliveries have been refused; 0 unless that is
// longer than After, or when it is over.
func (l *Ledger) Refusing() time.Duration {
	now := l.opt.Now()
	from, _, ok := l.watch.refusing(now)
	if !ok {
		return 0
	}
	return now.Sub(from)
}

// refusing returns the time in which Slack's deliveries have been refused; ok is false
// unless it is longer than after and goes on.
func (w *watch) refusing(now time.Time) (from, to time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing.IsZero() && now.Sub(w.newestRefusal) > w.after {
		return from, to, false
	}
	return w.ended(now)
}

// ended is like refusing, and also for what is over. It requires w.mu.
func (w *watch) ended(now time.Time) (from, to time.Time, ok bool) {
	if !w.failing.IsZero() {
		return w.earliest, now, now.Sub(w.failing) > w.after
	}
	from, to = w.suspected, w.newestRefusal
	return from, to, !from.IsZero() && to.Sub(from) > w.after
}

// newest returns when the last delivery was stored.
func (w *watch) newest() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored
}
