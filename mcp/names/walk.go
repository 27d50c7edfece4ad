package names

import (
	"context"
	"time"
)

// A walk reads one of Slack's lists page by page, no further than somebody needs, and
// goes on from there for the next who asks. Once it came to the end it is not begun
// again for a while: what is not in the list then is not there.
type walk struct {
	// page reads the page behind cursor and keeps what it holds.
	page func(ctx context.Context, cursor string) (next string, err error)
	// rest is how long the end of the list stays the end.
	rest time.Duration

	turn   chan struct{} // capacity 1: who walks holds the token
	cursor string        // guarded by turn, as are the others
	begun  bool
	ended  time.Time
}

func newWalk(rest time.Duration, page func(ctx context.Context, cursor string) (string, error)) *walk {
	return &walk{page: page, rest: rest, turn: make(chan struct{}, 1)}
}

// until walks on until found says so or the list ends. It reports whether found did.
func (w *walk) until(ctx context.Context, now func() time.Time, found func() bool) (bool, error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if found() {
		return true, nil
	}
	if w.begun && w.cursor == "" {
		if now().Sub(w.ended) < w.rest {
			return false, nil
		}
		w.begun = false
	}
	for !w.begun || w.cursor != "" {
		next, err := w.page(ctx, w.cursor)
		if err != nil {
			return false, err
		}
		w.begun, w.cursor = true, next
		if next == "" {
			w.ended = now()
		}
		if found() {
			return true, nil
		}
	}
	return false, nil
}

// reset makes the next who asks for something unknown begin anew. It does not wait for
// a walk that is under way.
func (w *walk) reset() {
	select {
	case w.turn <- struct{}{}:
		if w.cursor == "" {
			w.begun = false
		}
		<-w.turn
	default:
	}
}
