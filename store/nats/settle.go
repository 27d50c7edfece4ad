package nats

import (
	"context"
	"errors"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
)

// Extend implements crew.Engine: a first attempt by JetStream's sign of work in
// progress, a later one by a new revision of its item.
func (c *consumer) Extend(ctx context.Context, leases []*hold) ([]*hold, error) {
	s, err := c.q.ready(ctx)
	if err != nil {
		return nil, c.q.fault(err)
	}
	var lost []*hold
	began := time.Now()
	for _, h := range leases {
		ok, err := c.extend(ctx, s, h)
		if err != nil {
			return lost, err
		}
		if !ok {
			lost = append(lost, h)
			c.q.settled(h)
		}
	}
	// Signs of work have no answer of their own.
	if err := c.q.nc.FlushWithContext(ctx); err != nil {
		return lost, c.q.fault(err)
	}
	for _, h := range leases {
		h.mu.Lock()
		h.renewed = began
		h.mu.Unlock()
	}
	return lost, nil
}

// extend renews one lease, and reports whether it is still held.
func (c *consumer) extend(ctx context.Context, s *store, h *hold) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reply == "" {
		now, err := c.put(ctx, s, h.seq, h.item, h.record, h.item.rev)
		if conflict(err) {
			return false, nil // nothing is recorded for a lost lease: another attempt follows
		}
		if err == nil {
			h.item = now
		}
		return true, err
	}
	if time.Since(h.renewed) > c.q.o.Lease {
		return false, nil // the consumer has given it to somebody else
	}
	return true, c.q.fault(c.q.nc.Publish(h.reply, []byte("+WPI")))
}

// Settle implements crew.Engine.
func (c *consumer) Settle(ctx context.Context, h *hold, o consume.Outcome) error {
	s, err := c.q.ready(ctx)
	if err != nil {
		return c.q.fault(err)
	}
	if _, rev := s.board.record(c.g.Name); rev == 0 || s.epoch != c.epoch {
		c.q.settled(h)
		return nil // the group was dropped, or its store has gone
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reply == "" {
		err = c.settleItem(ctx, s, h, o)
	} else {
		err = c.settleFirst(ctx, s, h, o)
	}
	if err == nil {
		h.over = true
		c.q.settled(h)
	}
	return err
}

// settleFirst records a first attempt: what is not done becomes an item, and then the
// consumer is done with it.
func (c *consumer) settleFirst(ctx context.Context, s *store, h *hold, o consume.Outcome) error {
	if !o.Done {
		if err := c.moveOn(ctx, s, h, c.outcome(s, h, o)); err != nil {
			return err
		}
	}
	err := c.q.acknowledge(ctx, h.reply)
	again := h.conn != c.q.renewed()
	if err != nil && !errors.Is(err, queue.ErrClosed) {
		if forgotten, _ := c.q.forgotten(ctx, h); forgotten {
			err, again = nil, true
		}
	}
	if err == nil && again {
		c.remember(h)
	}
	return err
}

// moveOn makes the item of an event whose first attempt did not end well. There may be
// one, made when the acknowledgement was lost; but a cluster whose leader is failing also
// speaks of conflicts with what it then forgets.
func (c *consumer) moveOn(ctx context.Context, s *store, h *hold, i item) error {
	_, err := c.put(ctx, s, h.seq, i, h.record, 0)
	if !conflict(err) {
		return err
	}
	if err := c.q.refresh(ctx, s, workKey(c.g.Name, h.seq)); err != nil {
		return err
	}
	if _, there := s.board.item(c.g.Name, h.seq); !there {
		return c.q.fault(err)
	}
	return nil
}

// settleItem records a later attempt. An item that has changed is not ours any more.
func (c *consumer) settleItem(ctx context.Context, s *store, h *hold, o consume.Outcome) error {
	var err error
	if o.Done {
		err = c.q.remove(ctx, s, workKey(c.g.Name, h.seq), h.item.rev)
	} else {
		_, err = c.put(ctx, s, h.seq, c.outcome(s, h, o), h.record, h.item.rev)
	}
	if !conflict(err) {
		return err
	}
	if err := c.q.refresh(ctx, s, workKey(c.g.Name, h.seq)); err != nil {
		return err
	}
	if i, there := s.board.item(c.g.Name, h.seq); there && i.rev == h.item.rev {
		return c.q.fault(err) // nobody has changed it: the conflict was none
	}
	return nil
}

// outcome is the item that an attempt leaves which did not end well.
func (c *consumer) outcome(s *store, h *hold, o consume.Outcome) item {
	i := item{State: retrying, Attempts: h.attempts, Reason: o.Reason, Received: h.received.UnixMicro()}
	if o.Postponed {
		i.Attempts--
	}
	now := c.now(s)
	i.At = now.Add(o.Delay).UnixMicro()
	if o.Dead {
		i.State, i.At = buried, now.UnixMicro()
	}
	return i
}

// ackTimeout bounds the wait for the consumer's word on an acknowledgement: it has none
// for what it forgot, which has to be found out within the time of a call.
const ackTimeout = callTimeout / 3

// acknowledge tells the consumer that a message is finished, and waits for its word.
func (q *Store) acknowledge(ctx context.Context, reply string) error {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	_, err := q.nc.RequestWithContext(ctx, reply, []byte("+ACK"))
	if errors.Is(err, natsgo.ErrNoResponders) {
		return errors.Join(queue.ErrUnavailable, err)
	}
	return q.fault(err)
}
