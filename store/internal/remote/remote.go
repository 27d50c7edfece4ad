// Package remote holds what the backends outside the process share: batches of calls, the
// form in which an event is stored, waiting while the backend is away, and reading its
// log, by pages and by tails that follow it.
//
// A tail delivers every event behind its start in the order of the log. It waits while the
// backend is away, and it notices when the server that answers is in an earlier or another
// state than the one before: it then goes back to the last event that both have, and
// delivers what follows there.
package remote

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
)

// An Outage is the time for which one loop has a backend that went away: the loop waits ever
// longer, up to two seconds, with one log line when the backend goes and one when it is
// back. It is not safe for concurrent use.
type Outage struct {
	log     *slog.Logger
	what    string
	tries   int
	since   time.Time
	backoff wait.Backoff
}

// NewOutage returns an Outage that has not begun. What names the loop in the log, for
// example "tail" or a group.
func NewOutage(log *slog.Logger, what string) *Outage {
	return &Outage{log: log, what: what, backoff: wait.Backoff{First: 25 * time.Millisecond, Most: 2 * time.Second}}
}

// Wait is called after each failure. It returns when it is time to try again, or false
// when ctx ended.
func (o *Outage) Wait(ctx context.Context, err error) bool {
	if o.tries == 0 {
		o.since = time.Now()
		o.log.LogAttrs(ctx, slog.LevelWarn, "queue engine is away, trying on",
			slog.String("for", o.what), slog.Any("error", err))
	}
	o.tries++
	return o.backoff.Sleep(ctx) == nil
}

// Over is called after each success; it costs nothing when there was no outage.
func (o *Outage) Over(ctx context.Context) {
	if o.tries == 0 {
		return
	}
	o.log.LogAttrs(ctx, slog.LevelInfo, "queue engine is back", slog.String("for", o.what),
		slog.Float64("away_seconds", time.Since(o.since).Seconds()), slog.Int("tries", o.tries))
	o.tries = 0
	o.backoff.Reset()
}

// BatchOptions configure a Batcher.
type BatchOptions[Req, Res any] struct {
	// Do sends requests and returns as many results in their order, or an error that
	// all of them get. It has to end by itself within a bounded time. Required.
	Do func([]Req) ([]Res, error)
	// Size returns what a request weighs; nil means that all weigh nothing.
	Size func(Req) int
	// MaxCount and MaxSize bound a batch; a single request may be larger. 0 means 128
	// requests and no bound on their size.
	MaxCount, MaxSize int
	// Parallel is how many batches may be under way at once; 0 means 1.
	Parallel int
}

// A Batcher gathers requests. Make one with NewBatcher.
type Batcher[Req, Res any] struct {
	o  BatchOptions[Req, Res]
	wg sync.WaitGroup

	mu      sync.Mutex
	pending []*call[Req, Res] // guarded by mu
	running int               // guarded by mu
	closed  bool              // guarded by mu
}

type call[Req, Res any] struct {
	req  Req
	res  Res
	err  error
	done chan struct{}
}

// NewBatcher returns a Batcher that has nothing under way.
func NewBatcher[Req, Res any](o BatchOptions[Req, Res]) *Batcher[Req, Res] {
	if o.MaxCount <= 0 {
		o.MaxCount = 128
	}
	if o.Parallel <= 0 {
		o.Parallel = 1
	}
	return &Batcher[Req, Res]{o: o}
}

// Do sends one request with others and waits for its result. When ctx ends first the
// request may still be carried out. After Close it returns closed.
func (b *Batcher[Req, Res]) Do(ctx context.Context, req Req, closed error) (Res, error) {
	c := &call[Req, Res]{req: req, done: make(chan struct{})}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		var zero Res
		return zero, closed
	}
	b.pending = append(b.pending, c)
	if b.running < b.o.Parallel {
		b.running++
		b.wg.Go(b.run)
	}
	b.mu.Unlock()
	select {
	case <-c.done:
		return c.res, c.err
	case <-ctx.Done():
		var zero Res
		return zero, ctx.Err()
	}
}

// Close refuses further requests and waits for those that were made.
func (b *Batcher[Req, Res]) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wg.Wait()
}

// run sends batches until nothing is pending.
func (b *Batcher[Req, Res]) run() {
	for {
		calls := b.take()
		if calls == nil {
			return
		}
		reqs := make([]Req, len(calls))
		for i, c := range calls {
			reqs[i] = c.req
		}
		results, err := b.o.Do(reqs)
		for i, c := range calls {
			if err != nil {
				c.err = err
			} else {
				c.res = results[i]
			}
			close(c.done)
		}
	}
}

// take removes the next batch from what is pending; with none, the runner is counted out.
func (b *Batcher[Req, Res]) take() []*call[Req, Res] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) == 0 {
		b.running--
		return nil
	}
	n, size := 0, 0
	for n < len(b.pending) && n < b.o.MaxCount {
		if b.o.Size != nil {
			size += b.o.Size(b.pending[n].req)
		}
		if n > 0 && b.o.MaxSize > 0 && size > b.o.MaxSize {
			break
		}
		n++
	}
	calls := b.pending[:n:n]
	b.pending = b.pending[n:]
	if len(b.pending) == 0 {
		b.pending = nil
	}
	return calls
}

