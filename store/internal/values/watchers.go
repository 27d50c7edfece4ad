package values

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"slackmcp/store/state"
)

// Watchers are the watchers of a store within this process. Make them with NewWatchers.
// They are safe for concurrent use.
type Watchers struct {
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

// NewWatchers returns Watchers without watchers.
func NewWatchers() *Watchers {
	return &Watchers{watchers: map[*watcher]struct{}{}, closed: make(chan struct{})}
}

// Watch implements state.Store's. It returns ErrUnavailable once the hub is closed.
func (h *Watchers) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
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

func (h *Watchers) take(w *watcher) []state.Change {
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

// Notify hands a change to who watches its key.
func (h *Watchers) Notify(c state.Change) {
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
func (h *Watchers) Watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watchers) > 0
}

// Close ends every Watch. It is idempotent.
func (h *Watchers) Close() { h.once.Do(func() { close(h.closed) }) }
