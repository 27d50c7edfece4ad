// Package journal is a bounded window on the newest events, in memory and indexed, so
// that many readers can look at what is recent without touching the store.
//
// [Journal.Run] is its only writer: it fills the window from the store's History and
// then follows its Tail, so that every replica of a server shows every event, whichever
// replica received it. Readers ask with [Journal.Query] and [Journal.Get], and wait with
// [Journal.Watch].
//
// The window forgets the oldest events: a reader that needs every event, or an old one,
// reads the store. [Journal.Floor] returns where the window begins, so that a page can be
// continued in the store. The window lags: it shows an event a moment after Publish returned.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// The default bounds of the window.
const (
	DefaultMaxEvents = 10_000
	DefaultMaxBytes  = 32 << 20
)

// Options configure a Journal.
type Options struct {
	// MaxEvents bounds how many events the window holds; 0 means DefaultMaxEvents.
	MaxEvents int
	// MaxBytes bounds the memory of their bodies, fields and index entries, roughly; 0
	// means DefaultMaxBytes. The newest event is kept even when it alone is larger.
	MaxBytes int
	// Logger gets the failures of the store; nil logs nothing.
	Logger *slog.Logger
}

// A Journal is the window. It is safe for concurrent use. The Raw bytes of its events
// are shared with all readers and must not be written to.
type Journal struct {
	maxEvents, maxBytes int
	log                 *slog.Logger
	watchers            watchers
	loaded              chan struct{} // closed once the window was filled
	loadedOnce          sync.Once
	before              func(*event.Event)
	broken              func()

	mu     sync.RWMutex
	events fifo[record]
	first  uint64         // number of the oldest event; the others are numbered as they came
	newest event.Position // "" of an empty window
	again  event.Position // the last that was given away anew since newest; "" is none
	index  index
	bytes  int
}

// at returns the event of a number. It requires the lock.
func (j *Journal) at(seq uint64) *record { return &j.events.live()[seq-j.first] }

// New returns an empty Journal.
func New(o Options) (*Journal, error) {
	if o.MaxEvents < 0 || o.MaxBytes < 0 {
		return nil, errors.New("journal: MaxEvents and MaxBytes must not be negative")
	}
	if o.MaxEvents == 0 {
		o.MaxEvents = DefaultMaxEvents
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Journal{
		maxEvents: o.MaxEvents, maxBytes: o.MaxBytes, log: o.Logger,
		before: func(*event.Event) {}, broken: func() {},
		watchers: newWatchers(), loaded: make(chan struct{}), index: newIndex(),
	}, nil
}

// Before lets see have each event before readers do, in their order; also those that the window does not take, which
// the store gives again or late. broken is called before an event is added, or readers find the window empty, when
// the store has other events than it had: positions are given away anew, or it has dropped what comes next, so that
// see may not have all events. Before has to be called before Run, and neither may ask the journal.
func (j *Journal) Before(see func(*event.Event), broken func()) { j.before, j.broken = see, broken }

// Loaded is closed when the window has been filled from the store for the first time.
func (j *Journal) Loaded() <-chan struct{} { return j.loaded }

// Watch returns a channel that gets a value after the window got an event that the filter
// selects. It is level-triggered: however many events arrive before the value is taken, there is
// one, so a reader takes it and then reads up to date. There may be a value without such an
// event; there is one within lateWake of any event. stop ends it and may be called twice.
func (j *Journal) Watch(f event.Filter) (changed <-chan struct{}, stop func()) {
	return j.watchers.add(wishes(&f), f.Sight)
}

// Floor returns the position of the oldest event in the window, or "" when it is
// empty. Older events may be in the store.
func (j *Journal) Floor() event.Position {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.newest == "" {
		return ""
	}
	return j.at(j.first).Position
}

// Newest returns the position of the newest event in the window, or "".
func (j *Journal) Newest() event.Position {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.newest
}

// Len returns how many events the window holds and how many bytes it takes for them.
func (j *Journal) Len() (events, bytes int) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return len(j.events.live()), j.bytes
}

// Get returns an event of the window, or event.ErrNotFound.
func (j *Journal) Get(_ context.Context, source, id string) (event.Event, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	seq, ok := j.index.ids[idKey{source, id}]
	if !ok {
		return event.Event{}, fmt.Errorf("journal: %w", event.ErrNotFound)
	}
	return j.at(seq).Event, nil
}

