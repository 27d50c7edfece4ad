package journal

import (
	"context"
	"iter"
	"sort"
	"time"

	"slackmcp/webhook/event"
)

// A ring is a queue of events that are numbered as they come; the number of an event never
// changes. It grows by doubling, and is never longer than twice the events that it holds.
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

// end returns the number that the next event gets.
func (r *ring) end() uint64 { return r.first + uint64(r.n) } //nolint:gosec // lengths are small

func (r *ring) push(e event.Event) uint64 {
	if r.n == len(r.buf) {
		old := *r
		r.buf = make([]record, max(16, 2*len(r.buf)))
		for seq := old.first; seq < old.end(); seq++ {
			*r.at(seq) = *old.at(seq)
		}
	}
	rec := record{Event: e, latest: e.ReceivedAt}
	if r.n > 0 {
		if before := r.at(r.end() - 1).latest; before.After(rec.latest) {
			rec.latest = before
		}
	}
	seq := r.end()
	*r.at(seq) = rec
	r.n++
	return seq
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

type idKey struct{ source, id string }

// A field is a field of an event that is indexed.
type field uint8

const (
	byKind field = iota
	byChannel
	byThread
	byUser
	bySource
)

type postingKey struct {
	field field
	value string
}

// An index finds the numbers of events by id and by field. The numbers of a posting
// ascend, and events leave in the order in which they came, so each posting is a queue.
type index struct {
	ids      map[idKey]uint64
	postings map[postingKey]*posting
}

type posting struct {
	seqs []uint64
	head int
}

func newIndex() index {
	return index{ids: map[idKey]uint64{}, postings: map[postingKey]*posting{}}
}

// keys lists the postings that an event is in.
func keys(e *event.Event) [5]postingKey {
	return [...]postingKey{
		{byKind, e.Kind.Type}, {byChannel, e.Channel}, {byThread, e.Thread}, {byUser, e.User}, {bySource, e.Source},
	}
}

func (x *index) add(seq uint64, r *record) {
	x.ids[idKey{r.Source, r.ID}] = seq
	for _, k := range keys(&r.Event) {
		if k.value == "" {
			continue
		}
		p := x.postings[k]
		if p == nil {
			p = &posting{}
			x.postings[k] = p
		}
		p.seqs = append(p.seqs, seq)
	}
}

// remove forgets the oldest event.
func (x *index) remove(seq uint64, r *record) {
	if k := (idKey{r.Source, r.ID}); x.ids[k] == seq {
		delete(x.ids, k)
	}
	for _, k := range keys(&r.Event) {
		if k.value == "" {
			continue
		}
		p := x.postings[k]
		if p.head++; p.head == len(p.seqs) {
			delete(x.postings, k)
		} else if p.head > len(p.seqs)/2 {
			p.seqs = append(p.seqs[:0:0], p.seqs[p.head:]...)
			p.head = 0
		}
	}
}

// narrow returns the shortest posting that holds every event a filter selects. ok is
// false when no index helps, so that the whole window has to be looked at.
func (x *index) narrow(f *event.Filter) (seqs []uint64, ok bool) {
	wanted := [...]postingKey{{byChannel, f.Channel}, {byThread, f.Thread}, {byUser, f.User}, {bySource, f.Source}, {byKind, onlyType(f)}}
	for _, k := range wanted {
		if k.value == "" {
			continue
		}
		p := x.postings[k]
		if p == nil {
			return nil, true
		}
		if live := p.seqs[p.head:]; !ok || len(live) < len(seqs) {
			seqs, ok = live, true
		}
	}
	return seqs, ok
}

// onlyType returns the type that all patterns of a filter share, or "".
func onlyType(f *event.Filter) string {
	typ := ""
	for i, p := range f.Patterns {
		t := p.Type()
		if t == "" || (i > 0 && t != typ) {
			return ""
		}
		typ = t
	}
	return typ
}

// cut returns the part of ascending numbers within [from, to).
func cut(seqs []uint64, from, to uint64) []uint64 {
	lo := sort.Search(len(seqs), func(i int) bool { return seqs[i] >= from })
	hi := sort.Search(len(seqs), func(i int) bool { return seqs[i] >= to })
	return seqs[lo:max(lo, hi)]
}

// Query reads one page of the window. A page that ends at the window's oldest event
// has no Next and says no More; what is older is in the store, from Floor on. A cursor
// that the window does not reach back to, or of another epoch, is an
// *event.CursorExpiredError.
func (j *Journal) Query(_ context.Context, q event.Query) (event.Page, error) {
	if q.Limit <= 0 {
		q.Limit = event.DefaultLimit
	}
	q.Limit = min(q.Limit, event.MaxLimit)
	if q.ScanBudget <= 0 {
		q.ScanBudget = event.DefaultScanBudget
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.ring.n == 0 {
		if q.After != "" {
			return event.Page{}, &event.CursorExpiredError{}
		}
		return event.Page{}, nil
	}
	from, to, err := j.bounds(&q)
	if err != nil {
		return event.Page{}, err
	}
	page := j.scan(&q, j.candidates(&q, from, to))
	if page.Next == "" && q.Order == event.OldestFirst {
		page.Next = j.newest()
	}
	return page, nil
}

// bounds returns the range of numbers [from, to) that the page may come from.
func (j *Journal) bounds(q *event.Query) (from, to uint64, err error) {
	from, to = j.ring.first, j.ring.end()
	if q.After != "" {
		floor := j.ring.at(j.ring.first).Position
		if q.After.Epoch() != floor.Epoch() || (q.Order == event.OldestFirst && q.After < floor) {
			return 0, 0, &event.CursorExpiredError{Oldest: floor}
		}
		if q.Order == event.OldestFirst {
			from = j.ring.search(func(r *record) bool { return r.Position > q.After })
		} else {
			to = j.ring.search(func(r *record) bool { return r.Position >= q.After })
		}
	}
	if !q.Filter.Since.IsZero() {
		// No event before this one was received at or after Since.
		from = max(from, j.ring.search(func(r *record) bool { return !r.latest.Before(q.Filter.Since) }))
	}
	return from, max(from, to), nil
}

// candidates iterates over the numbers in [from, to) that the filter may select, in
// the query's order; with each comes whether it is the last one.
func (j *Journal) candidates(q *event.Query, from, to uint64) iter.Seq2[uint64, bool] {
	seqs, narrowed := j.index.narrow(&q.Filter)
	if narrowed {
		seqs = cut(seqs, from, to)
	}
	n := len(seqs)
	if !narrowed {
		n = int(to - from) //nolint:gosec // at most MaxEvents
	}
	return func(yield func(uint64, bool) bool) {
		for i := range n {
			k := i
			if q.Order == event.NewestFirst {
				k = n - 1 - i
			}
			seq := from + uint64(k) //nolint:gosec // not negative
			if narrowed {
				seq = seqs[k]
			}
			if !yield(seq, i == n-1) {
				return
			}
		}
	}
}

// scan collects the page. Next is left empty when every candidate was looked at.
func (j *Journal) scan(q *event.Query, candidates iter.Seq2[uint64, bool]) event.Page {
	var page event.Page
	budget := q.ScanBudget
	for seq, last := range candidates {
		r := j.ring.at(seq)
		if q.Filter.Match(&r.Event) {
			page.Events = append(page.Events, r.Event)
		}
		budget--
		if full := len(page.Events) == q.Limit; full || (budget == 0 && !last) {
			page.Next, page.More = r.Position, !last
			break
		}
	}
	return page
}
