package memory

import (
	"slices"
	"sort"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/webhook/event"
)

// A record is a stored event. It never changes once it is in the log.
type record struct {
	event event.Event
	key   eventlog.Key
	size  int
	// mark is the latest ReceivedAt up to here, so that the log can be searched by
	// time although receiving times are not quite in order.
	mark time.Time
}

// events is the log: the records with trimmed < seq <= last, in order. A slice of it
// that was taken under the lock can be read without: records are never overwritten.
type events struct {
	trimmed int64
	list    []*record // list[head] has seq trimmed+1
	head    int
}

func (l *events) last() int64 { return l.trimmed + int64(l.len()) }

func (l *events) len() int { return len(l.list) - l.head }

func (l *events) at(seq int64) *record {
	if seq <= l.trimmed || seq > l.last() {
		return nil
	}
	return l.list[l.head+int(seq-l.trimmed)-1]
}

// from returns the records with seq, seq+1, … up to the last.
func (l *events) from(seq int64) []*record {
	return l.list[l.head+int(seq-l.trimmed)-1:]
}

func (l *events) append(r *record) {
	r.mark = r.event.ReceivedAt
	if l.len() > 0 && l.list[len(l.list)-1].mark.After(r.mark) {
		r.mark = l.list[len(l.list)-1].mark
	}
	l.list = append(l.list, r)
}

// trim removes the oldest record. The list is copied now and then, so that readers of
// the old one are not disturbed and what was trimmed can be collected.
func (l *events) trim() *record {
	r := l.list[l.head]
	l.head++
	l.trimmed++
	if l.head > 64 && l.head > len(l.list)/8 {
		l.list, l.head = slices.Clone(l.list[l.head:]), 0
	}
	return r
}

// before returns the last sequence number such that it and all before it were received
// before t.
func (l *events) before(t time.Time) int64 {
	live := l.list[l.head:]
	n := sort.Search(len(live), func(i int) bool { return !live[i].mark.Before(t) })
	return l.trimmed + int64(n)
}

// pins are events that left the log while a group still had a schedule or a dead
// letter for them.
type pins struct {
	records map[int64]*record
	order   []int64 // ascending, with holes where a pin was taken out
}

func (p *pins) put(seq int64, r *record) {
	p.records[seq] = r
	if len(p.order) > 2*len(p.records)+64 {
		p.order = slices.DeleteFunc(p.order, func(seq int64) bool { return p.records[seq] == nil })
	}
	p.order = append(p.order, seq)
}

func (p *pins) remove(seq int64) *record {
	r := p.records[seq]
	delete(p.records, seq)
	return r
}

// oldest calls fn with up to n pins, oldest first, until it returns false.
func (p *pins) oldest(n int, fn func(seq int64) bool) {
	for _, seq := range p.order {
		if p.records[seq] == nil {
			continue
		}
		if n--; n < 0 || !fn(seq) {
			return
		}
	}
}
