// Package consume works the events of a group for every backend: its workers, its leases,
// how an attempt is made and judged, the order of events that have a key, and the watchdog
// that notices a group that stands still.
//
// [Run] takes events from a [Backend] under leases, keeps a number of handlers busy,
// renews what they hold, judges how they ended, and waits while the backend is away. A
// lease is renewed until its outcome is recorded, or until the handler is past its
// deadline; a handler whose lease was lost is cancelled; and Run returns only when its
// goroutines have ended.
package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"slackmcp/internal/wait"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// ErrLost is the cause of the context of a handler whose lease another consumer has.
var ErrLost = errors.New("lease was lost to another consumer")

// An Item is one attempt that a backend handed out; L is what the backend knows it by.
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
	// Take waits for work and returns at most n items, in the order of the log where it
	// can. It may return none, and has to soon after ctx is done. queue.ErrNoGroup and
	// queue.ErrClosed end the consumer; all other errors are tried again.
	Take(ctx context.Context, n int) ([]Item[L], error)
	// Extend renews leases and returns those that are not held any more. It is not
	// called where Options.Lease is 0.
	Extend(ctx context.Context, leases []L) (lost []L, err error)
	// Settle records how an attempt ended. A lease that is not held any more is no
	// error: the consumer that holds it records its own outcome.
	Settle(ctx context.Context, lease L, o Outcome) error
}

// Options are what Run needs beside the group.
type Options struct {
	// Lease is how long the backend waits for a renewal. 0 is for a backend inside this
	// process: its leases need no renewal, and its Settle is called once and never fails.
	Lease time.Duration
	// Log gets a line when the backend goes away and one when it is back. Required.
	Log *slog.Logger
	// Life is done when the queue was closed or the group dropped: handlers then get no
	// grace. Required.
	Life context.Context //nolint:containedctx // it is the owner's life, not a request's
}

// settleGrace is how long an outcome is offered to a backend that is away once the
// consumer was asked to stop.
const settleGrace = 2 * time.Second

// callTimeout bounds one renewal and one try to settle.
const callTimeout = 3 * time.Second

// workers are one call of Run.
type workers[L comparable] struct {
	b       Backend[L]
	g       queue.Group
	h       queue.Handler
	o       Options
	running sync.WaitGroup
	order   *Sequencer    // nil unless the group has a key
	idle    chan struct{} // a token for each worker that has nothing to do

	mu   sync.Mutex
	held map[L]*holding // guarded by mu
}

// A holding is a lease that is renewed.
type holding struct {
	until time.Time // when renewal ends
	lose  context.CancelCauseFunc
}

// Run works a group, which has to be normalised and registered, until ctx is done: nil.
// It returns the cause of Life, or the backend's error when the group is gone.
func Run[L comparable](ctx context.Context, g queue.Group, h queue.Handler, b Backend[L], o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run, stop := Drain(ctx, g.Drain)
	defer stop(nil)
	end := func(cause error) {
		cancel(cause)
		stop(ErrStopping)
	}
	defer context.AfterFunc(o.Life, func() { end(context.Cause(o.Life)) })() //nolint:contextcheck // the owner's life is not the caller's

	w := &workers[L]{b: b, g: g, h: h, o: o, order: NewSequencer(g), idle: make(chan struct{}, g.Workers), held: map[L]*holding{}}
	for range g.Workers {
		w.idle <- struct{}{}
	}
	renew, stopRenewing := context.WithCancel(context.WithoutCancel(ctx))
	var renewer sync.WaitGroup
	if o.Lease > 0 {
		renewer.Go(func() { w.renew(renew) })
	}
	err := w.dispatch(ctx, run, end)
	w.running.Wait()
	stopRenewing()
	renewer.Wait()
	if cause := context.Cause(ctx); err == nil && (errors.Is(cause, queue.ErrClosed) || errors.Is(cause, queue.ErrNoGroup)) {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("consume %s: %w", g.Name, err)
	}
	return nil
}

