package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Bounds of one batch, so that the script, during which Redis does nothing else, takes
// about a millisecond.
const (
	maxBatch      = 128
	maxBatchBytes = 1 << 20
)

// publishTimeout is how long a batch may take: Slack gives up after three seconds.
const publishTimeout = 2 * time.Second

// publishing is one event on its way.
type publishing struct {
	digest   eventlog.Key
	received int64 // Unix microseconds
	record   []byte
}

// Publish stores e; see queue.Queue. Calls at the same time share a script.
func (q *Store) Publish(ctx context.Context, e event.Event) (queue.Receipt, error) {
	if err := queue.CheckEvent(&e); err != nil {
		return queue.Receipt{}, err
	}
	if err := q.life.Check(ctx, "publish"); err != nil {
		return queue.Receipt{}, err
	}
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = time.Now()
	}
	p := publishing{
		digest: eventlog.KeyOf(e.Source, e.ID), received: e.ReceivedAt.UnixMicro(),
		record: remote.AppendRecord(make([]byte, 0, len(e.Raw)+256), &e),
	}
	r, err := q.publishes.Do(ctx, p, queue.ErrClosed)
	switch {
	case err == nil && r == full:
		return queue.Receipt{}, fmt.Errorf("publish: %w: %d events are kept and none is finished", queue.ErrFull, q.o.RetentionCount)
	case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, queue.ErrUnavailable):
		// The caller's time is over, which only a slow Redis can bring about.
		return queue.Receipt{}, fmt.Errorf("publish: %w: %w", queue.ErrUnavailable, err)
	case err != nil:
		return queue.Receipt{}, fmt.Errorf("publish: %w", err)
	}
	return r, nil
}

// full stands for a refusal among the receipts of a batch; no receipt is like it.
var full = queue.Receipt{Position: "", Duplicate: true}

// publish stores a batch. Where the store is full, it removes finished events and tries those events
// once more.
func (q *Store) publish(list []publishing) ([]queue.Receipt, error) {
	ctx, cancel := context.WithTimeout(q.background(), publishTimeout)
	defer cancel()
	receipts, err := q.append(ctx, list)
	if err != nil || !slices.Contains(receipts, full) {
		return receipts, err
	}
	if err := q.sweep(ctx, true); err != nil {
		return nil, err
	}
	var refused []int
	var again []publishing
	for i, r := range receipts {
		if r == full {
			refused = append(refused, i)
			again = append(again, list[i])
		}
	}
	second, err := q.append(ctx, again)
	for i, r := range second {
		receipts[refused[i]] = r
	}
	return receipts, err
}

// append runs the script.
func (q *Store) append(ctx context.Context, list []publishing) ([]queue.Receipt, error) {
	known := q.horizon()
	args := make([]any, 0, 6+3*len(list))
	ttl, age := q.ages(time.Now().Add(time.Duration(q.ahead.Load())))
	args = append(args, eventlog.NewEpoch(), ttl, age, q.o.RetentionCount, known.seq, known.epoch)
	for i := range list {
		args = append(args, list[i].digest[:], list[i].received, list[i].record)
	}
	k := q.keys
	v, err := q.eval(ctx, publishScript, []string{k.meta, k.log, k.kept, k.ids, k.seen, k.groups, k.pins}, args...)
	if err != nil {
		return nil, err
	}
	r := reply{list: v}
	b := eventlog.Bounds{Epoch: r.text()}
	receipts := make([]queue.Receipt, len(list))
	for i := range list {
		code, seq := r.number(), r.number()
		switch code {
		case 0, 1:
			receipts[i] = queue.Receipt{Position: b.Position(seq), Duplicate: code == 1}
			b.Last = max(b.Last, seq)
		default:
			receipts[i] = full
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("%w: redis: %w", queue.ErrUnavailable, r.err)
	}
	q.noticed(b.Epoch, b.Last)
	return receipts, nil
}

// background is the context of work that outlives the caller that happened to start it.
func (q *Store) background() context.Context { return context.WithoutCancel(q.life) }

// horizon returns how far this process has seen the store.
func (q *Store) horizon() horizon {
	if h := q.known.Load(); h != nil {
		return *h
	}
	return horizon{}
}

// noticed moves the horizon.
func (q *Store) noticed(epoch string, seq int64) {
	for {
		old := q.known.Load()
		if old != nil && old.epoch == epoch && old.seq >= seq {
			return
		}
		if q.known.CompareAndSwap(old, &horizon{epoch: epoch, seq: seq}) {
			return
		}
	}
}

// ages are the TTL of ids and the age of events in microseconds, as the scripts take them: no age, and a
// TTL without end, while the database's clock is doubted.
func (q *Store) ages(now time.Time) (ttl, age int64) {
	if !q.o.Aging(now).Equal(now) {
		return forEver.Microseconds(), 0
	}
	return q.o.DedupeTTL.Microseconds(), max(q.o.RetentionAge, 0).Microseconds()
}

// forEver is a TTL that nothing outlives.
const forEver = 100 * 365 * 24 * time.Hour

// maxSweeps bounds how often one call goes on while there is more to remove.
const maxSweeps = 16

// sweep removes what retention is over for. With full it also removes the oldest events
// of which only dead letters are left, when the store is full.
func (q *Store) sweep(ctx context.Context, full bool) error {
	now, err := q.client.Time(ctx).Result()
	if err != nil {
		return q.fault(err)
	}
	q.ahead.Store(int64(time.Until(now)))
	for range maxSweeps {
		names, err := q.groups(ctx)
		if err != nil {
			return err
		}
		k := q.keys
		keys := []string{k.meta, k.log, k.kept, k.ids, k.seen, k.groups, k.pins}
		for _, name := range names {
			gk := k.group(name)
			keys = append(keys, gk.g, gk.dead, gk.died, gk.works, gk.took)
		}
		want := 0
		if full {
			want = 1
		}
		ttl, age := q.ages(now)
		more, err := q.evalInt(ctx, sweepScript, keys, ttl, age, q.o.RetentionCount, want)
		if err != nil || more == 0 {
			return err
		}
	}
	return nil
}
