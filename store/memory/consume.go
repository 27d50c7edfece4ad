package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Consume works a group's events; see queue.Queue.
func (q *Queue) Consume(ctx context.Context, g queue.Group, h queue.Handler) error {
	g, err := g.Normalize()
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	grp, err := q.register(g)
	if err != nil {
		return err
	}
	defer q.leave(grp)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run, stop := consume.Drain(ctx, g.Drain)
	defer stop(nil)
	// A closed queue and a dropped group give no grace: there is nothing to settle with.
	defer context.AfterFunc(grp.life, func() { //nolint:contextcheck // the group's life ends the call, besides its own context
		cancel(context.Cause(grp.life))
		stop(consume.ErrStopping)
	})()

	c := &consumer{q: q, grp: grp, g: g, h: h, order: consume.NewSequencer(g)}
	var workers sync.WaitGroup
	for range g.Workers {
		workers.Go(func() { c.work(ctx, run) })
	}
	workers.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, queue.ErrClosed) || errors.Is(cause, queue.ErrNoGroup) {
		return fmt.Errorf("consume %s: %w", g.Name, cause)
	}
	return nil
}

// register finds the group or makes it, and counts the consumer in.
func (q *Queue) register(g queue.Group) (*group, error) {
	if err := q.enter(q.life, "consume"); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	grp := q.groups[g.Name]
	if grp == nil {
		start, err := q.locate(g.Start)
		if err != nil {
			return nil, fmt.Errorf("consume %s: %w", g.Name, err)
		}
		grp = newGroup(q.life, g.Name, start)
		q.groups[g.Name] = grp
	}
	grp.consumers++
	grp.maxDeadline = max(grp.maxDeadline, g.Deadline)
	grp.lastMove = q.o.Now()
	grp.signal()
	return grp, nil
}

func (q *Queue) leave(grp *group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	grp.consumers--
	grp.signal() // a token that a leaving worker took is another consumer's
}

// A consumer is one call of Consume.
type consumer struct {
	q   *Queue
	grp *group
	g   queue.Group
	h   queue.Handler
	// order is nil unless the group has a key.
	order *consume.Sequencer
}

// work claims and handles events one by one until ctx is done; run is the context of
// the handlers, which outlives it.
func (c *consumer) work(ctx, run context.Context) {
	for ctx.Err() == nil {
		w, e, more := c.claim()
		if w == nil {
			if more {
				continue
			}
			select {
			case <-ctx.Done():
			case <-c.grp.wake:
			}
			continue
		}
		turn, delay, ok := c.order.Enter(run, w.seq, &e)
		if !ok {
			c.settle(w, consume.Outcome{Postponed: true, Delay: delay, Reason: consume.OrderReason})
			continue
		}
		d := queue.Delivery{Event: e, Group: c.g.Name, Attempt: w.attempts}
		outcome := consume.Judge(run, c.g.Policy, d.Attempt, consume.Attempt(run, c.h, d, c.g.Deadline))
		c.settle(w, outcome)
		turn.End(!outcome.Done && !outcome.Dead, outcome.Delay)
	}
	c.grp.signal()
}

// maxSkip bounds how many events a claim passes over that the filter does not want,
// so that the lock is not held for long.
const maxSkip = 512

// claim takes one event to work. Without one, more says that it stopped early.
func (c *consumer) claim() (w *item, e event.Event, more bool) {
	q, g := c.q, c.grp
	q.mu.Lock()
	defer q.mu.Unlock()
	if g.life.Err() != nil {
		return nil, event.Event{}, false
	}
	now := q.o.Now()
	for range maxSkip {
		seq, w := c.pick(now)
		if seq == 0 {
			g.arm(now)
			return nil, event.Event{}, false
		}
		r := q.stored(seq)
		if !c.g.Filter.Match(&r.event) {
			if w != nil {
				g.remove(w)
				q.unpin(seq)
			}
			continue
		}
		w = g.lease(seq, w)
		c.order.Taken(seq)
		g.lastMove = now
		if g.cursor < q.log.last() || len(g.due) > 0 {
			g.signal()
		}
		return w, r.event, false
	}
	return nil, event.Event{}, true
}

// pick chooses what is next, with its item if it was tried before; 0 is nothing. New
// events and due retries take turns, so that neither a backlog nor a storm of failures
// starves the other. Requires q.mu.
func (c *consumer) pick(now time.Time) (int64, *item) {
	g := c.grp
	fresh := g.cursor < c.q.log.last()
	due := len(g.due) > 0 && !g.due[0].at.After(now)
	switch {
	case due && (!fresh || !g.turn):
		g.turn = true
		return g.due[0].seq, g.due[0]
	case fresh:
		g.turn = false
		g.cursor++
		return g.cursor, nil
	}
	return 0, nil
}

// settle records how an attempt ended.
func (c *consumer) settle(w *item, o consume.Outcome) {
	q, g := c.q, c.grp
	q.mu.Lock()
	defer q.mu.Unlock()
	if g.work[w.seq] != w {
		return // the group was dropped meanwhile
	}
	now := q.o.Now()
	switch {
	case o.Done:
		g.remove(w)
		q.unpin(w.seq)
	case o.Dead:
		g.bury(w, now, o.Reason)
	default:
		if o.Postponed {
			w.attempts--
		}
		g.retry(w, now.Add(o.Delay), o.Reason)
		g.signal()
	}
}
