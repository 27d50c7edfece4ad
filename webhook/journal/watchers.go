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
// old: once half of what the window holds is newer than when all were woken last, and within
// lateWake of an event.
const (
	lateShare = 2
	lateWake  = time.Minute
)

// watchers are the readers that wait for events, by what they wait for: an event costs what
// those cost that want it, and one look-up for each combination of fields that someone asks for.
type watchers struct {
	dirty chan struct{} // capacity 1: there is someone to wake

	mu       sync.Mutex
	waiting  map[wish]map[chan struct{}]*event.Sight // nil sees everything
	asked    map[fields]int                          // how many wishes of waiting ask for these fields
	came     map[wish]struct{}                       // what has come since the last round that someone waits for
	everyone bool                                    // whether all are to be woken
	events   int                                     // that came since all were woken
	judging  int                                     // how many of those who wait do not see everything
	fresh    []event.Event                           // what has come since the last round, for these; all of it, unless everyone is to be woken
}

// mostFresh bounds the events that are judged in one round: behind more, all are woken.
const mostFresh = 256

func newWatchers() watchers {
	return watchers{
		dirty: make(chan struct{}, 1), waiting: map[wish]map[chan struct{}]*event.Sight{}, asked: map[fields]int{}, came: map[wish]struct{}{},
	}
}

// fields is a set of the fields of an event that one can wait for.
type fields uint8

const (
	askSource fields = 1 << iota
	askTeam
	askChannel
	askThread
	askUser
	askType
	askSubtype
	askChannelType
)

// A wish is what a reader waits for: the events whose asked fields have these values. The others are empty.
type wish struct {
	asked  fields
	values values
}

// values are those of an event's fields, in the order of the bits of fields.
type values [8]string

func valuesOf(e *event.Event) values {
	return values{e.Source, e.Team, e.Channel, e.Thread, e.User, e.Kind.Type, e.Kind.Subtype, e.ChannelType}
}

// wish returns the wish for some of the fields that an event with these values fulfils.
func (v *values) wish(asked fields) wish {
	w := wish{asked: asked}
	for i := range v {
		if asked&(1<<i) != 0 {
			w.values[i] = v[i]
		}
	}
	return w
}

// wishes returns wishes of which every event that a filter selects fulfils one.
func wishes(f *event.Filter) []wish {
	base := values{f.Source, f.Team, f.Channel, f.Thread, f.User}
	var asked fields
	for i, value := range base {
		if value != "" {
			asked |= 1 << i
		}
	}
	var list []wish
	for _, p := range f.Patterns {
		typ, subtype, channelType := p.Parts()
		if typ == "*" {
			return []wish{base.wish(asked)}
		}
		v, of := base, asked|askType
		v[5] = typ
		if subtype != nil {
			v[6], of = *subtype, of|askSubtype
		}
		if channelType != "" {
			v[7], of = channelType, of|askChannelType
		}
		if one := v.wish(of); !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	if list == nil {
		list = []wish{base.wish(asked)}
	}
	return list
}

func (w *watchers) add(keys []wish, s *event.Sight) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range keys {
		if w.waiting[k] == nil {
			w.waiting[k] = map[chan struct{}]*event.Sight{}
			w.asked[k.asked]++
		}
		w.waiting[k][c] = s
	}
	if s != nil {
		w.judging++
	}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, waits := w.waiting[keys[0]][c]; waits && s != nil {
			w.judging--
		}
		for _, k := range keys {
			w.remove(k, c)
		}
	}
}

// remove forgets that someone has a wish. It requires the lock.
func (w *watchers) remove(k wish, c chan struct{}) {
	if delete(w.waiting[k], c); w.waiting[k] == nil || len(w.waiting[k]) > 0 {
		return
	}
	delete(w.waiting, k)
	if w.asked[k.asked]--; w.asked[k.asked] == 0 {
		delete(w.asked, k.asked)
	}
}

// notify says that an event came, and how many the window holds. It never blocks.
func (w *watchers) notify(e *event.Event, held int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := valuesOf(e)
	for asked := range w.asked {
		if k := v.wish(asked); len(w.waiting[k]) > 0 {
			w.came[k] = struct{}{}
		}
	}
	if w.events++; w.events >= held/lateShare || len(w.fresh) >= mostFresh {
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

// A judged watcher waits for the events of a wish that it may see.
type judged struct {
	c     chan struct{}
	k     wish
	sight *event.Sight
}

// round wakes those for whom something came, and returns how many.
func (w *watchers) round() (woken int) {
	woken, list, fresh := w.wakeAll()
	among := audiences(list, fresh)
	for i := range list {
		if list[i].saw(fresh, among) {
			wakeUp(list[i].c)
			woken++
		}
	}
	return woken
}

// audiences returns for each event the users among whom those are who may see it; nil is anybody. So it costs a look
// into a set for each of the others.
func audiences(list []judged, fresh []event.Event) []map[string]bool {
	sets := make([]map[string]bool, len(fresh))
	one := slices.IndexFunc(list, func(j judged) bool { return j.sight.Audience != nil })
	if one < 0 {
		return sets
	}
	for i := range fresh {
		users, ok := list[one].sight.Audience(&fresh[i], len(list))
		if !ok {
			continue
		}
		sets[i] = make(map[string]bool, len(users))
		for _, u := range users {
			sets[i][u] = true
		}
	}
	return sets
}

// saw reports whether one of the events, which are among sets of users, fulfils the wish, and may be seen.
func (j *judged) saw(fresh []event.Event, among []map[string]bool) bool {
	for i := range fresh {
		if among[i] != nil && j.sight.Audience != nil && !among[i][j.sight.Self] {
			continue
		}
		if v := valuesOf(&fresh[i]); v.wish(j.k.asked) == j.k && j.sight.Sees(&fresh[i]) {
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
	wake := func(k wish) {
		for c, s := range w.waiting[k] {
			if s != nil && !w.everyone {
				list = append(list, judged{c, k, s})
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