// add appends an event and drops the oldest ones that no longer fit. It ignores an event
// that is not newer than the newest one; an event of another epoch begins the window anew.
func (j *Journal) add(e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	late := false
	if j.newest != "" {
		switch {
		case j.newest.Epoch() != e.Position.Epoch():
			j.clear()
			j.broken()
		case e.Position <= j.newest:
			if late = true; !j.has(&e) {
				j.reused(e.Position)
			}
		}
	}
	j.before(&e)
	if late {
		return
	}
	r := record{Event: e, latest: e.ReceivedAt}
	seq := j.first + uint64(len(j.events.live()))
	if seq > j.first {
		if before := j.at(seq - 1).latest; before.After(r.latest) {
			r.latest = before
		}
	}
	j.events.items = append(j.events.items, r)
	j.newest, j.again = e.Position, ""
	j.index.add(seq, &r)
	j.bytes += sizeOf(&e)
	for n := len(j.events.live()); n > j.maxEvents || j.bytes > j.maxBytes && n > 1; n-- {
		oldest := j.at(j.first)
		j.index.remove(oldest)
		j.bytes -= sizeOf(&oldest.Event)
		j.events.pop()
		j.first++
	}
	j.watchers.notify(&e, len(j.events.live()))
}

// reused notes that the store has another event at a position than it had: a failover has lost that one. It is
// told once of all that follow each other. It requires the lock.
func (j *Journal) reused(at event.Position) {
	if at <= j.again || j.again == "" {
		j.broken()
	}
	j.again = at
}

// has reports that the window has an event at its position. It requires the lock.
func (j *Journal) has(e *event.Event) bool {
	seq, ok := j.index.ids[idKey{e.Source, e.ID}]
	return ok && j.at(seq).Position == e.Position
}

// clear empties the window. It requires the lock.
func (j *Journal) clear() {
	j.events, j.first, j.newest, j.again, j.index, j.bytes = fifo[record]{}, 0, "", "", newIndex(), 0
}

// sizeOf estimates what an event costs: its bytes and strings, and about as much as
// its struct for the index.
func sizeOf(e *event.Event) int {
	const fixed = 600
	return fixed + len(e.Raw) + len(e.ID) + len(e.Position) + len(e.Channel) + len(e.User) + len(e.Thread) + len(e.Team)
}

// A Store is where the journal reads from; a [queue.Queue] is one.
type Store interface {
	History(ctx context.Context, q event.Query) (event.Page, error)
	Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error
}

// The pauses of Run before it reads a store again that failed.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// Run fills the window and keeps it up to date until ctx is done; then it returns nil.
// It survives a store that fails: the window stays as it is, and Run goes on behind
// its newest event as soon as the store answers. Run may be called once at a time.
func (j *Journal) Run(ctx context.Context, s Store) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { j.watchers.run(ctx) })

	backoff := wait.Backoff{First: firstPause, Most: maxPause}
	for {
		before := j.Newest()
		err := j.follow(ctx, s)
		if ctx.Err() != nil {
			return nil
		}
		if j.Newest() != before {
			backoff.Reset()
		}
		pause := backoff.Next()
		j.log.LogAttrs(ctx, slog.LevelWarn, "journal lost the store", slog.Any("error", err), slog.Float64("again_in_seconds", pause.Seconds()))
		if wait.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// follow fills an empty window and reads the tail behind it.
func (j *Journal) follow(ctx context.Context, s Store) error {
	from := j.Newest()
	if from == "" {
		if err := j.fill(ctx, s); err != nil {
			return err
		}
		from = j.Newest()
	}
	j.loadedOnce.Do(func() { close(j.loaded) })
	err := s.Tail(ctx, queue.Start{After: from}, func(e event.Event) error {
		j.add(e)
		return nil
	})
	if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
		// The store was emptied, or has dropped the events behind the window, so that it
		// cannot be continued. The next round fills it anew.
		j.mu.Lock()
		j.clear()
		j.broken()
		j.mu.Unlock()
		j.watchers.notifyAll()
	}
	if err == nil && ctx.Err() == nil {
		return errors.New("tail ended by itself")
	}
	return err
}

