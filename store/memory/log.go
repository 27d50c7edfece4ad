package memory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
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
	// stored is when the event was stored. It has the process's own clock in it, which does not jump, and
	// is what the event's age goes by.
	stored time.Time
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

// History reads one page; see queue.Queue. It holds the lock for a moment only.
func (q *Store) History(ctx context.Context, query event.Query) (event.Page, error) {
	if err := q.enter(ctx, "history"); err != nil {
		return event.Page{}, err
	}
	b := q.bounds()
	if !query.Filter.Since.IsZero() {
		b.Floor = q.log.before(query.Filter.Since)
	}
	snapshot := q.log.from(b.Trimmed + 1)
	q.mu.Unlock()
	p, err := eventlog.Read(query, b, func(from int64, back bool) iter.Seq2[eventlog.Item, error] {
		return walk(ctx, snapshot, b, from, back)
	})
	if err != nil {
		return event.Page{}, fmt.Errorf("history: %w", err)
	}
	return p, nil
}

// walk reads a snapshot of the log, in which list[0] has seq b.Trimmed+1.
func walk(ctx context.Context, list []*record, b eventlog.Bounds, from int64, back bool) iter.Seq2[eventlog.Item, error] {
	step, last := int64(1), b.Last
	if back {
		step, last = -1, max(b.Trimmed, b.Floor)+1
	}
	return func(yield func(eventlog.Item, error) bool) {
		for seq := from; (last-seq)*step >= 0; seq += step {
			if err := ctx.Err(); err != nil {
				yield(eventlog.Item{}, err)
				return
			}
			if !yield(eventlog.Item{Seq: seq, Event: &list[seq-b.Trimmed-1].event}, nil) {
				return
			}
		}
	}
}

// Get returns the stored event; see queue.Queue.
func (q *Store) Get(ctx context.Context, source, id string) (event.Event, error) {
	if err := q.enter(ctx, "get"); err != nil {
		return event.Event{}, err
	}
	defer q.mu.Unlock()
	if p, ok := q.seen.place(eventlog.KeyOf(source, id)); ok {
		if r := q.log.at(p.seq); r != nil {
			return r.event, nil
		}
	}
	return event.Event{}, fmt.Errorf("get: %w", event.ErrNotFound)
}

// locate returns the sequence number behind which a start begins. Requires q.mu.
func (q *Store) locate(s queue.Start) (int64, error) {
	switch {
	case s.After != "":
		return q.bounds().After(s.After)
	case !s.Since.IsZero():
		return q.log.before(s.Since), nil
	case s.Now:
		return q.log.last(), nil
	}
	return q.log.trimmed, nil
}

// maxTail bounds how many events a Tail takes at a time.
const maxTail = 256

// Tail follows the log; see queue.Queue.
func (q *Store) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	at, err := q.begin(from)
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	for {
		list, changed, err := q.tail(at)
		if err != nil {
			return fmt.Errorf("tail: %w", err)
		}
		for _, r := range list {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the end of ctx is no error
			}
			if err := fn(r.event); err != nil {
				return err
			}
		}
		at += int64(len(list))
		q.await(ctx, changed)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // as above
		}
	}
}

// await returns when the log has grown, unless changed is nil, or a call has to end.
func (q *Store) await(ctx context.Context, changed <-chan struct{}) {
	if changed == nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-q.life.Done():
	case <-changed:
	}
}

// begin finds where a Tail begins.
func (q *Store) begin(from queue.Start) (int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return 0, queue.ErrClosed
	}
	q.expire(q.o.Now())
	return q.locate(from)
}

// tail returns the next events behind a sequence number, or a channel to wait on.
func (q *Store) tail(at int64) ([]*record, <-chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return nil, nil, queue.ErrClosed
	}
	if at < q.log.trimmed {
		return nil, nil, errors.Join(errOvertaken, q.bounds().Expired())
	}
	list := q.log.from(at + 1)
	if len(list) == 0 {
		return nil, q.next(), nil
	}
	return list[:min(len(list), maxTail)], nil, nil
}

// errOvertaken says why a running Tail cannot go on.
var errOvertaken = errors.New("retention removed events before this reader came to them")

// kept is how many events are held, in the log or for a group. Requires q.mu.
func (q *Store) kept() int { return q.log.len() + len(q.pinned.records) }

// expire removes what is too old: events that no group waits for, dead letters, seen
// ids. Requires q.mu.
func (q *Store) expire(now time.Time) {
	now = q.o.Aging(now)
	if since, ok := q.since(now); ok {
		for q.log.len() > 0 && q.log.at(q.log.trimmed+1).stored.Before(since) && q.trimOldest() {
		}
		for _, g := range q.groups {
			g.expire(q, since)
		}
	}
	q.seen.forget(now, q.o.DedupeTTL, q.log.trimmed)
}

