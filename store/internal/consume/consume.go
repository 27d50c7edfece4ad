package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// ErrLost is the cause of the context of a handler whose lease another consumer has.
var ErrLost = errors.New("lease was lost to another consumer")

// An Item is one attempt that an engine handed out; L is what the engine knows it by.
type Item[L comparable] struct {
	Lease L
	Event event.Event
	// Attempt counts from 1.
	Attempt int
	// Crashed says that this attempt was begun before and that its lease ran out: it
	// has to be judged, not run.
	Crashed bool
}

// A Backend hands out the events of one group. Its methods are called concurrently.
type Backend[L comparable] interface {
	// Take waits for work and returns at most n items. It may return none, and has to
	// soon after ctx is done. queue.ErrNoGroup and queue.ErrClosed end the consumer;
	// all other errors are tried again.
	Take(ctx context.Context, n int) ([]Item[L], error)
	// Extend renews leases and returns those that are not held any more.
	Extend(ctx context.Context, leases []L) (lost []L, err error)
	// Settle records how an attempt ended. A lease that is not held any more is no
	// error: somebody else will record.
	Settle(ctx context.Context, lease L, o Outcome) error
}

// Options are what Run needs beside the group.
type Options struct {
	// Lease is how long the engine waits for a renewal. Required.
	Lease time.Duration
	// Log is told of the engine's going and coming. Required.
	Log *slog.Logger
	// Life is done when no grace is to be given: the queue was closed. Required.
	Life context.Context //nolint:containedctx // it is the owner's life, not a request's
}

// settleGrace is how long an outcome is offered to an engine that is away once the
// consumer was asked to stop.
const settleGrace = 2 * time.Second

// callTimeout bounds one renewal and one try to settle.
const callTimeout = 3 * time.Second

type crew[L comparable] struct {
	e  Backend[L]
	g  queue.Group
	h  queue.Handler
	o  Options
	wg sync.WaitGroup
	// order is nil unless the group has a key.
	order *Sequencer

	idle chan struct{} // a token for each worker that has nothing to do

	mu   sync.Mutex
	held map[L]*holding // guarded by mu
}

// A holding is a lease that is renewed.
type holding struct {
	until time.Time // when renewal ends
	lose  context.CancelCauseFunc
}

// Run works a group, which has to be normalised and registered, until ctx is done: nil.
// It returns the cause of Life, or the engine's error when the group is gone.
func Run[L comparable](ctx context.Context, g queue.Group, h queue.Handler, e Backend[L], o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run, stop := Drain(ctx, g.Drain)
	defer stop(nil)
	defer context.AfterFunc(o.Life, func() { //nolint:contextcheck // the queue's life is not the caller's
		cancel(context.Cause(o.Life))
		stop(ErrStopping)
	})()

	c := &crew[L]{e: e, g: g, h: h, o: o, order: NewSequencer(g), idle: make(chan struct{}, g.Workers), held: map[L]*holding{}}
	for range g.Workers {
		c.idle <- struct{}{}
	}
	renew, stopRenewing := context.WithCancel(context.WithoutCancel(ctx))
	var renewer sync.WaitGroup
	renewer.Go(func() { c.renew(renew) })

	err := c.dispatch(ctx, run, func(cause error) {
		cancel(cause)
		stop(ErrStopping)
	})
	c.wg.Wait()
	stopRenewing()
	renewer.Wait()
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, queue.ErrClosed) {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("consume %s: %w", g.Name, err)
	}
	return nil
}

// dispatch takes what the idle workers can work and hands it to them, until ctx is done
// or the group is gone; then it says so with end.
func (c *crew[L]) dispatch(ctx, run context.Context, end func(error)) error {
	trouble := remote.NewOutage(c.o.Log, "group "+c.g.Name)
	for {
		n := c.await(ctx)
		if n == 0 {
			return nil
		}
		items, err := c.e.Take(ctx, n)
		for range n - len(items) {
			c.idle <- struct{}{}
		}
		for _, item := range items {
			c.order.Taken(seqOf(&item.Event))
		}
		for _, item := range items {
			c.wg.Go(func() {
				c.work(run, ctx, item)
				c.idle <- struct{}{}
			})
		}
		switch {
		case err == nil:
			trouble.Over(ctx)
		case errors.Is(err, queue.ErrNoGroup), errors.Is(err, queue.ErrClosed):
			end(err)
			return err
		default:
			trouble.Wait(ctx, err)
		}
	}
}

// await returns how many workers are idle, at least one, and takes their tokens; 0 when
// ctx is done.
func (c *crew[L]) await(ctx context.Context) int {
	select {
	case <-c.idle:
	case <-ctx.Done():
		return 0
	}
	n := 1
	for {
		select {
		case <-c.idle:
			n++
		default:
			return n
		}
	}
}

// work brings one item to its end: run is the context of handlers, asked is done when
// the consumer was asked to stop.
func (c *crew[L]) work(run, asked context.Context, item Item[L]) {
	ctx, lose := context.WithCancelCause(run)
	defer lose(nil)
	c.hold(item.Lease, &holding{until: time.Now().Add(c.g.Deadline + c.o.Lease), lose: lose})
	defer c.release(item.Lease)

	outcome, turn := c.attempt(ctx, run, item)
	if errors.Is(context.Cause(ctx), ErrLost) {
		turn.End(false, 0)
		return
	}
	c.settle(asked, item.Lease, outcome)
	turn.End(!outcome.Done && !outcome.Dead, outcome.Delay)
}

// attempt runs the handler, unless there is a reason not to.
func (c *crew[L]) attempt(ctx, run context.Context, item Item[L]) (Outcome, Turn) {
	seq := seqOf(&item.Event)
	switch {
	case item.Crashed:
		outcome := Judge(context.WithoutCancel(run), c.g.Policy, item.Attempt, ErrCrashed)
		if outcome.Dead {
			c.order.Skip(seq)
		} else {
			c.order.Hold(seq, &item.Event, outcome.Delay)
		}
		return outcome, Turn{}
	case !c.g.Filter.Match(&item.Event):
		c.order.Skip(seq)
		return Outcome{Done: true}, Turn{}
	}
	turn, delay, ok := c.order.Enter(run, seq, &item.Event)
	if !ok {
		return Outcome{Postponed: true, Delay: delay, Reason: OrderReason}, turn
	}
	d := queue.Delivery{Event: item.Event, Group: c.g.Name, Attempt: item.Attempt}
	return Judge(run, c.g.Policy, item.Attempt, Attempt(ctx, c.h, d, c.g.Deadline)), turn
}

// seqOf is an event's number in the log.
func seqOf(e *event.Event) int64 {
	n, _ := e.Position.Seq()
	return int64(n) //nolint:gosec // the engines count in int64
}

// settle records an outcome, however often it has to try; once the consumer was asked
// to stop, not for long.
func (c *crew[L]) settle(asked context.Context, lease L, o Outcome) {
	ctx, stop := Drain(asked, settleGrace)
	defer stop(nil)
	trouble := remote.NewOutage(slog.New(slog.DiscardHandler), "")
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := c.e.Settle(call, lease, o)
		cancel()
		if err == nil || errors.Is(err, queue.ErrClosed) {
			return
		}
		if !trouble.Wait(ctx, err) {
			c.o.Log.LogAttrs(ctx, slog.LevelWarn, "outcome of an attempt could not be recorded, it will be made again",
				slog.String("group", c.g.Name), slog.Any("error", err))
			return
		}
	}
}

func (c *crew[L]) hold(lease L, h *holding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[lease] = h
}

func (c *crew[L]) release(lease L) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, lease)
}