// dispatch takes what the idle workers can work and hands it to them, until ctx is done
// or the group is gone, which it reports with end.
func (w *workers[L]) dispatch(ctx, run context.Context, end func(error)) error {
	outage := remote.NewOutage(w.o.Log, "group "+w.g.Name)
	for {
		n := w.await(ctx)
		if n == 0 {
			return nil
		}
		items, err := w.b.Take(ctx, n)
		for range n - len(items) {
			w.idle <- struct{}{}
		}
		for i := range items {
			w.order.Taken(seqOf(&items[i].Event))
		}
		for _, item := range items {
			w.running.Go(func() {
				w.work(run, ctx, item)
				w.idle <- struct{}{}
			})
		}
		switch {
		case err == nil:
			outage.Over(ctx)
		case errors.Is(err, queue.ErrNoGroup), errors.Is(err, queue.ErrClosed):
			end(err)
			return err
		default:
			outage.Wait(ctx, err)
		}
	}
}

// await returns how many workers are idle, at least one, and takes their tokens; 0 when
// ctx is done.
func (w *workers[L]) await(ctx context.Context) int {
	select {
	case <-w.idle:
	case <-ctx.Done():
		return 0
	}
	n := 1
	for {
		select {
		case <-w.idle:
			n++
		default:
			return n
		}
	}
}

// work brings one item to its end: run is the context of handlers, asked is done when
// the consumer was asked to stop.
func (w *workers[L]) work(run, asked context.Context, item Item[L]) {
	ctx := run
	if w.o.Lease > 0 {
		var lose context.CancelCauseFunc
		ctx, lose = context.WithCancelCause(run)
		defer lose(nil)
		w.mu.Lock()
		w.held[item.Lease] = &holding{until: time.Now().Add(w.g.Deadline + w.o.Lease), lose: lose}
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			delete(w.held, item.Lease)
			w.mu.Unlock()
		}()
	}
	outcome, turn := w.attempt(ctx, run, item)
	if errors.Is(context.Cause(ctx), ErrLost) {
		turn.End(false, 0)
		return
	}
	w.settle(asked, item.Lease, outcome)
	turn.End(!outcome.Done && !outcome.Dead, outcome.Delay)
}

// attempt runs the handler, unless there is a reason not to.
func (w *workers[L]) attempt(ctx, run context.Context, item Item[L]) (Outcome, Turn) {
	seq := seqOf(&item.Event)
	switch {
	case item.Crashed:
		outcome := Judge(context.WithoutCancel(run), w.g.Policy, item.Attempt, ErrCrashed)
		if outcome.Dead {
			w.order.Skip(seq)
		} else {
			w.order.Hold(seq, &item.Event, outcome.Delay)
		}
		return outcome, Turn{}
	case !w.g.Filter.Match(&item.Event):
		w.order.Skip(seq)
		return Outcome{Done: true}, Turn{}
	}
	turn, delay, ok := w.order.Enter(run, seq, &item.Event)
	if !ok {
		return Outcome{Postponed: true, Delay: delay, Reason: OrderReason}, turn
	}
	d := queue.Delivery{Event: item.Event, Group: w.g.Name, Attempt: item.Attempt}
	return Judge(run, w.g.Policy, item.Attempt, Attempt(ctx, w.h, d, w.g.Deadline)), turn
}

// seqOf is an event's number in the log.
func seqOf(e *event.Event) int64 {
	n, _ := e.Position.Seq()
	return int64(n) //nolint:gosec // the backends count in int64
}

// settle records an outcome, however often it has to try; once the consumer was asked
// to stop, not for long.
func (w *workers[L]) settle(asked context.Context, lease L, o Outcome) {
	if w.o.Lease == 0 {
		_ = w.b.Settle(asked, lease, o) // it never fails; see Options
		return
	}
	ctx, stop := Drain(asked, settleGrace)
	defer stop(nil)
	outage := remote.NewOutage(slog.New(slog.DiscardHandler), "")
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := w.b.Settle(call, lease, o)
		cancel()
		if err == nil || errors.Is(err, queue.ErrClosed) {
			return
		}
		if !outage.Wait(ctx, err) {
			w.o.Log.LogAttrs(ctx, slog.LevelWarn, "outcome of an attempt could not be recorded, it will be made again",
				slog.String("group", w.g.Name), slog.Any("error", err))
			return
		}
	}
}

