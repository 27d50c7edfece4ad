package nats

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
)

// Consume works a group's events; see queue.Queue. While NATS is away it waits, and so do
// the outcomes of what its handlers finished meanwhile.
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
	defer q.watch.Attend(g)()

	c := &consumer{q: q, g: g}
	if c.token, err = token(); err != nil {
		return fmt.Errorf("consume %s: %w", g.Name, err)
	}
	if err := c.begin(ctx); err != nil {
		return fmt.Errorf("consume %s: %w", g.Name, err)
	}
	return consume.Run(ctx, g, h, c, consume.Options{Lease: q.o.Lease, Log: q.o.Logger, Life: q.life})
}

// token makes a name that nobody else has.
func token() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// A consumer is one call of Consume; it is the engine of a crew.
type consumer struct {
	q     *Store
	g     queue.Group
	token string
	born  string // of the group when it was registered
	epoch string
	turn  bool // whether new events go before retries

	mu      sync.Mutex
	endings map[int64]digest // first attempts that ended and may be delivered again
}

// begin registers the group, waiting while NATS is away.
func (c *consumer) begin(ctx context.Context) error {
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

// register makes the group and its durable consumer unless they exist.
func (c *consumer) register(ctx context.Context, start queue.Start) error {
	s, err := c.q.ready(ctx)
	if err != nil {
		return c.q.fault(err)
	}
	rec, rev := s.board.record(c.g.Name)
	if rev == 0 {
		if rec, err = c.q.newGroup(ctx, s, c.g.Name, start); err != nil {
			return err
		}
	}
	if err := c.q.attachConsumer(ctx, rec); err != nil {
		return err
	}
	c.born, c.epoch = rec.Born, s.epoch
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endings = nil
	return nil
}

// newGroup registers a group that begins at a start.
func (q *Store) newGroup(ctx context.Context, s *store, name string, start queue.Start) (groupRecord, error) {
	b, at, err := q.locate(ctx, start)
	if err != nil {
		return groupRecord{}, err
	}
	born, err := token()
	if err != nil {
		return groupRecord{}, err
	}
	// What a dropped group of this name may have left is not the new one's.
	if err := q.purgeItems(ctx, name); err != nil {
		return groupRecord{}, err
	}
	rec := groupRecord{Name: name, Born: born, Epoch: b.Epoch, Start: at}
	value, err := json.Marshal(rec)
	if err != nil {
		return groupRecord{}, err
	}
	err = q.write(ctx, s, groupKey(name), value, 0)
	if !conflict(err) {
		return rec, err
	}
	// Another process was quicker.
	if err := q.refresh(ctx, s, groupKey(name)); err != nil {
		return groupRecord{}, err
	}
	rec, rev := s.board.record(name)
	if rev == 0 {
		return groupRecord{}, q.fault(errors.New("the group was dropped at this moment"))
	}
	return rec, nil
}

// maxAckPending bounds the first attempts of a group that are under way anywhere.
const maxAckPending = 20_000

// attachConsumer makes the durable consumer that hands out a group's new events.
func (q *Store) attachConsumer(ctx context.Context, rec groupRecord) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := q.js.Consumer(ctx, q.names.stream, consumerOf(rec.Name))
	if err == nil {
		config := c.CachedInfo().Config
		if config.AckWait == q.o.Lease {
			return nil
		}
		config.AckWait = q.o.Lease
		_, err = q.js.UpdateConsumer(ctx, q.names.stream, config)
		return q.fault(err)
	}
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return q.fault(err)
	}
	_, err = q.js.CreateConsumer(ctx, q.names.stream, jetstream.ConsumerConfig{
		Durable: consumerOf(rec.Name), Description: "group " + rec.Name + " of slack-webhook-server",
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: uint64(rec.Start + 1), //nolint:gosec // never negative
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: q.o.Lease, MaxDeliver: -1, MaxAckPending: maxAckPending,
	})
	if errors.Is(err, jetstream.ErrConsumerExists) {
		return nil
	}
	return q.fault(err)
}

// check reports whether the group is still there. In a store of another epoch it is
// registered again, from the beginning, for it has seen nothing there.
func (c *consumer) check(ctx context.Context) (*store, error) {
	s, err := c.q.ready(ctx)
	if err != nil {
		return nil, c.q.fault(err)
	}
	if s.epoch != c.epoch {
		return s, c.register(ctx, queue.Start{})
	}
	if rec, rev := s.board.record(c.g.Name); rev == 0 || rec.Born != c.born {
		return nil, queue.ErrNoGroup
	}
	return s, nil
}

var _ consume.Backend[*hold] = (*consumer)(nil)
