package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
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
	if err := q.life.Enter("consume"); err != nil {
		return err
	}
	defer q.life.Leave()
	defer q.watch.Attend(g)()

	c := &consumer{q: q, g: g, token: remote.NewToken()}
	if err := remote.Until(ctx, q.life, q.o.Logger, "group "+g.Name, func(ctx context.Context) error { return c.register(ctx, g.Start) }); err != nil {
		return fmt.Errorf("consume %s: %w", g.Name, err)
	}
	return consume.Run(ctx, g, h, c, consume.Options{Lease: q.o.Lease, Log: q.o.Logger, Life: q.life})
}

// A consumer is one call of Consume; it is the backend of a consume.Run.
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

// register makes the group and its durable consumer unless they exist.
func (c *consumer) register(ctx context.Context, start queue.Start) error {
	s, err := c.q.ready(ctx)
	if err != nil {
		return c.q.fault(err)
	}
	rec, rev := s.groups.record(c.g.Name)
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
func (q *Store) newGroup(ctx context.Context, s *topic, name string, start queue.Start) (groupRecord, error) {
	b, at, err := q.locate(ctx, start)
	if err != nil {
		return groupRecord{}, err
	}
	// What a dropped group of this name may have left is not the new one's.
	if err := q.purgeItems(ctx, name); err != nil {
		return groupRecord{}, err
	}
	rec := groupRecord{Name: name, Born: remote.NewToken(), Epoch: b.Epoch, Start: at}
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
	rec, rev := s.groups.record(name)
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
func (c *consumer) check(ctx context.Context) (*topic, error) {
	s, err := c.q.ready(ctx)
	if err != nil {
		return nil, c.q.fault(err)
	}
	if s.epoch != c.epoch {
		return s, c.register(ctx, queue.Start{})
	}
	if rec, rev := s.groups.record(c.g.Name); rev == 0 || rec.Born != c.born {
		return nil, queue.ErrNoGroup
	}
	return s, nil
}

var _ consume.Backend[*lease] = (*consumer)(nil)

// A lease is one of this process: on a first attempt, by the consumer's message, or on
// a later one, by an item in the bucket.
type lease struct {
	group    string
	seq      int64
	attempts int
	record   []byte
	received time.Time
	reply    string // where to acknowledge a first attempt; "" for an item

	mu      sync.Mutex
	item    item
	renewed time.Time
	over    bool            // its end was recorded
	conn    <-chan struct{} // the connection of a first attempt's delivery; see renewed
}

// Take implements consume.Backend. Retries that are due and new events share the workers, so
// that neither a backlog nor a storm of failures starves the other.
func (c *consumer) Take(ctx context.Context, n int) ([]consume.Item[*lease], error) {
	for ctx.Err() == nil {
		s, err := c.check(ctx)
		if err != nil {
			return nil, err
		}
		items, err := c.takeBoth(ctx, s, n)
		if err != nil || len(items) > 0 {
			return items, err
		}
		items, err = c.await(ctx, s, n)
		if err != nil || len(items) > 0 {
			return items, err
		}
	}
	return nil, nil
}

// takeBoth takes what there is now, when there is something that was tried before.
func (c *consumer) takeBoth(ctx context.Context, s *topic, n int) ([]consume.Item[*lease], error) {
	if s.groups.until(c.g.Name, s.now(), c.q.o.Lease, idle, c.g.Policy.Longest()) > 0 {
		return nil, nil // nothing is due
	}
	share := (n + 1) / 2
	c.turn = !c.turn
	if c.turn {
		share = n / 2
	}
	items, err := c.claim(ctx, s, share)
	if err != nil || len(items) == n {
		return items, err
	}
	fresh, err := c.fresh(ctx, s, n-len(items), 0)
	if err != nil {
		return items, errIfNone(err, items)
	}
	items = append(items, fresh...)
	if len(items) < n {
		more, err := c.claim(ctx, s, n-len(items))
		return append(items, more...), errIfNone(err, append(items, more...))
	}
	return items, nil
}

// errIfNone returns err unless there are items all the same: the error will come again.
func errIfNone(err error, items []consume.Item[*lease]) error {
	if len(items) > 0 {
		return nil
	}
	return err
}

// await waits for new events, but no longer than until a retry is due.
func (c *consumer) await(ctx context.Context, s *topic, n int) ([]consume.Item[*lease], error) {
	ctx, cancel := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		defer cancel()
		c.watchDue(ctx, s)
	})
	defer watcher.Wait()
	defer cancel()
	return c.fresh(ctx, s, n, idle)
}

// watchDue returns when something is due, the group is gone or ctx is done.
func (c *consumer) watchDue(ctx context.Context, s *topic) {
	for ctx.Err() == nil {
		changed := s.groups.changes()
		if _, rev := s.groups.record(c.g.Name); rev == 0 {
			return
		}
		wait := s.groups.until(c.g.Name, s.now(), c.q.o.Lease, idle, c.g.Policy.Longest())
		if wait == 0 {
			return
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-t.C:
		}
		t.Stop()
	}
}

