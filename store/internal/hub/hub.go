// Package hub tells the watchers within a process of changes. Whoever tells never waits
// for a watcher.
package hub

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"slackmcp/store/state"
)

// A Hub has watchers. Make it with New. It is safe for concurrent use.
type Hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	closed   chan struct{}
	once     sync.Once
}

// A watcher has what it was not told of yet: each key once, so that it cannot outgrow the
// store.
type watcher struct {
	prefix  string
	bell    chan struct{} // holds a token while something waits
	waiting map[string]bool
	order   []string
}

// New returns a Hub without watchers.
func New() *Hub {
	return &Hub{watchers: map[*watcher]struct{}{}, closed: make(chan struct{})}
}

// Watch implements state.Store's. It returns ErrUnavailable once the hub is closed.
func (h *Hub) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	w := &watcher{prefix: prefix, bell: make(chan struct{}, 1), waiting: map[string]bool{}}
	h.mu.Lock()
	h.watchers[w] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.watchers, w)
		h.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.closed:
			return fmt.Errorf("state: watch: %w: the store is closed", state.ErrUnavailable)
		case <-w.bell:
		}
		for _, c := range h.take(w) {
			if ctx.Err() != nil {
				return nil
			}
			fn(c)
		}
	}
}

func (h *Hub) take(w *watcher) []state.Change {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]state.Change, len(w.order))
	for i, key := range w.order {
		list[i] = state.Change{Key: key, Gone: w.waiting[key]}
	}
	clear(w.waiting)
	w.order = w.order[:0]
	return list
}

// Tell hands a change to who watches its key.
func (h *Hub) Tell(c state.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if !strings.HasPrefix(c.Key, w.prefix) {
			continue
		}
		if _, ok := w.waiting[c.Key]; !ok {
			w.order = append(w.order, c.Key)
		}
		w.waiting[c.Key] = c.Gone
		select {
		case w.bell <- struct{}{}:
		default:
		}
	}
}

// Watched reports whether anybody watches.
func (h *Hub) Watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watchers) > 0
}

// Close ends every Watch. It is idempotent.
func (h *Hub) Close() { h.once.Do(func() { close(h.closed) }) }
