// Package values holds what is the same for every backend of small values: what keys and
// values may be, the bounds of a listing, and the watchers within a process.
package values

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"slackmcp/store/state"
)

const maxKey = 256

// Listing bounds.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// CheckKey refuses what is no key.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("state: a key has 1 to %d bytes, not %d", maxKey, len(key))
	}
	return characters(key)
}

// CheckPrefix refuses what begins no key; "" begins all.
func CheckPrefix(prefix string) error {
	if len(prefix) > maxKey {
		return fmt.Errorf("state: a prefix has at most %d bytes, not %d", maxKey, len(prefix))
	}
	return characters(prefix)
}

func characters(key string) error {
	for _, c := range []byte(key) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '_', c == ':', c == '/', c == '=', c == '-':
		default:
			return fmt.Errorf("state: key %q has a character outside of [a-zA-Z0-9._:/=-]", key)
		}
	}
	return nil
}

// CheckPut refuses a write that no backend would take. A TTL below a millisecond is one.
func CheckPut(key string, value []byte, p state.Put) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	switch {
	case len(value) > state.MaxValue:
		return fmt.Errorf("state: a value has at most %d bytes, not %d", state.MaxValue, len(value))
	case p.TTL < 0:
		return fmt.Errorf("state: TTL is %v, want it positive, or 0 for ever", p.TTL)
	case p.TTL > 0 && p.TTL < time.Millisecond:
		return fmt.Errorf("state: TTL is %v, the least is a millisecond", p.TTL)
	case p.IfAbsent && p.IfVersion != "":
		return errors.New("state: IfAbsent and IfVersion exclude each other")
	}
	return nil
}

// Range is where the keys lie that begin with prefix and come behind after: at or above
// low, and below high. Both compare as bytes.
func Range(prefix, after string) (low, high string) {
	low = prefix
	if after != "" && after >= prefix {
		low = after + "\x01" // every character of a key is above
	}
	if low == "" {
		low = "\x01"
	}
	return low, prefix + "\x7f" // every character of a key is below
}

// Limit is how many entries a listing returns at most.
func Limit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}

// Fault is what a backend's error is to a caller: that of its own context where that
// ended, otherwise ErrUnavailable with the cause.
func Fault(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, state.ErrConflict), errors.Is(err, state.ErrNotFound), errors.Is(err, state.ErrUnavailable):
		return fmt.Errorf("state: %s: %w", op, err)
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("state: %s: %w", op, ctx.Err())
	}
	return fmt.Errorf("state: %s: %w: %w", op, state.ErrUnavailable, err)
}

// Watchers are the watchers of a store within this process. Make them with NewWatchers.
// They are safe for concurrent use.
type Watchers struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	closed   chan struct{}
	once     sync.Once
}

// A watcher has the changes that it has yet to be notified of: each key once, so that it cannot outgrow the
// store.
type watcher struct {
	prefix  string
	wake    chan struct{} // holds a token while a change waits
	waiting map[string]bool
	order   []string
}

// NewWatchers returns Watchers without watchers.
func NewWatchers() *Watchers {
	return &Watchers{watchers: map[*watcher]struct{}{}, closed: make(chan struct{})}
}

// Watch implements state.Store's. It returns ErrUnavailable once Close was called.
func (h *Watchers) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	w := &watcher{prefix: prefix, wake: make(chan struct{}, 1), waiting: map[string]bool{}}
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
		case <-w.wake:
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

// Notify hands a change to the watchers of its key; it never waits for one.
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
		case w.wake <- struct{}{}:
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
