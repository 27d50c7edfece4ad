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

	mu    sync.RWMutex
	ring  ring
	index index
	bytes int
}

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
		watchers: newWatchers(), loaded: make(chan struct{}), index: newIndex(),
	}, nil
}

// Loaded is closed when the window has been filled from the store for the first time.
func (j *Journal) Loaded() <-chan struct{} { return j.loaded }

// Watch returns a channel that gets a value after the window changed. It is
// level-triggered: however many events arrive before the value is taken, there is one,
// so a reader takes it and then reads up to date. stop ends it and may be called twice.
func (j *Journal) Watch() (changed <-chan struct{}, stop func()) { return j.watchers.add() }

// Floor returns the position of the oldest event in the window, or "" when it is
// empty. Older events may be in the store.
func (j *Journal) Floor() event.Position {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.ring.n == 0 {
		return ""
	}
	return j.ring.at(j.ring.first).Position
}

// Newest returns the position of the newest event in the window, or "".
func (j *Journal) Newest() event.Position {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.newest()
}

func (j *Journal) newest() event.Position {
	if j.ring.n == 0 {
		return ""
	}
	return j.ring.at(j.ring.end() - 1).Position
}

// Len returns how many events the window holds and how many bytes it takes for them.
func (j *Journal) Len() (events, bytes int) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.ring.n, j.bytes
}

// Get returns an event of the window, or event.ErrNotFound.
func (j *Journal) Get(_ context.Context, source, id string) (event.Event, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	seq, ok := j.index.ids[idKey{source, id}]
	if !ok {
		return event.Event{}, fmt.Errorf("journal: %w", event.ErrNotFound)
	}
	return j.ring.at(seq).Event, nil
}

// add appends an event and drops the oldest ones that no longer fit. It ignores an event
// that is not newer than the newest one; an event of another epoch begins the window anew.
func (j *Journal) add(e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if newest := j.newest(); newest != "" {
		switch {
		case newest.Epoch() != e.Position.Epoch():
			j.clear()
		case e.Position <= newest:
			return
		}
	}
	seq := j.ring.push(e)
	j.index.add(seq, j.ring.at(seq))
	j.bytes += sizeOf(&e)
	for j.ring.n > j.maxEvents || (j.bytes > j.maxBytes && j.ring.n > 1) {
		oldest := j.ring.at(j.ring.first)
		j.index.remove(j.ring.first, oldest)
		j.bytes -= sizeOf(&oldest.Event)
		j.ring.pop()
	}
	j.watchers.notify()
}

// clear empties the window. It requires the lock.
func (j *Journal) clear() {
	j.ring, j.index, j.bytes = ring{}, newIndex(), 0
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
		j.log.LogAttrs(ctx, slog.LevelWarn, "journal lost the store", slog.Any("error", err), slog.Duration("again_in", pause))
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
		j.mu.Unlock()
		j.watchers.notify()
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

// wakeCost is about how much CPU time it takes to wake one reader and let it read. After
// all readers were woken there is a pause of wakeCost for each, so that waking a thousand
// readers for each of a thousand events a second takes half a core at most, and a reader is
// a few hundredths of a second late.
const wakeCost = 20 * time.Microsecond

// watchers are the readers that wait for a change.
type watchers struct {
	dirty chan struct{} // capacity 1: something changed since the last round

	mu  sync.Mutex
	all map[chan struct{}]struct{}
}

func newWatchers() watchers {
	return watchers{dirty: make(chan struct{}, 1), all: map[chan struct{}]struct{}{}}
}

func (w *watchers) add() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, c)
	}
}

// notify says that something changed. It never blocks.
func (w *watchers) notify() {
	select {
	case w.dirty <- struct{}{}:
	default:
	}
}

// run wakes the watchers after each change until ctx is done.
func (w *watchers) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.dirty:
		}
		w.mu.Lock()
		for c := range w.all {
			select {
			case c <- struct{}{}:
			default:
			}
		}
		pause := time.Duration(len(w.all)) * wakeCost
		w.mu.Unlock()
		if pause >= time.Millisecond {
			_ = wait.Sleep(ctx, pause) // the loop ends with ctx
		}
	}
}
