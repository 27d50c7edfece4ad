package nats

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
)

// Extend implements consume.Backend: a first attempt by JetStream's sign of work in
// progress, a later one by a new revision of its item.
func (c *consumer) Extend(ctx context.Context, leases []*lease) ([]*lease, error) {
	s, err := c.q.ready(ctx)
	if err != nil {
		return nil, c.q.fault(err)
	}
	var lost []*lease
	began := time.Now()
	for _, h := range leases {
		ok, err := c.extend(ctx, s, h)
		if err != nil {
			return lost, err
		}
		if !ok {
			lost = append(lost, h)
			c.q.removeLease(h)
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
func (c *consumer) extend(ctx context.Context, s *topic, h *lease) (bool, error) {
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
		return false, nil // the server has given it to another consumer
	}
	return true, c.q.fault(c.q.nc.Publish(h.reply, []byte("+WPI")))
}

// Settle implements consume.Backend.
func (c *consumer) Settle(ctx context.Context, h *lease, o consume.Outcome) error {
	s, err := c.q.ready(ctx)
	if err != nil {
		return c.q.fault(err)
	}
	if _, rev := s.groups.record(c.g.Name); rev == 0 || s.epoch != c.epoch {
		c.q.removeLease(h)
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
		c.q.removeLease(h)
	}
	return err
}

// settleFirst records a first attempt: what is not done becomes an item, and then the
// consumer is done with it.
func (c *consumer) settleFirst(ctx context.Context, s *topic, h *lease, o consume.Outcome) error {
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
// reports conflicts with what it then forgets.
func (c *consumer) moveOn(ctx context.Context, s *topic, h *lease, i item) error {
	_, err := c.put(ctx, s, h.seq, i, h.record, 0)
	if !conflict(err) {
		return err
	}
	if err := c.q.refresh(ctx, s, workKey(c.g.Name, h.seq)); err != nil {
		return err
	}
	if _, there := s.groups.item(c.g.Name, h.seq); !there {
		return c.q.fault(err)
	}
	return nil
}

// settleItem records a later attempt. An item that has changed belongs to another consumer now.
func (c *consumer) settleItem(ctx context.Context, s *topic, h *lease, o consume.Outcome) error {
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
	if i, there := s.groups.item(c.g.Name, h.seq); there && i.rev == h.item.rev {
		return c.q.fault(err) // it has not changed: there was no conflict
	}
	return nil
}

// outcome is the item that an attempt leaves which did not end well.
func (c *consumer) outcome(s *topic, h *lease, o consume.Outcome) item {
	i := item{State: retrying, Attempts: h.attempts, Reason: o.Reason, Received: h.received.UnixMicro()}
	if o.Postponed {
		i.Attempts--
	}
	now := s.now()
	i.At = now.Add(o.Delay).UnixMicro()
	if o.Dead {
		i.State, i.At = buried, now.UnixMicro()
	}
	return i
}

// ackTimeout bounds the wait for the server's answer to an acknowledgement: it has none
// for what it forgot, which has to be found out within the time of a call.
const ackTimeout = callTimeout / 3

// acknowledge reports that a message is finished, and waits for the answer.
func (q *Store) acknowledge(ctx context.Context, reply string) error {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	_, err := q.nc.RequestWithContext(ctx, reply, []byte("+ACK"))
	if errors.Is(err, natsgo.ErrNoResponders) {
		return errors.Join(queue.ErrUnavailable, err)
	}
	return q.fault(err)
}

// addLease notes a lease of this process, and removeLease takes it off.
func (q *Store) addLease(h *lease) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.leases[h.group] == nil {
		q.leases[h.group] = map[int64]*lease{}
	}
	q.leases[h.group][h.seq] = h
}

func (q *Store) removeLease(h *lease) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.leases[h.group][h.seq] == h {
		delete(q.leases[h.group], h.seq)
	}
}

func (q *Store) leaseOf(group string, seq int64) *lease {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.leases[group][seq]
}

// takesOver gives a handler of this process that makes the first attempt at an event the
// newest delivery of it to acknowledge, and reports whether there is one. A store that
// lost its end gives the sequence numbers of what was lost again: the records are compared.
func (q *Store) takesOver(group string, seq int64, record []byte, reply string) bool {
	h := q.leaseOf(group, seq)
	if h == nil || !bytes.Equal(h.record, record) {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reply == "" || h.over {
		return false
	}
	h.reply, h.renewed = reply, time.Now()
	return true
}

// maxEndings bounds the endings that are remembered for a server that may have forgotten.
const maxEndings = 4096

// remember notes that a first attempt ended that the server may have forgotten in a
// crash: it then delivers the event again, as if for the first time.
func (c *consumer) remember(h *lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endings == nil || len(c.endings) >= maxEndings {
		c.endings = map[int64]digest{}
	}
	c.endings[h.seq] = sha256.Sum256(h.record)
}

// ended reports, once, whether a first attempt at an event is remembered.
func (c *consumer) ended(seq int64, record []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.endings[seq]
	delete(c.endings, seq)
	return ok && d == sha256.Sum256(record)
}

// A digest distinguishes one record from another.
type digest = [sha256.Size]byte

// moved reports whether an event is an item already. One that comes for the first time
// can be another event than the item's.
func (c *consumer) moved(ctx context.Context, s *topic, seq int64, tries int, record []byte) (bool, error) {
	_, there := s.groups.item(c.g.Name, seq)
	if !there || tries > 1 {
		return there, nil
	}
	_, of, rev, err := c.q.load(ctx, c.g.Name, seq)
	return rev != 0 && bytes.Equal(of, record), err
}

// forgotten reports whether the server has forgotten in a crash that it delivered an
// event: it answers no acknowledgement of it, and will deliver it again.
func (q *Store) forgotten(ctx context.Context, h *lease) (bool, error) {
	info, err := q.consumerInfo(ctx, h.group)
	if err != nil || info == nil {
		return false, err
	}
	return int64(info.Delivered.Stream) < h.seq, nil //nolint:gosec // below 2^53
}

// pull asks for at most n messages of a consumer and waits until the first are there, at
// the latest until the wait is over or ctx is done. A request that is given up is taken
// back first, so that no message goes to a subscription that has ended: it would
// count as an attempt that crashed.
func (q *Store) pull(ctx context.Context, consumer string, n int, wait time.Duration) ([]*natsgo.Msg, error) {
	inbox := q.nc.NewInbox()
	arrived := make(chan *natsgo.Msg, n+8)
	sub, err := q.nc.ChanSubscribe(inbox, arrived)
	if err != nil {
		return nil, err
	}
	p := &pull{q: q, sub: sub, arrived: arrived, renewed: q.renewed(), n: n}
	if err := p.request(consumer, inbox, wait); err != nil {
		_ = sub.Unsubscribe()
		return nil, err
	}
	err = p.collect(ctx, wait)
	if !p.over {
		err = errors.Join(err, p.takeBack())
	} else {
		_ = sub.Unsubscribe()
	}
	if len(p.list) > 0 {
		return p.list, nil
	}
	return nil, err
}

type pull struct {
	q       *Store
	sub     *natsgo.Subscription
	arrived chan *natsgo.Msg
	renewed <-chan struct{} // closed when the request went by a connection that broke
	n       int
	list    []*natsgo.Msg
	over    bool // the server will send nothing more
}

// request sends the request; see nats-server's JSApiConsumerGetNextRequest.
func (p *pull) request(consumer, inbox string, wait time.Duration) error {
	r := struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires,omitempty"`
		NoWait  bool          `json:"no_wait,omitempty"`
	}{Batch: p.n, Expires: wait, NoWait: wait == 0}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.q.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+p.q.names.stream+"."+consumer, inbox, body)
}

