package socket

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"slackmcp/store/queue"
)

// Consume works a group's events; see queue.Queue. The server holds each delivery until
// this process says how the attempt went; what it holds when it dies has failed and is
// due again by the group's policy. A group with a Key is refused. When the server stops, or goes away, Consume ends with
// queue.ErrClosed or queue.ErrUnavailable; the attempts that ran are then made again.
func (c *Client) Consume(ctx context.Context, g queue.Group, h queue.Handler) error {
	g, err := g.Normalize()
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if g.Key != nil {
		return fmt.Errorf("consume %s: %w", g.Name, errKey)
	}
	if begun := ctx.Err() == nil; !begun {
		return nil
	}
	w := &remoteWorker{client: c, group: g, handler: h}
	return w.run(ctx)
}

// errKey says that order is kept where the store is: a key is a function, and does not
// travel.
var errKey = errors.New("events cannot be ordered over the socket: use a handler or a rule of the server")

// errDeadline is the failure of an attempt that ended after its deadline.
var errDeadline = errors.New("handler reached its deadline")

// A remoteWorker is one call of Consume.
type remoteWorker struct {
	client   *Client
	group    queue.Group
	handler  queue.Handler
	handlers sync.WaitGroup
}

// run follows the stream of deliveries. It outlives ctx until what is held is settled.
func (w *remoteWorker) run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	leaving := func() bool { return false }
	err := Follow(life, w.client, routeConsume, wireGroupOf(w.group), func(o handout) error {
		if o.Event == nil {
			leaving = context.AfterFunc(ctx, func() { w.leave(life, o.Consumer, end) })
			return nil
		}
		w.handlers.Go(func() {
			w.attempt(life, o.Lease, queue.Delivery{Event: o.Event.event(), Group: w.group.Name, Attempt: o.Attempt})
		})
		return nil
	})
	leaving()
	end() // what still runs is no longer ours
	w.handlers.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, queue.ErrClosed) || errors.Is(err, queue.ErrUnavailable)) {
		return nil
	}
	return err
}

// leave asks for no more deliveries. The server ends the stream once all are settled, or
// the drain is over; if it does not, the stream is left.
func (w *remoteWorker) leave(life context.Context, consumer string, end context.CancelFunc) {
	if _, err := Ask[none](life, w.client, routeLeave, handout{Consumer: consumer}); err != nil {
		end()
		return
	}
	late := time.NewTimer(w.group.Drain + time.Second)
	defer late.Stop()
	select {
	case <-late.C:
		end()
	case <-life.Done():
	}
}

// attempt works one delivery and says how it went.
func (w *remoteWorker) attempt(life context.Context, lease string, d queue.Delivery) {
	ctx, cancel := context.WithTimeout(life, w.group.Deadline)
	defer cancel()
	err := guard(ctx, w.handler, d)
	if ctx.Err() != nil {
		// The server's clock began before ours: it has the attempt for failed already.
		err = errors.Join(errDeadline, err)
	}
	v := verdict{Lease: lease}
	if err != nil {
		v.Reason = err.Error()
		if v.Reason == "" {
			v.Reason = "the handler failed without saying why"
		}
		v.Permanent = queue.IsPermanent(err)
		v.RetryAfter = queue.Pause(err)
	}
	// A verdict that does not arrive is as a crash: the attempt is made again.
	_, _ = Ask[none](life, w.client, routeSettle, v)
}

// guard turns a panic into an error.
func guard(ctx context.Context, h queue.Handler, d queue.Delivery) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("handler panicked: %v", r)
		}
	}()
	return h(ctx, d)
}