// fill reads as many of the newest events as fit.
func (j *Journal) fill(ctx context.Context, s Store) error {
	var events []event.Event
	bytes := 0
	q := event.Query{Order: event.NewestFirst, Limit: min(j.maxEvents, event.MaxLimit)}
	for len(events) < j.maxEvents && bytes < j.maxBytes {
		page, err := s.History(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Events {
			bytes += sizeOf(&page.Events[i])
		}
		events = append(events, page.Events...)
		if page.Next == "" || (len(page.Events) == 0 && !page.More) {
			break
		}
		q.After = page.Next
	}
	for _, e := range slices.Backward(events) {
		j.add(e)
	}
	return nil
}

// A fifo is a queue in a slice. It takes at most twice the memory of what it has held at once.
type fifo[T any] struct {
	items []T
	head  int // what is before it was popped
}

// live returns what is in the queue, the oldest first, until the next change.
func (f *fifo[T]) live() []T { return f.items[f.head:] }

// pop removes the oldest.
func (f *fifo[T]) pop() {
	clear(f.items[f.head : f.head+1]) // gives its memory back
	if f.head++; f.head > len(f.items)/2 {
		n := copy(f.items, f.live())
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
}

type record struct {
	event.Event
	// latest is the latest ReceivedAt up to here. Replicas have clocks of their own, so
	// ReceivedAt alone may go back; latest never does.
	latest time.Time
}

type idKey struct{ source, id string }

// A field is a field of an event that is indexed.
type field uint8

const (
	all field = iota // of every event, under the empty value
	byKind
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
	postings map[postingKey]*fifo[uint64]
}

func newIndex() index {
	return index{ids: map[idKey]uint64{}, postings: map[postingKey]*fifo[uint64]{}}
}

// keys lists the postings that an event is in; those of fields that it lacks are empty.
func keys(e *event.Event) [6]postingKey {
	return [...]postingKey{
		{all, ""}, {byKind, e.Kind.Type}, {byChannel, e.Channel}, {byThread, e.Thread}, {byUser, e.User}, {bySource, e.Source},
	}
}

func (x *index) add(seq uint64, r *record) {
	x.ids[idKey{r.Source, r.ID}] = seq
	for _, k := range keys(&r.Event) {
		if k.value == "" && k.field != all {
			continue
		}
		p := x.postings[k]
		if p == nil {
			p = &fifo[uint64]{}
			x.postings[k] = p
		}
		p.items = append(p.items, seq)
	}
}

// remove forgets the oldest event.
func (x *index) remove(r *record) {
	for _, k := range keys(&r.Event) {
		p := x.postings[k]
		if p == nil {
			continue // a field that the event lacks
		}
		if id := (idKey{r.Source, r.ID}); k.field == all && x.ids[id] == p.live()[0] {
			delete(x.ids, id)
		}
		if p.pop(); len(p.live()) == 0 {
			delete(x.postings, k)
		}
	}
}

// narrow returns the shortest posting that holds every event a filter selects.
func (x *index) narrow(f *event.Filter) (seqs []uint64) {
	for i, k := range [...]postingKey{
		{all, ""}, {byChannel, f.Channel}, {byThread, f.Thread}, {byUser, f.User}, {bySource, f.Source}, {byKind, onlyType(f)},
	} {
		if k.value == "" && k.field != all {
			continue
		}
		p := x.postings[k]
		if p == nil {
			return nil
		}
		if live := p.live(); i == 0 || len(live) < len(seqs) {
			seqs = live
		}
	}
	return seqs
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
	if j.newest == "" {
		if q.After != "" {
			return event.Page{}, &event.CursorExpiredError{}
		}
		return event.Page{}, nil
	}
	seqs, err := j.candidates(&q)
	if err != nil {
		return event.Page{}, err
	}
	page := j.scan(&q, seqs)
	if page.Next == "" && q.Order == event.OldestFirst {
		page.Next = j.newest
	}
	return page, nil
}

// candidates returns the numbers of the events that the page may come from, ascending.
func (j *Journal) candidates(q *event.Query) ([]uint64, error) {
	seqs := j.index.narrow(&q.Filter)
	search := func(ok func(*record) bool) int {
		return sort.Search(len(seqs), func(i int) bool { return ok(j.at(seqs[i])) })
	}
	if q.After != "" {
		floor := j.at(j.first).Position
		if q.After.Epoch() != floor.Epoch() || (q.Order == event.OldestFirst && q.After < floor) {
			return nil, &event.CursorExpiredError{Oldest: floor}
		}
		if q.Order == event.OldestFirst {
			seqs = seqs[search(func(r *record) bool { return r.Position > q.After }):]
		} else {
			seqs = seqs[:search(func(r *record) bool { return r.Position >= q.After })]
		}
	}
	if !q.Filter.Since.IsZero() {
		// No event before this one was received at or after Since.
		seqs = seqs[search(func(r *record) bool { return !r.latest.Before(q.Filter.Since) }):]
	}
	return seqs, nil
}

// scan collects the page. Next is left empty when every candidate was looked at.
func (j *Journal) scan(q *event.Query, candidates []uint64) event.Page {
	var page event.Page
	budget, bytes := q.ScanBudget, event.PageBytes(q.MaxBytes)
	for i := range candidates {
		last := i == len(candidates)-1
		if q.Order == event.NewestFirst {
			i = len(candidates) - 1 - i
		}
		r := j.at(candidates[i])
		if q.Filter.Match(&r.Event) && q.Filter.Sees(&r.Event) {
			e := r.Event
			if q.NoBodies {
				e.Raw = nil
			}
			page.Events = append(page.Events, e)
			bytes -= len(e.Raw)
		}
		budget--
		if full := len(page.Events) == q.Limit || bytes <= 0; full || (budget == 0 && !last) {
			page.Next, page.More = r.Position, !last
			break
		}
	}
	return page
}
