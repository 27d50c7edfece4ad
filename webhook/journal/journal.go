package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

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
	// Logger is told of trouble with the store; nil logs nothing.
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
	return j.ring.at(j.ring.last()).Position
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

// add appends an event and drops what no longer fits. An event that the window has
// already is left out; one of another epoch begins the window anew.
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
	j.watchers.kick()
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
