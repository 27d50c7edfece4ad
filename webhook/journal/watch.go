package journal

import (
	"context"
	"sync"
	"time"

	"slackmcp/internal/wait"
)

// wakeCost is about what it costs to wake one reader and let it look. After all were
// woken there is a pause of as long as that took together, so that waking a thousand
// readers for each of a thousand events a second takes half a core at most, and a
// reader is a few hundredths of a second late.
const wakeCost = 20 * time.Microsecond

// watchers are the readers who wait for a change.
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

// kick says that something changed. It never blocks.
func (w *watchers) kick() {
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
		if pause := time.Duration(w.wake()) * wakeCost; pause >= time.Millisecond {
			_ = wait.Sleep(ctx, pause) // the loop ends with ctx
		}
	}
}

// wake tells every watcher and returns how many there are.
func (w *watchers) wake() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return len(w.all)
}