// makeRoom removes finished events, oldest first, until one of size fits, and reports
// whether it does. Dead letters go last, and are counted. Requires q.mu.
func (q *Store) makeRoom(size int) bool {
	fits := func() bool { return q.kept() < q.o.RetentionCount && q.bytes+size <= q.o.MaxBytes }
	for !fits() && q.trimOldest() {
	}
	if fits() {
		return true
	}
	q.pinned.oldest(maxLook, func(seq int64) bool {
		q.expireDead(seq)
		return !fits()
	})
	return fits()
}

// maxLook bounds how many events one Publish looks at to make space.
const maxLook = 256

// trimOldest takes the oldest event out of the log unless a group has yet to begin it.
// What is being worked, waits for another attempt or is a dead letter stays for its
// group. Requires q.mu.
func (q *Store) trimOldest() bool {
	if q.log.len() == 0 {
		return false
	}
	seq := q.log.trimmed + 1
	held := false
	for _, g := range q.groups {
		if seq > g.cursor {
			return false
		}
		held = held || g.work[seq] != nil
	}
	for _, g := range q.groups {
		delete(g.took, seq)
	}
	r := q.log.trim()
	if held {
		q.pinned.put(seq, r)
	} else {
		q.bytes -= r.size
	}
	return true
}

// expireDead removes a pinned event when all that is left of it are dead letters.
// Requires q.mu.
func (q *Store) expireDead(seq int64) {
	for _, g := range q.groups {
		if w := g.work[seq]; w != nil && w.state != dead {
			return
		}
	}
	for _, g := range q.groups {
		if w := g.work[seq]; w != nil {
			g.remove(w)
			g.expired++
		}
	}
	q.unpin(seq)
}

// unpin lets go of an event outside the log that no group has work for any more.
// Requires q.mu.
func (q *Store) unpin(seq int64) {
	if q.pinned.records[seq] == nil {
		return
	}
	for _, g := range q.groups {
		if g.work[seq] != nil {
			return
		}
	}
	q.bytes -= q.pinned.remove(seq).size
}

// stored returns the record of an event in the log or outside. Requires q.mu.
func (q *Store) stored(seq int64) *record {
	if r := q.log.at(seq); r != nil {
		return r
	}
	return q.pinned.records[seq]
}

// expire removes the dead letters that died before since. Requires q.mu.
func (g *group) expire(q *Store, since time.Time) {
	for len(g.dying) > 0 && g.dying[0].at.Before(since) {
		w := g.dying[0]
		g.remove(w)
		g.expired++
		q.unpin(w.seq)
	}
}

// generations is into how many parts of a TTL the seen ids are divided; a part is
// forgotten as a whole.
const generations = 6

// A place is where and when an id was stored.
type place struct {
	seq int64
	at  int64 // Unix nanoseconds
}

// seen remembers ids: a few maps, each for a part of the TTL, so that forgetting costs
// nothing. An id counts as seen for exactly the TTL; it can be found a little longer.
type seen struct {
	parts []part // oldest first
}

type part struct {
	ids         map[eventlog.Key]place
	begun, last time.Time // when the first and the last id came in
	seq         int64     // the last id's event
}

// find returns where the id was stored within ttl before now.
func (s *seen) find(key eventlog.Key, now time.Time, ttl time.Duration) (int64, bool) {
	p, ok := s.place(key)
	if !ok || now.Sub(time.Unix(0, p.at)) >= ttl {
		return 0, false
	}
	return p.seq, true
}

// place returns the newest place of an id, however old.
func (s *seen) place(key eventlog.Key) (place, bool) {
	for _, part := range slices.Backward(s.parts) {
		if p, ok := part.ids[key]; ok {
			return p, true
		}
	}
	return place{}, false
}

func (s *seen) add(key eventlog.Key, seq int64, now time.Time, ttl time.Duration) {
	if n := len(s.parts); n == 0 || now.Sub(s.parts[n-1].begun) >= ttl/generations {
		s.parts = append(s.parts, part{ids: map[eventlog.Key]place{}, begun: now})
	}
	p := &s.parts[len(s.parts)-1]
	p.ids[key] = place{seq: seq, at: now.UnixNano()}
	p.last, p.seq = now, seq
}

// forget drops the parts whose ids have all expired and whose events have all left the
// log, where Get finds them by id.
func (s *seen) forget(now time.Time, ttl time.Duration, trimmed int64) {
	for len(s.parts) > 0 && now.Sub(s.parts[0].last) >= ttl && s.parts[0].seq <= trimmed {
		s.parts = s.parts[1:]
	}
}

func (s *seen) len() int {
	n := 0
	for _, p := range s.parts {
		n += len(p.ids)
	}
	return n
}