// renew extends what is held, three times within a lease, until ctx is done.
func (w *workers[L]) renew(ctx context.Context) {
	tick := time.NewTicker(max(w.o.Lease/3, time.Millisecond))
	defer tick.Stop()
	// The loop that takes events logs that the backend is away; one line is enough.
	outage := remote.NewOutage(slog.New(slog.DiscardHandler), "")
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for w.extend(ctx) != nil {
			if !outage.Wait(ctx, nil) {
				return
			}
		}
		outage.Over(ctx)
	}
}

// extend renews every lease whose attempt is within its time, and cancels the handlers
// of those that were lost.
func (w *workers[L]) extend(ctx context.Context) error {
	now := time.Now()
	var leases []L
	w.mu.Lock()
	for lease, h := range w.held {
		if now.Before(h.until) {
			leases = append(leases, lease)
		}
	}
	w.mu.Unlock()
	if len(leases) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lost, err := w.b.Extend(ctx, leases)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, lease := range lost {
		if h := w.held[lease]; h != nil {
			h.lose(ErrLost)
		}
	}
	return nil
}

// What became of an attempt that the handler did not judge itself.
var (
	// ErrDeadline says that the handler returned after its deadline.
	ErrDeadline = errors.New("handler reached its deadline")
	// ErrCrashed says that the process ended while the handler ran.
	ErrCrashed = errors.New("process ended during the attempt")
	// ErrStopping is the cause of the context of a handler whose drain is over.
	ErrStopping = errors.New("consumer is stopping")
)

// Attempt calls h once and waits for it. It returns nil, the handler's error, or an error
// of its own for a panic and for a deadline that passed, whatever h returned then.
func Attempt(ctx context.Context, h queue.Handler, d queue.Delivery, deadline time.Duration) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, ErrDeadline)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handler panicked: %v", r)
		}
		if errors.Is(context.Cause(ctx), ErrDeadline) {
			err = errors.Join(ErrDeadline, err)
		}
	}()
	return h(ctx, d)
}

// Drain returns the context for the handlers of a consumer: it outlives ctx by grace.
// The caller has to call the function when its handlers have returned.
func Drain(ctx context.Context, grace time.Duration) (context.Context, context.CancelCauseFunc) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if wait.Sleep(out, grace) == nil {
			cancel(ErrStopping)
		}
	})
	return out, func(cause error) {
		stop()
		cancel(cause)
	}
}

// An Outcome is how an attempt ended, ready to be recorded.
type Outcome struct {
	// Done says that the event is finished.
	Done bool
	// Dead sends it to the dead letters; otherwise it is due again after Delay.
	Dead  bool
	Delay time.Duration
	// Postponed says that no attempt was made: it is due again after Delay, uncounted.
	Postponed bool
	// Reason is the last error's text.
	Reason string
}

// Judge turns what Attempt returned into an outcome. An attempt that the stopping of the consumer cut
// short (ctx, the one from Drain, is done) is given back at once: it is counted, and it
// is not the event's fault.
func Judge(ctx context.Context, p queue.Policy, n int, err error) Outcome {
	if err == nil {
		return Outcome{Done: true}
	}
	reason := Reason(err)
	if after, ok := queue.Postponed(err); ok {
		return Outcome{Postponed: true, Delay: after, Reason: reason}
	}
	if ctx.Err() != nil && !queue.IsPermanent(err) {
		return Outcome{Reason: reason}
	}
	v := p.Next(n, err)
	return Outcome{Dead: v.Dead, Delay: v.Delay, Reason: reason}
}

// maxReason bounds what is stored of an error's text.
const maxReason = 500

// Reason is the text of err as it is stored beside the event: valid UTF-8 of at most
// 500 bytes.
func Reason(err error) string {
	s := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(s) <= maxReason {
		return s
	}
	cut := maxReason
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