// A Life is how long a store is open. It is a context that is done, with queue.ErrClosed as
// cause, once End was called. It is safe for concurrent use.
type Life struct {
	context.Context //nolint:containedctx // it is the store's life, not a request's

	end   context.CancelCauseFunc
	mu    sync.Mutex
	calls sync.WaitGroup // Add is guarded by mu
}

// NewLife returns a Life that has the values of ctx and does not end with it.
func NewLife(ctx context.Context) *Life {
	l := &Life{}
	l.Context, l.end = context.WithCancelCause(context.WithoutCancel(ctx))
	return l
}

// Check refuses a short call when its own context or the store has ended.
func (l *Life) Check(ctx context.Context, op string) error {
	err := ctx.Err()
	if err == nil && l.Err() != nil {
		err = queue.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// Enter counts a long call in, which calls Leave at its end, or refuses it when the store
// is closed.
func (l *Life) Enter(op string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Err() != nil {
		return fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	l.calls.Add(1)
	return nil
}

// Leave ends a call that Enter let in.
func (l *Life) Leave() { l.calls.Done() }

// Go runs fn, with the Life as its context, as a long call that nothing refuses.
func (l *Life) Go(fn func(context.Context)) { l.calls.Go(func() { fn(l) }) }

// End ends the Life; Wait returns when its long calls have returned.
func (l *Life) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(queue.ErrClosed)
}

// Wait waits for the long calls, after End.
func (l *Life) Wait() { l.calls.Wait() }

// Older reports whether a server's version, such as "6.0.16", is below one; a version that
// cannot be read is not.
func Older(version string, major, minor int) bool {
	var a, b int
	n, _ := fmt.Sscanf(version, "%d.%d.", &a, &b)
	return n == 2 && (a < major || a == major && b < minor)
}

// NewToken makes a name that is used once: sixteen random hexadecimal digits.
func NewToken() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Until calls fn until it succeeds, waiting while the backend is away. It returns fn's error
// when that is not queue.ErrUnavailable, the cause of life when that ends first, and nil
// when ctx does.
func Until(ctx, life context.Context, log *slog.Logger, what string, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(life, func() { cancel(context.Cause(life)) })()
	outage := NewOutage(log, what)
	for {
		err := fn(ctx)
		if err == nil {
			outage.Over(ctx)
			return nil
		}
		if !errors.Is(err, queue.ErrUnavailable) && ctx.Err() == nil {
			return err
		}
		if !outage.Wait(ctx, err) {
			if cause := context.Cause(ctx); errors.Is(cause, queue.ErrClosed) {
				return cause
			}
			return nil
		}
	}
}

// SweepEvery is how often each process looks for what retention is over for.
const SweepEvery = 10 * time.Second

// Sweep calls fn every SweepEvery until ctx ends, more often where events are kept for a
// short age only; 0 or less is for ever. An error of fn is not reported to any caller: what
// expired stays a little longer.
func Sweep(ctx context.Context, age time.Duration, log *slog.Logger, fn func(context.Context) error) {
	every := SweepEvery
	if age > 0 {
		every = max(min(every, age/8), 10*time.Millisecond)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		call, cancel := context.WithTimeout(ctx, SweepEvery)
		if err := fn(call); err != nil && ctx.Err() == nil {
			log.LogAttrs(call, slog.LevelDebug, "sweep", slog.Any("error", err))
		}
		cancel()
	}
}

// A Notifier wakes the readers and consumers of a process when the log grows, whichever
// process let it grow. Make it with NewNotifier. It is safe for concurrent use.
type Notifier struct {
	mu      sync.Mutex
	last    int64         // the highest sequence number known
	changed chan struct{} // closed at the next notification
}

// NewNotifier returns a Notifier that knows of no event.
func NewNotifier() *Notifier { return &Notifier{changed: make(chan struct{})} }

// Notify wakes all that wait, so that they look again: the log has reached seq. 0 wakes
// them without saying how far.
func (n *Notifier) Notify(seq int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = max(n.last, seq)
	close(n.changed)
	n.changed = make(chan struct{})
}

// Last is the highest sequence number known.
func (n *Notifier) Last() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

// Wait returns when the log has something behind a sequence number, at the latest after
// most or when ctx ends. Unless it returns at once, it calls onWait, if there is one, before
// it waits.
func (n *Notifier) Wait(ctx context.Context, after int64, most time.Duration, onWait func()) {
	n.mu.Lock()
	grown := n.last > after
	// What was known is believed once: a store can also lose its end.
	n.last = after
	changed := n.changed
	n.mu.Unlock()
	if grown {
		return
	}
	if onWait != nil {
		onWait()
	}
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
	}
}
