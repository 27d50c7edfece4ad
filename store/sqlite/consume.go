package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A consumer is one call of Consume. What is below the line belongs to the writer.
type consumer struct {
	q     *Store
	g     queue.Group
	h     queue.Handler
	group int64 // the group's number
	work  chan delivery
	gone  chan struct{} // closed when the group is dropped
	// order is nil unless the group has a key.
	order *consume.Sequencer

	attached bool
	dropped  bool // its group was
	free     int  // workers that have nothing to do
	inFlight map[int64]struct{}
}

// A delivery is an attempt that a worker is to make.
type delivery struct {
	seq     int64
	attempt int
	event   *event.Event // nil when it has to be read from the file
}

// Consume works a group's events; see queue.Queue.
func (q *Store) Consume(ctx context.Context, g queue.Group, h queue.Handler) error {
	g, err := g.Normalize()
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	leave, err := q.enter("consume")
	if err != nil {
		return err
	}
	defer leave()
	c := &consumer{
		q: q, g: g, h: h, order: consume.NewSequencer(g), free: g.Workers, work: make(chan delivery, g.Workers),
		gone: make(chan struct{}), inFlight: map[int64]struct{}{},
	}
	if err := q.call(context.WithoutCancel(ctx), "consume "+g.Name, func(w *writer) error { return w.attach(c) }); err != nil {
		// It may have been attached before the store failed.
		q.local(func(w *writer) { w.detach(c) })
		close(c.work)
		for d := range c.work {
			q.mail.settle(settlement{c: c, seq: d.seq, unstarted: true})
		}
		return err
	}
	return c.run(ctx)
}

// run works until ctx is done, the queue is closed or the group is dropped.
func (c *consumer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	handlers, stop := consume.Drain(ctx, c.g.Drain)
	defer stop(nil)

	var workers sync.WaitGroup
	for range c.g.Workers {
		workers.Go(func() {
			for d := range c.work {
				c.handle(ctx, handlers, d)
			}
		})
	}
	select {
	case <-ctx.Done():
	case <-c.q.life.Done():
		// A closing queue gives no grace beyond its own.
		cancel(queue.ErrClosed)
		stop(consume.ErrStopping)
	case <-c.gone:
		cancel(queue.ErrNoGroup)
		stop(consume.ErrStopping)
	}
	c.q.local(func(w *writer) { w.detach(c) })
	close(c.work)
	ended := make(chan struct{})
	go func() {
		workers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-c.q.life.Done():
		stop(consume.ErrStopping)
		<-ended
	}
	if cause := context.Cause(ctx); errors.Is(cause, queue.ErrClosed) || errors.Is(cause, queue.ErrNoGroup) {
		return fmt.Errorf("consume %s: %w", c.g.Name, cause)
	}
	return nil
}

// handle makes one attempt and reports how it ended.
func (c *consumer) handle(ctx, handlers context.Context, d delivery) {
	s := settlement{c: c, seq: d.seq}
	var turn consume.Turn
	defer func() {
		c.q.mail.settle(s)
		turn.End(!s.outcome.Done && !s.outcome.Dead, s.outcome.Delay)
	}()
	if ctx.Err() != nil {
		s.unstarted = true
		c.order.Skip(d.seq)
		return
	}
	e, err := c.load(ctx, d)
	if err != nil || !c.g.Filter.Match(&e) {
		c.order.Skip(d.seq)
	}
	switch {
	case errors.Is(err, event.ErrNotFound):
		// Retention never removes it: another program has written to the file.
		c.q.o.Logger.Error("event is missing from the store", slog.String("group", c.g.Name), slog.String("position", string(c.q.bounds().Position(d.seq))))
		s.outcome = consume.Outcome{Done: true}
		return
	case unreadable(err):
		c.q.found(span{From: d.seq, To: d.seq})
		s.outcome = consume.Outcome{Dead: true, Reason: "the event cannot be read: the store is damaged"}
		return
	case err != nil:
		// The store's trouble is not the event's.
		s.unstarted = true
		_ = wait.Sleep(ctx, time.Second) // so that a broken store is not asked over and over
		return
	}
	if !c.g.Filter.Match(&e) {
		s.outcome = consume.Outcome{Done: true}
		return
	}
	var delay time.Duration
	var ok bool
	if turn, delay, ok = c.order.Enter(handlers, d.seq, &e); !ok {
		s.outcome = consume.Outcome{Postponed: true, Delay: delay, Reason: consume.OrderReason}
		return
	}
	err = consume.Attempt(handlers, c.h, queue.Delivery{Event: e, Group: c.g.Name, Attempt: d.attempt}, c.g.Deadline)
	s.outcome = consume.Judge(handlers, c.g.Policy, d.attempt, err)
}

// load returns the event of a delivery.
func (c *consumer) load(ctx context.Context, d delivery) (event.Event, error) {
	if d.event != nil {
		return *d.event, nil
	}
	if e, ok := c.q.feed.get(d.seq); ok {
		return e, nil
	}
	if d.attempt == 1 {
		if e, ok := c.q.shelved(ctx, d.seq); ok {
			return e, nil
		}
	}
	return c.q.read(ctx, d.seq)
}

// attach registers the consumer's group if need be, and lets it have events.
func (w *writer) attach(c *consumer) error {
	now := w.q.o.Now()
	g := w.groups[c.g.Name]
	if w.idleGroups {
		// It is given nothing, and waits for what the operator does.
		c.attached = true
		w.active[c] = struct{}{}
		return nil
	}
	if g == nil {
		var err error
		if g, err = w.register(c.g); err != nil {
			return err
		}
	}
	if err := w.judge(g, c.g.Policy, now); err != nil {
		return w.cannotWork(err)
	}
	c.group, c.attached = g.id, true
	w.active[c] = struct{}{}
	g.lastMove = now
	g.consumers = append(g.consumers, c)
	return nil
}

// register makes a group's row.
func (w *writer) register(def queue.Group) (*group, error) {
	start, err := locate(w.db.session, def.Start, w.bounds())
	if err != nil {
		return nil, err
	}
	id := int64(1)
	for _, g := range w.groups {
		id = max(id, g.id+1)
	}
	if _, err := w.write("INSERT INTO groups (id, name, start, cursor, adopted, expired) VALUES (?, ?, ?, ?, 0, 0)", id, def.Name, start, start); err != nil {
		return nil, err
	}
	g := &group{id: id, name: def.Name, start: start, cursor: start, leases: map[int64]lease{}}
	w.groups[def.Name] = g
	return g, nil
}

// detach lets a consumer have no more events. What it was handed it still settles.
func (w *writer) detach(c *consumer) {
	c.attached = false
	if g := w.groupByID(c.group); g != nil {
		g.consumers = slices.DeleteFunc(g.consumers, func(x *consumer) bool { return x == c })
	}
	w.forget(c)
}

// forget lets go of a consumer that has ended.
func (w *writer) forget(c *consumer) {
	if !c.attached && len(c.inFlight) == 0 {
		delete(w.active, c)
	}
}
