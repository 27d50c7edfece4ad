package journal

import (
	"time"

	"slackmcp/webhook/event"
)

// A ring is a queue of events that are numbered as they come: what one event's number
// is, it stays. It grows by doubling and is never larger than twice what it holds.
type ring struct {
	buf   []record
	first uint64 // number of the oldest event
	n     int
}

type record struct {
	event.Event
	// latest is the latest ReceivedAt up to here. Replicas have clocks of their own, so
	// ReceivedAt alone may go back; latest never does.
	latest time.Time
}

func (r *ring) at(seq uint64) *record { return &r.buf[seq&uint64(len(r.buf)-1)] } //nolint:gosec // lengths are small

// last returns the number of the newest event.
func (r *ring) last() uint64 { return r.first + uint64(r.n) - 1 } //nolint:gosec // lengths are small

// end returns the number that the next event gets.
func (r *ring) end() uint64 { return r.first + uint64(r.n) } //nolint:gosec // lengths are small

func (r *ring) push(e event.Event) uint64 {
	if r.n == len(r.buf) {
		r.grow()
	}
	rec := record{Event: e, latest: e.ReceivedAt}
	if r.n > 0 {
		if before := r.at(r.last()).latest; before.After(rec.latest) {
			rec.latest = before
		}
	}
	seq := r.end()
	*r.at(seq) = rec
	r.n++
	return seq
}

func (r *ring) grow() {
	old := *r
	r.buf = make([]record, max(16, 2*len(r.buf)))
	for i := range old.n {
		seq := old.first + uint64(i)
		*r.at(seq) = *old.at(seq)
	}
}

func (r *ring) pop() {
	*r.at(r.first) = record{} // gives the event's memory back
	r.first++
	r.n--
}

// search returns the smallest number whose event satisfies ok, which every later one
// does too; end when none does.
func (r *ring) search(ok func(*record) bool) uint64 {
	lo, hi := r.first, r.end()
	for lo < hi {
		mid := lo + (hi-lo)/2
		if ok(r.at(mid)) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
