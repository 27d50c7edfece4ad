// Package memory is a queue, with small values beside it, that lives in the process: for
// tests, for the sandbox, and where it is acceptable that a restart forgets everything.
//
// It promises all that package queue promises but for persistence: nothing survives
// the process, neither events nor seen ids nor the retry schedule nor values, and
// [queue.Stats] says so. It is bounded by the number and the bytes of what it keeps;
// when nothing may be removed, Publish fails with [queue.ErrFull], and of an event that alone
// is larger than all that is kept, with [queue.ErrTooLong].
//
// See [New].
package memory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	changed chan struct{} // closed at the next change of the log; nil when no reader waits
}

var _ queue.Queue = (*Store)(nil)

// New makes an empty store of a new epoch. The error names the option that is wrong.
func New(o Options) (*Store, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	q := &Store{
		o: o, epoch: eventlog.NewEpoch(),
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
	size := sizeOf(&e)
	if size > q.o.MaxBytes {
		return queue.Receipt{}, fmt.Errorf("publish: %w: it has %d bytes, and the store in memory keeps %d in all: choose another store by QUEUE_BACKEND_TYPE", queue.ErrTooLong, size, q.o.MaxBytes)
	}
	e.Raw = bytes.Clone(e.Raw)

	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return queue.Receipt{}, fmt.Errorf("publish: %w", queue.ErrClosed)
	}
	now := q.o.Now()
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = now
	}
	if seq, ok := q.seen.find(key, q.o.Aging(now), q.o.DedupeTTL); ok {
		return queue.Receipt{Position: q.position(seq), Duplicate: true}, nil
	}
	q.expire(now)
	if !q.makeRoom(size) {
		return queue.Receipt{}, fmt.Errorf("publish: %w: %d events and %d bytes are kept and none is finished", queue.ErrFull, q.kept(), q.bytes)
	}
	seq := q.log.last() + 1
	e.Position = q.position(seq)
	q.log.append(&record{event: e, size: size, key: key, stored: now})
	q.bytes += size
	q.seen.add(key, seq, now, q.o.DedupeTTL)
	q.announce()
	return queue.Receipt{Position: e.Position}, nil
}

// announce wakes the readers and consumers that wait for a new event. Requires q.mu.
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
		len(e.Team) + len(e.Channel) + len(e.ChannelType) + len(e.User) + len(e.Thread) + len(e.Retry.Reason) + len(e.Headers)
}

// since returns the age limit's instant, and whether there is one.
func (q *Store) since(now time.Time) (time.Time, bool) {
	return now.Add(-q.o.RetentionAge), q.o.RetentionAge > 0
}

// What zero Options mean.
const (
	DefaultDedupeTTL      = 48 * time.Hour
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 100_000
	DefaultMaxBytes       = 8 << 20
)

// Options configure a Store.
type Options struct {
	// DedupeTTL is how long an event id is remembered; 0 means 48 hours. A remembered
	// id costs about 50 bytes, also after its event is gone.
	DedupeTTL time.Duration
	// Aging says by which time events, dead letters and ids grow old, of what the clock shows; nil is
	// the clock.
	Aging func(now time.Time) time.Time
	// RetentionAge is how long an event is kept that no group waits for; 0 means 7
	// days, and a negative value keeps it until the other bounds are reached.
	RetentionAge time.Duration
	// RetentionCount is how many events are kept at most; 0 means 100,000.
	RetentionCount int
	// MaxBytes bounds the bodies and fields of what is kept; 0 means 8 MiB: some 6,000
	// events, with which a small process stays below 64 MiB.
	MaxBytes int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o Options) normalize() (Options, error) {
	switch {
	case o.DedupeTTL < 0:
		return o, errors.New("memory queue: DedupeTTL is negative")
	case o.RetentionCount < 0:
		return o, errors.New("memory queue: RetentionCount is negative")
	case o.MaxBytes < 0:
		return o, errors.New("memory queue: MaxBytes is negative")
	}
	if o.Aging == nil {
		o.Aging = func(now time.Time) time.Time { return now }
	}
	o.DedupeTTL = cmp.Or(o.DedupeTTL, DefaultDedupeTTL)
	o.RetentionAge = cmp.Or(o.RetentionAge, DefaultRetentionAge)
	o.RetentionCount = cmp.Or(o.RetentionCount, DefaultRetentionCount)
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// Stats counts; see queue.Queue.
func (q *Store) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.enter(ctx, "stats"); err != nil {
		return queue.Stats{}, err
	}
	defer q.mu.Unlock()
	last := q.log.last()
	s := queue.Stats{
		Backend:    "memory",
		Durability: "nothing survives the end of the process: events, seen ids and the retry schedule are lost",
		Epoch:      q.epoch,
		Accepted:   last,
		Expired:    q.log.trimmed,
		Events:     int64(q.log.len()),
		SeenIDs:    int64(q.seen.len()),
		Bytes:      int64(q.bytes),
		MostBytes:  int64(q.o.MaxBytes),
	}
	if q.log.len() > 0 {
		s.Oldest, s.Newest = q.position(q.log.trimmed+1), q.position(last)
	}
	now := q.o.Now()
	for _, name := range slices.Sorted(maps.Keys(q.groups)) {
		g := q.groups[name]
		gs := g.stats(last)
		gs.OldestWaiting = q.oldestWaiting(g)
		gs.StalledSince = q.stalledSince(g, now)
		s.Groups = append(s.Groups, gs)
	}
	return s, nil
}

// oldestWaiting is when the oldest event was received that the group has not finished.
// Requires q.mu.
func (q *Store) oldestWaiting(g *group) time.Time {
	oldest := g.cursor + 1
	for seq, w := range g.work {
		if w.state != dead {
			oldest = min(oldest, seq)
		}
	}
	if r := q.stored(oldest); r != nil {
		return r.event.ReceivedAt
	}
	return time.Time{}
}

// stallGrace is how much longer than a whole attempt nothing may be delivered while
// events are due, before the group counts as stalled.
const stallGrace = 10 * time.Second

// stalledSince is when the watchdog saw that events were due and that for longer than
// an attempt may take nothing was delivered. Requires q.mu.
func (q *Store) stalledSince(g *group, now time.Time) time.Time {
	if g.consumers == 0 {
		return time.Time{}
	}
	var due time.Time
	if r := q.stored(g.cursor + 1); r != nil {
		due = r.event.ReceivedAt
	}
	if len(g.due) > 0 && (due.IsZero() || g.due[0].at.Before(due)) {
		due = g.due[0].at
	}
	if due.IsZero() {
		return time.Time{}
	}
	if due.Before(g.lastMove) {
		due = g.lastMove
	}
	if seen := due.Add(g.maxDeadline + stallGrace); !seen.After(now) {
		return seen
	}
	return time.Time{}
}
