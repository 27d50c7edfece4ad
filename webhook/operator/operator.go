// Package operator has the operations of a person on a queue: to look at events and dead
// letters, to redrive, drop and replay them, and to work a group by hand.
//
// All of them are written once, for a [Store]. A [queue.Queue] is a Store; so is the
// running server seen through its Unix socket (package server/operate). Long work goes
// in pages: when it is stopped, what was done stays done, and the same call goes on with
// what is left.
package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A Store is what the operations need of a queue: all but Publish. The contract of each
// method is that of [queue.Queue].
type Store interface {
	History(ctx context.Context, q event.Query) (event.Page, error)
	Get(ctx context.Context, source, id string) (event.Event, error)
	Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error
	States(ctx context.Context, at event.Position) ([]queue.EventState, error)
	Stats(ctx context.Context) (queue.Stats, error)

	Groups(ctx context.Context) ([]string, error)
	DropGroup(ctx context.Context, group string) error

	DeadLetters(ctx context.Context, group string, q queue.LetterQuery) ([]queue.DeadLetter, error)
	Redrive(ctx context.Context, group string, at ...event.Position) (int, error)
	Drop(ctx context.Context, group string, at ...event.Position) (int, error)
	Replay(ctx context.Context, group string, at ...event.Position) (int, error)

	Consume(ctx context.Context, g queue.Group, h queue.Handler) error

	Close() error
}

var _ Store = queue.Queue(nil)

// A Holder is a Store whose readers share a budget of memory.
type Holder interface {
	// Hold calls use while it holds a share for a page of bodies, and returns its error, or
	// event.ErrBusy when it did not get a share in time. Use must not hold another one.
	Hold(ctx context.Context, use func() error) error
}

// Hold calls use, which reads a page of a store and is done with it when it returns. Where
// the store is a Holder, it waits for a share first.
func Hold(ctx context.Context, s Store, use func() error) error {
	if h, ok := s.(Holder); ok {
		return h.Hold(ctx, use)
	}
	return use()
}

const (
	// step is how many events are changed before the context is checked again.
	step = 200
	// stepTimeout bounds one step. A step that has begun is finished even when ctx is done.
	stepTimeout = 2 * time.Minute
)

// A Tally says how much of a long operation is done.
type Tally struct {
	// Looked counts the events that were looked at, Of how many there were when it began.
	Looked, Of int64
	// Changed counts those that were redriven, dropped or replayed; Left those that were
	// chosen and not changed, because another process was quicker or they are being handled.
	Changed, Left int64
	// At is the position behind which the work continues.
	At event.Position
}

// An InterruptedError says that a long operation was stopped: the changes that the tally
// counts are done and stay done.
type InterruptedError struct {
	Tally Tally
	Cause error
}

// Error says how much was done.
func (e *InterruptedError) Error() string {
	return fmt.Sprintf("stopped after %d of %d events, %d changed: %v", e.Tally.Looked, e.Tally.Of, e.Tally.Changed, e.Cause)
}

// Unwrap returns why it was stopped.
func (e *InterruptedError) Unwrap() error { return e.Cause }

// A page is the work of one step: the positions to change, how many were looked at for them,
// where the next page begins, and whether there is one.
type page struct {
	at     []event.Position
	looked int
	next   event.Position
	more   bool
}

// walk changes the events of each page, step by step, and checks ctx between two steps.
func walk(ctx context.Context, t Tally, read func(context.Context, event.Position) (page, error),
	do func(context.Context, ...event.Position) (int, error), onPage func(Tally),
) (Tally, error) {
	for {
		if err := ctx.Err(); err != nil {
			return t, &InterruptedError{t, err}
		}
		more, err := takeStep(ctx, &t, read, do)
		if err != nil {
			return t, &InterruptedError{t, err}
		}
		if onPage != nil {
			onPage(t)
		}
		if !more {
			return t, nil
		}
	}
}

// takeStep reads one page and changes what it holds.
func takeStep(ctx context.Context, t *Tally, read func(context.Context, event.Position) (page, error),
	do func(context.Context, ...event.Position) (int, error),
) (more bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	p, err := read(ctx, t.At)
	if err != nil {
		return false, err
	}
	if len(p.at) > 0 {
		n, err := do(ctx, p.at...)
		t.Changed += int64(n)
		if err != nil {
			return false, err
		}
		t.Left += int64(len(p.at) - n)
	}
	t.Looked += int64(p.looked)
	if p.next != "" {
		t.At = p.next
	}
	return p.more, nil
}

// errNothingChosen keeps a command whose flags were forgotten from changing everything.
var errNothingChosen = errors.New("say which: ids, a filter, or all")

// A DeadLetter is that of the queue.
type DeadLetter = queue.DeadLetter

// ErrNoGroup says that a group is not registered; it is that of the queue.
var ErrNoGroup = queue.ErrNoGroup

// GroupOf finds a group. Its error wraps ErrNoGroup.
func GroupOf(s queue.Stats, name string) (queue.GroupStats, error) {
	for _, g := range s.Groups {
		if g.Name == name {
			return g, nil
		}
	}
	return queue.GroupStats{}, fmt.Errorf("%w: %q", queue.ErrNoGroup, name)
}
