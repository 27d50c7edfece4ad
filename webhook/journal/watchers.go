package journal

import (
	"context"
	"slices"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/webhook/event"
)

// wakeCost is about how much CPU time it takes to wake one reader and let it read. After
// readers were woken there is a pause of wakeCost for each, so that waking a thousand
// readers for each of a thousand events a second takes half a core at most, and a reader is
// a few hundredths of a second late.
const wakeCost = 20 * time.Microsecond

// Readers whose events do not come are woken all the same, so that their positions do not grow
// old: once in so many events, a share of what the window holds and at most mostLate, and
// within lateWake of an event.
const (
	lateShare = 10
	mostLate  = 1000
	lateWake  = time.Minute
)

// watchers are the readers that wait for events, by what they wait for: an event costs what
// those cost that want it.
type watchers struct {
	dirty chan struct{} // capacity 1: there is someone to wake
	late  int           // after how many events all are woken

	mu       sync.Mutex
	waiting  map[postingKey]map[chan struct{}]sees
	came     map[postingKey]struct{} // what has come since the last round that someone waits for
	everyone bool                    // whether all are to be woken
	events   int                     // that came since all were woken
	judging  int                     // how many of those who wait do not see everything
	fresh    []event.Event           // what has come since the last round, for these; all of it, unless everyone is to be woken
}

// sees reports whether a watcher may see an event; nil sees everything.
type sees func(*event.Event) bool

// mostFresh bounds the events that are judged in one round: behind more, all are woken.
const mostFresh = 256

func newWatchers(maxEvents int) watchers {
	return watchers{
		dirty: make(chan struct{}, 1), late: max(1, min(maxEvents/lateShare, mostLate)),
		waiting: map[postingKey]map[chan struct{}]sees{}, came: map[postingKey]struct{}{},
	}
}

// wanted returns postings such that every event that a filter selects is in one of them: of
// the field that is likely to be the rarest.
func wanted(f *event.Filter) []postingKey {
	for _, k := range [...]postingKey{{byThread, f.Thread}, {byChannel, f.Channel}, {byUser, f.User}} {
		if k.value != "" {
			return []postingKey{k}
		}
	}
	var kinds []postingKey
	for _, p := range f.Patterns {
		typ := p.Type()
		if typ == "" {
			kinds = nil
			break
		}
		kinds = append(kinds, postingKey{byKind, typ})
	}
	switch {
	case len(kinds) > 0:
		return kinds
	case f.Source != "":
		return []postingKey{{bySource, f.Source}}
	}
	return []postingKey{{all, ""}}
}

func (w *watchers) add(keys []postingKey, may sees) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		if w.waiting[k] == nil {
			w.waiting[k] = map[chan struct{}]sees{}
		}
		w.waiting[k][c] = may
	}
	if may != nil {
		w.judging++
	}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, waits := w.waiting[keys[0]][c]; waits && may != nil {
			w.judging--
		}
		for _, k := range keys {
			if delete(w.waiting[k], c); len(w.waiting[k]) == 0 {
				delete(w.waiting, k)
			}
		}
	}
}

// notify says that an event came. It never blocks.
func (w *watchers) notify(e *event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys(e) {
		if len(w.waiting[k]) > 0 {
			w.came[k] = struct{}{}
		}
	}
	if w.events++; w.events >= w.late || len(w.fresh) >= mostFresh {
		w.everyone = true
	}
	if w.judging > 0 && !w.everyone {
		w.fresh = append(w.fresh, *e)
	}
	if len(w.came) > 0 || w.everyone {
		w.wake()
	}
}

// notifyAll says that everything changed.
func (w *watchers) notifyAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.everyone = true
	w.wake()
}

// wake begins a round.
func (w *watchers) wake() {
	select {
	case w.dirty <- struct{}{}:
	default:
	}
}

// run wakes the watchers after each change until ctx is done.
func (w *watchers) run(ctx context.Context) {
	late := time.NewTicker(lateWake)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-late.C:
			w.tick()
		case <-w.dirty:
		}
		if pause := time.Duration(w.round()) * wakeCost; pause >= time.Millisecond {
			_ = wait.Sleep(ctx, pause) // the loop ends with ctx
		}
	}
}

// tick has all woken if an event came of which some have not heard.
func (w *watchers) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.everyone = w.everyone || w.events > 0
}

// A judged watcher waits for the events of a posting that it may see.
type judged struct {
	c    chan struct{}
	k    postingKey
	sees sees
}

// round wakes those for whom something came, and returns how many.
func (w *watchers) round() (woken int) {
	woken, list, fresh := w.wakeAll()
	for i := range list {
		if list[i].saw(fresh) {
			wakeUp(list[i].c)
			woken++
		}
	}
	return woken
}

// saw reports whether one of the events is of the posting, and may be seen.
func (j *judged) saw(fresh []event.Event) bool {
	for i := range fresh {
		if of := keys(&fresh[i]); slices.Contains(of[:], j.k) && j.sees(&fresh[i]) {
			return true
		}
	}
	return false
}

func wakeUp(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wakeAll wakes those who see everything, and returns the others with the events by which they are judged:
// that is done without the lock, since it takes a while.
func (w *watchers) wakeAll() (woken int, list []judged, fresh []event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wake := func(k postingKey) {
		for c, may := range w.waiting[k] {
			if may != nil && !w.everyone {
				list = append(list, judged{c, k, may})
				continue
			}
			wakeUp(c)
			woken++
		}
	}
	if w.everyone {
		for k := range w.waiting {
			wake(k)
		}
		w.everyone, w.events = false, 0
	} else {
		for k := range w.came {
			wake(k)
		}
		fresh = w.fresh
	}
	clear(w.came)
	w.fresh = nil
	return woken, list, fresh
}