// fresh pulls at most n new events.
func (c *consumer) fresh(ctx context.Context, s *topic, n int, wait time.Duration) ([]consume.Item[*lease], error) {
	list, err := c.q.pull(ctx, consumerOf(c.g.Name), n, wait)
	if errors.Is(err, queue.ErrNoGroup) {
		_, err = c.check(ctx) // the stream may have gone with it
	}
	if err != nil {
		return nil, c.q.fault(err)
	}
	var items []consume.Item[*lease]
	for _, m := range list {
		item, ok, wrong := c.first(ctx, s, m)
		if ok {
			items = append(items, item)
		}
		err = errors.Join(err, wrong) // the others were delivered all the same
	}
	return items, errIfNone(err, items)
}

// first makes an item of a message. One that was delivered before has crashed, unless it
// is still being handled here or was moved on before its acknowledgement was lost. A
// server that crashed may also have forgotten that it delivered one, and counts anew.
func (c *consumer) first(ctx context.Context, s *topic, m *natsgo.Msg) (consume.Item[*lease], bool, error) {
	meta, err := m.Metadata()
	if err != nil {
		return consume.Item[*lease]{}, false, err
	}
	seq := int64(meta.Sequence.Stream) //nolint:gosec // below 2^53
	e, err := decode(s.epoch, seq, m.Data)
	if err != nil {
		return consume.Item[*lease]{}, false, err
	}
	tries := int(meta.NumDelivered) //nolint:gosec // small
	h := &lease{group: c.g.Name, seq: seq, attempts: tries, record: m.Data, received: e.ReceivedAt, reply: m.Reply, renewed: time.Now(), conn: c.q.renewed()}
	if c.q.takesOver(c.g.Name, seq, m.Data, m.Reply) {
		return consume.Item[*lease]{}, false, nil
	}
	moved, err := c.moved(ctx, s, seq, tries, m.Data)
	if err != nil {
		return consume.Item[*lease]{}, false, err
	}
	if moved || c.ended(seq, m.Data) {
		return consume.Item[*lease]{}, false, c.q.acknowledge(ctx, m.Reply)
	}
	if tries > 1 {
		h.attempts--
	}
	c.q.addLease(h)
	return consume.Item[*lease]{Lease: h, Event: e, Attempt: h.attempts, Crashed: tries > 1}, true, nil
}

// claim takes leases on items that are due or whose lease has ended. One that was begun
// is seen to its end: what it leased would lie idle.
func (c *consumer) claim(ctx context.Context, s *topic, n int) ([]consume.Item[*lease], error) {
	ctx = context.WithoutCancel(ctx)
	var items []consume.Item[*lease]
	for _, i := range s.groups.claimable(c.g.Name, n, s.now(), c.q.o.Lease, c.g.Policy.Longest()) {
		item, ok, err := c.claimOne(ctx, s, i)
		if err != nil {
			return items, errIfNone(err, items)
		}
		if ok {
			items = append(items, item)
		}
	}
	return items, nil
}

// claimOne leases one item, unless another process was quicker.
func (c *consumer) claimOne(ctx context.Context, s *topic, i groupItem) (consume.Item[*lease], bool, error) {
	var none consume.Item[*lease]
	key := workKey(c.g.Name, i.seq)
	now, rec, rev, err := c.q.load(ctx, c.g.Name, i.seq)
	if err != nil {
		return none, false, err
	}
	if rev != i.rev {
		return none, false, c.q.refresh(ctx, s, key)
	}
	crashed := now.State == leased
	if !crashed {
		now.Attempts++
	}
	now.State, now.Owner = leased, c.token
	now, err = c.put(ctx, s, i.seq, now, rec, i.rev)
	if conflict(err) {
		return none, false, c.q.refresh(ctx, s, key)
	}
	if err != nil {
		return none, false, err
	}
	e, err := decode(s.epoch, i.seq, rec)
	if err != nil {
		return none, false, err
	}
	h := &lease{group: c.g.Name, seq: i.seq, attempts: now.Attempts, record: rec, received: e.ReceivedAt, item: now, renewed: time.Now()}
	c.q.addLease(h)
	return consume.Item[*lease]{Lease: h, Event: e, Attempt: now.Attempts, Crashed: crashed}, true, nil
}

// put writes an item and returns it with its new revision.
func (c *consumer) put(ctx context.Context, s *topic, seq int64, i item, rec []byte, rev uint64) (item, error) {
	value, err := i.encode(rec)
	if err != nil {
		return item{}, err
	}
	key := workKey(c.g.Name, seq)
	if err := c.q.write(ctx, s, key, value, rev); err != nil {
		return item{}, err
	}
	now, ok := s.groups.item(c.g.Name, seq)
	if !ok {
		return item{}, fmt.Errorf("item %s: %w", key, queue.ErrUnavailable)
	}
	return now, nil
}
