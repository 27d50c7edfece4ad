package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// What a Tail takes at a time.
const (
	tailEvents = 128
	tailBytes  = 4 << 20
)

// errOvertaken says why a running Tail cannot go on.
var errOvertaken = errors.New("retention removed events before this reader came to them")

// Tail follows the log; see queue.Queue. A reader that keeps up is fed from memory.
func (q *Queue) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	if ctx.Err() != nil {
		return nil
	}
	leave, err := q.enter("tail")
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(q.life, func() { cancel(queue.ErrClosed) })() //nolint:contextcheck // Close ends the call, besides its own context

	at, err := q.start(ctx, from)
	if err == nil {
		err = q.follow(ctx, at, fn)
	}
	h, failed := errors.AsType[*handlerError](err)
	switch {
	case failed:
		return h.err
	case errors.Is(context.Cause(ctx), queue.ErrClosed):
		return fmt.Errorf("tail: %w", queue.ErrClosed)
	case ctx.Err() != nil:
		return nil
	}
	return fmt.Errorf("tail: %w", err)
}

// A handlerError is what the function of a Tail returned.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

// start finds where a Tail begins.
func (q *Queue) start(ctx context.Context, from queue.Start) (int64, error) {
	if from.After != "" || from.Since.IsZero() {
		return locate(from, q.bounds(), nil)
	}
	var at int64
	epoch := q.bounds().Epoch
	err := q.pool.use(ctx, func(r *reader) error {
		return r.snapshot(func() error {
			b, err := r.bounds(epoch)
			if err != nil {
				return err
			}
			at, err = locate(from, b, r.markOf)
			return err
		})
	})
	return at, err
}

// follow calls fn with all events behind at. It returns an error always.
func (q *Queue) follow(ctx context.Context, at int64, fn func(event.Event) error) error {
	buf := make([]event.Event, 0, tailEvents)
	for {
		list, changed, err := q.following(ctx, at, buf)
		if err != nil {
			return err
		}
		for i := range list {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := fn(list[i]); err != nil {
				return &handlerError{err}
			}
		}
		at += int64(len(list))
		clear(buf[:cap(buf)])
		if changed == nil {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// following returns the next events, from memory or from the file, or a channel to
// wait on.
func (q *Queue) following(ctx context.Context, at int64, buf []event.Event) ([]event.Event, <-chan struct{}, error) {
	list, held, changed := q.feed.after(at, buf)
	if held {
		return list, changed, nil
	}
	list, err := q.readAfter(ctx, at, buf)
	if errors.Is(err, queue.ErrUnavailable) {
		// It is being repaired.
		return nil, nil, wait(ctx, time.Second)
	}
	return list, nil, err
}

// readAfter reads the next events from the file.
func (q *Queue) readAfter(ctx context.Context, at int64, buf []event.Event) ([]event.Event, error) {
	epoch := q.bounds().Epoch
	list := buf[:0]
	err := q.pool.use(ctx, func(r *reader) error {
		return r.snapshot(func() error {
			b, err := r.bounds(epoch)
			if err != nil {
				return err
			}
			if at < b.Trimmed {
				return errors.Join(errOvertaken, b.Expired())
			}
			list, err = collect(r.scan(b, at+1, false), list)
			return err
		})
	})
	return list, err
}

// collect takes events until a Tail has enough for once.
func collect(items iter.Seq2[eventlog.Item, error], list []event.Event) ([]event.Event, error) {
	size := 0
	for item, err := range items {
		if err != nil {
			return list, err
		}
		item.Load(item.Event)
		list = append(list, *item.Event)
		size += len(item.Event.Raw)
		if len(list) == cap(list) || size >= tailBytes {
			break
		}
	}
	return list, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
