package sqlite

import (
	"sync"

	"slackmcp/webhook/event"
)

// A feed keeps the newest committed events in memory for who follows them, so that
// readers who keep up never touch the file.
type feed struct {
	mu      sync.Mutex
	slots   []event.Event // the event seq is in slots[seq%feedEvents]
	low     int64         // the events low..last are held
	last    int64         // the newest committed event
	bytes   int
	changed chan struct{} // closed at the next commit; nil when nobody waits
}

// Bounds of a feed.
const (
	feedEvents = 1024
	feedBytes  = 4 << 20
)

func newFeed() *feed { return &feed{slots: make([]event.Event, feedEvents), low: 1} }

// restart forgets what is held; the log ends with last.
func (f *feed) restart(last int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.slots)
	f.low, f.last, f.bytes = last+1, last, 0
	f.announce()
}

// add takes in committed events, in order.
func (f *feed) add(list []event.Event) {
	if len(list) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range list {
		f.last++
		slot := &f.slots[f.last%feedEvents]
		if f.last-f.low >= feedEvents {
			f.drop()
		}
		*slot = list[i]
		f.bytes += len(list[i].Raw)
		for f.bytes > feedBytes && f.low < f.last {
			f.drop()
		}
	}
	f.announce()
}

// drop lets go of the oldest event. Requires f.mu.
func (f *feed) drop() {
	slot := &f.slots[f.low%feedEvents]
	f.bytes -= len(slot.Raw)
	*slot = event.Event{}
	f.low++
}

// announce wakes who waits. Requires f.mu.
func (f *feed) announce() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// get returns one event if it is held.
func (f *feed) get(seq int64) (event.Event, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq < f.low || seq > f.last {
		return event.Event{}, false
	}
	return f.slots[seq%feedEvents], true
}

// after appends up to cap(buf) events behind a sequence number. held is false when
// they have to be read from the file; without any there is a channel to wait on.
func (f *feed) after(seq int64, buf []event.Event) (list []event.Event, held bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq >= f.last {
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		return buf[:0], true, f.changed
	}
	if seq+1 < f.low {
		return buf[:0], false, nil
	}
	list = buf[:0]
	for seq++; seq <= f.last && len(list) < cap(buf); seq++ {
		list = append(list, f.slots[seq%feedEvents])
	}
	return list, true, nil
}
