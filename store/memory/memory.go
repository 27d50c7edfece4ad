package memory

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/values"
	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// A Store is a queue.Queue in memory, with small values beside it. Make one with New.
type Store struct {
	o     Options
	epoch string
	life  context.Context // done, with ErrClosed as cause, once Close was called
	end   context.CancelCauseFunc

	mu      sync.Mutex
	log     events
	seen    seen
	pinned  pins
	bytes   int // of log and pinned
	groups  map[string]*group
	values  *smallValues
	changed chan struct{} // closed at the next change of the log; nil when nobody waits
}

var _ queue.Queue = (*Store)(nil)

// New makes an empty store of a new epoch. The error names the option that is wrong.
func New(o Options) (*Store, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	var epoch [4]byte
	if _, err := rand.Read(epoch[:]); err != nil {
		return nil, fmt.Errorf("memory queue: make an epoch: %w", err)
	}
	q := &Store{
		o: o, epoch: hex.EncodeToString(epoch[:]),
		pinned: pins{records: map[int64]*record{}}, groups: map[string]*group{},
	}
	q.values = &smallValues{s: q, watchers: values.NewWatchers(), entries: map[string]state.Entry{}}
	q.life, q.end = context.WithCancelCause(context.Background())
	return q, nil
}

// Publish stores e; see queue.Queue. It never waits.
func (q *Store) Publish(ctx context.Context, e event.Event) (queue.Receipt, error) {
	if err := queue.CheckEvent(&e); err != nil {
		return queue.Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return queue.Receipt{}, fmt.Errorf("publish: %w", err)
	}
	key := eventlog.KeyOf(e.Source, e.ID)
	e.Raw = bytes.Clone(e.Raw)
	size := sizeOf(&e)

	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return queue.Receipt{}, fmt.Errorf("publish: %w", queue.ErrClosed)
	}
	now := q.o.Now()
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = now
	}
	if seq, ok := q.seen.find(key, now, q.o.DedupeTTL); ok {
		return queue.Receipt{Position: q.position(seq), Duplicate: true}, nil
	}
	q.expire(now)
	if !q.makeRoom(size) {
		return queue.Receipt{}, fmt.Errorf("publish: %w: %d events and %d bytes are kept and none is finished", queue.ErrFull, q.kept(), q.bytes)
	}
	seq := q.log.last() + 1
	e.Position = q.position(seq)
	q.log.append(&record{event: e, size: size, key: key})
	q.bytes += size
	q.seen.add(key, seq, now, q.o.DedupeTTL)
	q.announce()
	return queue.Receipt{Position: e.Position}, nil
}

// announce wakes who waits for a new event. Requires q.mu.
func (q *Store) announce() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
	for _, g := range q.groups {
		g.signal()
	}
}

// next returns a channel that is closed when the log grows. Requires q.mu.
func (q *Store) next() <-chan struct{} {
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return q.changed
}

// Close ends all calls and forgets everything. It is idempotent.
func (q *Store) Close() error {
	q.end(queue.ErrClosed)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, g := range q.groups {
		g.stopTimer()
	}
	q.values.close()
	return nil
}

func (q *Store) position(seq int64) event.Position { return q.bounds().Position(seq) }

func (q *Store) bounds() eventlog.Bounds {
	return eventlog.Bounds{Epoch: q.epoch, Trimmed: q.log.trimmed, Last: q.log.last()}
}

// enter begins an operator's or a reader's call: it takes the lock, removes what has
// expired, and refuses when the queue is closed.
func (q *Store) enter(ctx context.Context, op string) error {
	if q.life.Err() != nil {
		return fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	q.mu.Lock()
	q.expire(q.o.Now())
	return nil
}

// sizeOf is what an event counts against MaxBytes: its bytes and a share for the rest.
func sizeOf(e *event.Event) int {
	const overhead = 400 // the struct, its pointers and its place in the tables
	return overhead + len(e.Raw) + len(e.Source) + len(e.ID) + len(e.Kind.Type) + len(e.Kind.Subtype) +
		len(e.Team) + len(e.Channel) + len(e.ChannelType) + len(e.User) + len(e.Thread) + len(e.Retry.Reason)
}

// since returns the age limit's instant, and whether there is one.
func (q *Store) since(now time.Time) (time.Time, bool) {
	return now.Add(-q.o.RetentionAge), q.o.RetentionAge > 0
}
