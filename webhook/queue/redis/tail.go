package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"slackmcp/webhook/event"
	"slackmcp/webhook/queue"
	"slackmcp/webhook/queue/internal/idkey"
	"slackmcp/webhook/queue/internal/outage"
	"slackmcp/webhook/queue/internal/page"
)

// errOvertaken says why a running Tail cannot go on.
var errOvertaken = errors.New("retention removed events before this reader came to them")

// A tail is one reader that follows the log.
type tail struct {
	q     *Queue
	fn    func(event.Event) error
	epoch string
	at    int64 // the sequence of the last event that was delivered
	// verify asks to look, before going on, whether the log still has what was
	// delivered: set after each failure, when another server may be answering.
	verify bool
	recent recent
	// since and until drop, of what was stored before the tail began, what was received
	// too early: the store's times are coarser.
	since time.Time
	until int64
}

// Tail follows the log; see queue.Queue. While Redis is away it waits.
func (q *Queue) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	if ctx.Err() != nil {
		return nil
	}
	if err := q.enter("tail"); err != nil {
		return err
	}
	defer q.calls.Done()
	defer q.bell.join(ctx)()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(q.life, func() { cancel(queue.ErrClosed) })() //nolint:contextcheck // the queue's life is not the caller's

	t := &tail{q: q, fn: fn}
	if from.After == "" {
		t.since = from.Since
	}
	err := t.run(ctx, from)
	switch {
	case errors.Is(context.Cause(ctx), queue.ErrClosed):
		return fmt.Errorf("tail: %w", queue.ErrClosed)
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// run follows until ctx is done or something ends it that no waiting cures.
func (t *tail) run(ctx context.Context, from queue.Start) error {
	trouble := outage.New(t.q.o.Logger, "tail")
	for begun := false; ctx.Err() == nil; {
		var err error
		if !begun {
			var b page.Bounds
			b, t.at, err = t.q.start(ctx, from)
			t.epoch, t.until, begun = b.Epoch, b.Last, err == nil
		} else {
			err = t.step(ctx)
		}
		switch {
		case err == nil:
			trouble.Over(ctx)
		case errors.Is(err, queue.ErrUnavailable):
			t.verify = begun
			trouble.Wait(ctx, err)
		default:
			if own, ok := errors.AsType[*handlerError](err); ok {
				return own.err
			}
			return fmt.Errorf("tail: %w", err)
		}
	}
	return nil
}

// handlerError marks what fn returned.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

// step delivers what is next, or waits until there may be something.
func (t *tail) step(ctx context.Context) error {
	if t.verify {
		if err := t.rejoin(ctx); err != nil {
			return err
		}
	}
	b, events, err := t.q.read(ctx, t.at+1, math.MaxInt64, false, piece)
	switch {
	case err != nil:
		return err
	case b.Epoch != t.epoch && t.epoch == "":
		t.epoch = b.Epoch // the store's first event
	case b.Epoch != t.epoch:
		t.emptied(ctx, b)
		return nil
	case t.at > b.Last:
		// The store lost its end. What follows takes places that were used before.
		t.verify = true
		return nil
	case t.at < b.Trimmed:
		return errors.Join(errOvertaken, b.Expired())
	}
	for i := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.deliver(events[i]); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		t.q.bell.wait(ctx, t.at, idle)
	}
	return nil
}

func (t *tail) deliver(e event.Event) error {
	seq := seqOf(&e)
	if seq <= t.until && e.ReceivedAt.Before(t.since) {
		t.at = seq
		return nil
	}
	t.until = 0
	if err := t.fn(e); err != nil {
		return &handlerError{err}
	}
	t.at = seq
	t.recent.add(idkey.Of(e.Source, e.ID), seq)
	return nil
}

// emptied begins again in a store that has another epoch than the one that was read.
func (t *tail) emptied(ctx context.Context, b page.Bounds) {
	t.q.o.Logger.LogAttrs(ctx, slog.LevelWarn, "redis lost the events: the store was emptied or replaced",
		slog.String("epoch_before", t.epoch), slog.String("epoch", b.Epoch))
	t.epoch, t.at, t.verify, t.recent = b.Epoch, b.Trimmed, false, recent{}
}

// rejoin goes back to the last event that both the log and this reader have, when the
// server that answers now lacks some that were read before. What was put in their places
// is delivered then.
func (t *tail) rejoin(ctx context.Context) error {
	common, err := t.common(ctx)
	if err != nil {
		return err
	}
	t.verify = false
	if common < t.at {
		t.q.o.Logger.LogAttrs(ctx, slog.LevelWarn, "redis lost events that were read before, by a failover or a crash",
			slog.Int64("back_to", common), slog.Int64("had_read", t.at))
		t.at = common
	}
	return nil
}

// common looks for that event from the end backwards.
func (t *tail) common(ctx context.Context) (int64, error) {
	from := t.at
	for {
		b, events, err := t.q.read(ctx, from, t.recent.first(), true, 64)
		if err != nil {
			return 0, err
		}
		if b.Epoch != t.epoch || t.at <= b.Trimmed {
			return t.at, nil // step sees to it
		}
		for i := range events {
			seq := seqOf(&events[i])
			if t.recent.has(idkey.Of(events[i].Source, events[i].ID), seq) {
				return seq, nil
			}
			from = seq - 1
		}
		if len(events) == 0 || from < t.recent.first() {
			return min(max(b.Trimmed, from), b.Last), nil
		}
	}
}