// collect waits for the first message and takes those that come with it.
func (p *pull) collect(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait + callTimeout)
	defer t.Stop()
	for !p.over {
		select {
		case m := <-p.arrived:
			if err := p.take(m); err != nil {
				return err
			}
			if len(p.list) > 0 && len(p.arrived) == 0 && !p.over {
				return nil
			}
		case <-ctx.Done():
			return nil
		case <-p.renewed:
			return nil
		case <-t.C:
			return fmt.Errorf("consumer %w", errSilent)
		}
	}
	return nil
}

var errSilent = errors.New("does not answer a request for events")

// take looks at what arrived: an event, or the server's status of the request.
func (p *pull) take(m *natsgo.Msg) error {
	status, text := m.Header.Get("Status"), strings.ToLower(m.Header.Get("Description"))
	switch {
	case status == "" || len(m.Data) > 0:
		p.list = append(p.list, m)
		p.over = len(p.list) == p.n
		return nil
	case status == "100":
		return nil // a heartbeat
	}
	p.over = true
	switch {
	case status == "404", status == "408":
		return nil // there is nothing
	case status == "409" && strings.Contains(text, "batch completed"):
		return nil
	case status == "409" && strings.Contains(text, "consumer deleted"):
		return queue.ErrNoGroup
	}
	return fmt.Errorf("request for events: status %s %s", status, text)
}

// takeBack ends the request and collects what was sent before the server received that.
func (p *pull) takeBack() error {
	if err := p.sub.Drain(); err != nil {
		return err
	}
	// The server's answer to a ping comes behind all that it sent before.
	if err := p.q.nc.FlushTimeout(callTimeout); err != nil {
		return err
	}
	for {
		select {
		case m := <-p.arrived:
			if m == nil {
				return nil
			}
			_ = p.take(m) // what the server says of the request does not matter any more
		default:
			return nil
		}
	}
}
