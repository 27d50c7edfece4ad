package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
)

// Consume works a group's events; see queue.Queue. While Redis is away it waits, and so
// do the outcomes of what its handlers finished meanwhile.
func (q *Store) Consume(ctx context.Context, g queue.Group, h queue.Handler) error {
	g, err := g.Normalize()
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := q.enter("consume"); err != nil {
		return err
	}
	defer q.calls.Done()
	defer q.bell.join(ctx)()
	defer q.watch.Attend(g)()

	c := &consumer{q: q, g: g, keys: q.keys.group(g.Name)}
	if err := c.begin(ctx); err != nil {
		return fmt.Errorf("consume %s: %w", g.Name, err)
	}
	return consume.Run(ctx, g, h, c, consume.Options{Lease: q.o.Lease, Log: q.o.Logger, Life: q.life})
}

// A consumer is one call of Consume; it is the engine of a crew.
type consumer struct {
	q     *Store
	g     queue.Group
	keys  groupKeys
	token string
	epoch atomic.Pointer[string] // the store in which the group was registered
}

// A lease is what a consumer holds on an event. The token tells it from a lease that
// another consumer, or a later life of the dead letter, has on the same event.
type lease struct {
	seq   int64
	token string
}

// begin registers the group, waiting while Redis is away.
func (c *consumer) begin(ctx context.Context) error {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	c.token = hex.EncodeToString(b[:])
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.q.life, func() { cancel(queue.ErrClosed) })() //nolint:contextcheck // the queue's life is not the caller's
	trouble := remote.NewOutage(c.q.o.Logger, "group "+c.g.Name)
	for {
		err := c.register(ctx, c.g.Start)
		if err == nil {
			trouble.Over(ctx)
			return nil
		}
		if !errors.Is(err, queue.ErrUnavailable) && ctx.Err() == nil {
			return err
		}
		if !trouble.Wait(ctx, err) {
			if cause := context.Cause(ctx); errors.Is(cause, queue.ErrClosed) {
				return cause
			}
			return nil
		}
	}
}

// register makes the group unless it exists.
func (c *consumer) register(ctx context.Context, s queue.Start) error {
	kind, value, epoch, _ := startArgs(s)
	fresh, err := newEpoch()
	if err != nil {
		return err
	}
	k := c.q.keys
	v, err := c.q.eval(ctx, registerScript, []string{k.meta, k.log, k.groups, c.keys.g}, c.g.Name, kind, value, epoch, fresh)
	if err != nil {
		return err
	}
	r := reply{list: v}
	ok, b := r.number(), eventlog.Bounds{Epoch: r.text(), Trimmed: r.number()}
	if r.err != nil {
		return fmt.Errorf("redis: %w", r.err)
	}
	if ok == 0 {
		return b.Expired()
	}
	c.epoch.Store(&b.Epoch)
	return nil
}

// Take implements consume.Backend.
func (c *consumer) Take(ctx context.Context, n int) ([]consume.Item[lease], error) {
	for ctx.Err() == nil {
		items, cursor, wait, err := c.take(ctx, n)
		if err != nil || len(items) > 0 {
			return items, err
		}
		c.q.bell.wait(ctx, cursor, wait)
	}
	return nil, nil
}

// take asks for items once. Without any it returns how far the group is and how long to
// wait at most.
func (c *consumer) take(ctx context.Context, n int) (items []consume.Item[lease], cursor int64, wait time.Duration, err error) {
	k, gk := c.q.keys, c.keys
	// A take that was sent has to be seen to its end: what it leased would lie idle.
	v, err := c.q.eval(context.WithoutCancel(ctx), takeScript,
		[]string{k.meta, k.log, k.kept, k.groups, k.pins, gk.g, gk.lease, gk.due, gk.retry, gk.works},
		c.g.Name, n, c.q.o.Lease.Microseconds(), c.token)
	if err != nil {
		return nil, 0, 0, err
	}
	r := reply{list: v}
	epoch := r.text()
	if len(r.list) == 0 && r.err == nil {
		return nil, 0, 0, c.gone(ctx, epoch)
	}
	cursor, due := r.number(), r.number()
	list := r.sub()
	for len(list.list) > 0 && list.err == nil {
		seq, attempts, crashed := list.number(), list.number(), list.number()
		e := list.event(epoch, seq)
		items = append(items, consume.Item[lease]{
			Lease: lease{seq, c.token}, Event: e, Attempt: int(attempts), Crashed: crashed == 1,
		})
	}
	if err := firstError(r.err, list.err); err != nil {
		return nil, 0, 0, fmt.Errorf("redis: %w", err)
	}
	wait = idle
	if due >= 0 {
		wait = min(idle, time.Duration(due+999)*time.Microsecond)
	}
	return items, cursor, max(wait, time.Millisecond), nil
}

// gone is called when the group is not there: in the same store somebody dropped it; in
// another one it is registered again, from the beginning, for it has seen nothing there.
func (c *consumer) gone(ctx context.Context, epoch string) error {
	if was := c.epoch.Load(); was != nil && *was == epoch {
		return queue.ErrNoGroup
	}
	c.q.o.Logger.LogAttrs(ctx, slog.LevelWarn, "redis lost the group: the store was emptied or replaced", slog.String("group", c.g.Name))
	return c.register(ctx, queue.Start{})
}

// Extend implements consume.Backend.
func (c *consumer) Extend(ctx context.Context, leases []lease) ([]lease, error) {
	args := make([]any, 0, 1+2*len(leases))
	args = append(args, c.q.o.Lease.Microseconds())
	for _, l := range leases {
		args = append(args, l.token, l.seq)
	}
	v, err := c.q.eval(ctx, extendScript, []string{c.keys.lease, c.keys.works}, args...)
	if err != nil {
		return nil, err
	}
	r := reply{list: v}
	var lost []lease
	for _, l := range leases {
		if r.number() == 0 {
			lost = append(lost, l)
		}
	}
	return lost, r.err
}

// Settle implements consume.Backend.
func (c *consumer) Settle(ctx context.Context, l lease, o consume.Outcome) error {
	_, err := c.q.settles.Do(ctx, settling{group: c.g.Name, lease: l, outcome: o}, queue.ErrClosed)
	return err
}

var _ consume.Backend[lease] = (*consumer)(nil)
