// Package eventlog holds what is the same in the log of every backend: the key by which
// deduplication knows an event, the bounds of a log whose events are numbered without
// gaps, and how one page of it is read.
package eventlog

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"time"

	"slackmcp/webhook/event"
)

// Bounds are what a log holds: the events with Trimmed < seq <= Last.
type Bounds struct {
	Epoch         string
	Trimmed, Last int64
	// Floor, for a query, says that no event up to it can match Filter.Since.
	Floor int64
}

// NewEpoch makes the name of a new log: eight random hexadecimal digits.
func NewEpoch() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Position returns the position of a sequence number, also of Trimmed, behind which
// reading begins.
func (b Bounds) Position(seq int64) event.Position {
	return event.NewPosition(b.Epoch, uint64(seq)) //nolint:gosec // a sequence number is never negative
}

// Expired is the answer to a cursor that cannot be followed: given as After, its
// Oldest reads everything that is kept.
func (b Bounds) Expired() error {
	return &event.CursorExpiredError{Oldest: b.Position(b.Trimmed)}
}

// Seq returns the sequence number of a position of this epoch, or the expiry error for
// one of another epoch or one that was never given out.
func (b Bounds) Seq(p event.Position) (int64, error) {
	seq, ok := p.Seq()
	if !ok || p.Epoch() != b.Epoch || seq > uint64(b.Last) { //nolint:gosec // Last is never negative
		return 0, b.Expired()
	}
	return int64(seq), nil //nolint:gosec // at most Last
}

// After returns behind which sequence number a reader of the whole log continues. The
// empty position is before the oldest event. What retention has removed in between is
// an expiry error.
func (b Bounds) After(p event.Position) (int64, error) {
	if p == "" {
		return b.Trimmed, nil
	}
	seq, err := b.Seq(p)
	if err != nil {
		return 0, err
	}
	if seq < b.Trimmed {
		return 0, b.Expired()
	}
	return seq, nil
}

// A Scan yields the stored events with their sequence numbers, from one on upwards to
// Last, or downwards, when back is set, to the greater of Trimmed and Floor. It ends
// there, or with an error.
type Scan func(from int64, back bool) iter.Seq2[Item, error]

// An Item is one stored event.
type Item struct {
	Seq int64
	// Event is nil where the scan only says that nothing up to Seq is selected that it has
	// not yielded.
	Event *event.Event
	// Load, unless it is nil, reads what Event lacks of what the query asks for. It is
	// called for what matches, before the scan goes on.
	Load func(*event.Event)
}

// Read answers a query on the log.
func Read(q event.Query, b Bounds, scan Scan) (event.Page, error) {
	if q.Order == event.OldestFirst {
		return forward(q, b, scan)
	}
	return backward(q, b, scan)
}

func forward(q event.Query, b Bounds, scan Scan) (event.Page, error) {
	limit, budget := bounds(q)
	after, err := b.After(q.After)
	if err != nil {
		return event.Page{}, err
	}
	r := reader{q: q, b: b, limit: limit, budget: budget, bytes: event.PageBytes(q.MaxBytes), last: max(after, b.Floor)}
	if err := r.run(scan(r.last+1, false)); err != nil {
		return event.Page{}, err
	}
	p := event.Page{Events: r.events, More: r.last < b.Last, Looked: r.looked}
	if b.Last > 0 {
		p.Next = b.Position(r.last)
	}
	return p, nil
}

func backward(q event.Query, b Bounds, scan Scan) (event.Page, error) {
	limit, budget := bounds(q)
	before := b.Last + 1
	if q.After != "" {
		seq, err := b.Seq(q.After)
		if err != nil {
			return event.Page{}, err
		}
		before = seq
	}
	r := reader{q: q, b: b, limit: limit, budget: budget, bytes: event.PageBytes(q.MaxBytes), last: before}
	floor := max(b.Trimmed, b.Floor)
	if before-1 > floor {
		if err := r.run(scan(before-1, true)); err != nil {
			return event.Page{}, err
		}
	}
	p := event.Page{Events: r.events, More: r.last > floor+1, Looked: r.looked}
	if p.More {
		p.Next = b.Position(r.last)
	}
	return p, nil
}

func bounds(q event.Query) (limit, budget int) {
	limit, budget = q.Limit, q.ScanBudget
	if limit <= 0 {
		limit = event.DefaultLimit
	}
	if budget <= 0 {
		budget = event.DefaultScanBudget
	}
	return min(limit, event.MaxLimit), budget
}

// A reader collects what matches and remembers how far it looked.
type reader struct {
	q             event.Query
	b             Bounds
	limit, budget int
	bytes         int // of bodies that are left
	last          int64
	looked        time.Time // when the last event was received whose words were looked at
	events        []event.Event
}

func (r *reader) run(items iter.Seq2[Item, error]) error {
	for item, err := range items {
		if err != nil {
			return err
		}
		r.last = item.Seq
		r.budget--
		if item.Event != nil && r.q.Filter.Match(item.Event) && r.sees(&item) && r.says(&item) {
			r.take(item)
		}
		if len(r.events) >= r.limit || r.budget <= 0 || r.bytes <= 0 {
			return nil
		}
	}
	return nil
}

// sees reports whether the reader may see an event, which is read as far as that needs.
func (r *reader) sees(item *Item) bool {
	s := r.q.Filter.Sight
	if s == nil {
		return true
	}
	e := r.own(item)
	if s.NeedsBody(e) {
		item.load()
	}
	return s.Sees(e)
}

// says reports whether an event says the words that are asked for.
func (r *reader) says(item *Item) bool {
	if r.q.Filter.Text == nil {
		return true
	}
	e := r.own(item)
	item.load()
	r.looked = e.ReceivedAt
	return r.q.Filter.Says(e)
}

// own makes the item's event one that may be written to: others read the store's own.
func (r *reader) own(item *Item) *event.Event {
	e := *item.Event
	e.Position = r.b.Position(item.Seq)
	item.Event = &e
	return &e
}

// load reads what the event lacks, once.
func (i *Item) load() {
	if i.Load != nil {
		i.Load(i.Event)
		i.Load = nil
	}
}

// take adds an event to the page, with its body if that is asked for.
func (r *reader) take(item Item) {
	r.events = append(r.events, *item.Event)
	e := &r.events[len(r.events)-1]
	item.Event = e
	item.load()
	if r.q.NoBodies {
		e.Raw = nil
	}
	r.bytes -= len(e.Raw)
}

// A Key stands for a source and an id. Two different pairs never share one in
// practice: it is half of a SHA-256, so that a sender cannot construct a collision.
type Key [16]byte

// KeyOf returns the key of a source and an id. The source's length is part of what is
// hashed, so that ("ab", "c") and ("a", "bc") differ.
func KeyOf(source, id string) Key {
	var stack [128]byte
	b := binary.AppendUvarint(stack[:0], uint64(len(source)))
	b = append(b, source...)
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return Key(sum[:16])
}
