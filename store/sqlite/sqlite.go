// Package sqlite keeps events and small values in two files of a directory: the default
// backend, which needs no other program.
//
// It promises what package queue promises, and for durability: Publish returns after
// the fsync of the write-ahead log that holds the event, so that neither a crash nor a
// power loss takes what was acknowledged, as far as the disk keeps its word. After a
// failed write or fsync nothing is acknowledged until the store was closed, made
// durable anew, reopened and checked; that happens by itself, and meanwhile calls fail
// with [queue.ErrUnavailable].
//
// One process owns a directory; a second one gets [queue.ErrLocked]. The files can be
// read with the sqlite3 program while the owner runs; they must not be written.
//
// One goroutine, the writer, writes all of the events' file, in transactions that it shares
// among all callers that wait: see writer.go for the order of things, seen.go for
// deduplication, group.go for the consumers' state, migrate.go for the tables and for files
// of earlier builds. Readers have their own connections and never block it. The small values
// are in values.go.
//
// The files do not shrink: the space that retention frees is used again.
package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// What zero Options mean.
const (
	DefaultTopic          = "slack.events"
	DefaultDedupeTTL      = 48 * time.Hour
	DefaultRetentionAge   = 30 * 24 * time.Hour
	DefaultRetentionCount = 1_000_000
)

// Synchronous says when a commit is durable.
type Synchronous string

const (
	// Full waits for the fsync of the write-ahead log with each commit.
	Full Synchronous = "full"
	// Normal leaves the writing to the operating system: a crash of the process loses
	// nothing, a power loss what was acknowledged in the last seconds.
	Normal Synchronous = "normal"
)

// Options configure a Store.
type Options struct {
	// Dir is the directory of the store; it is made, for the owner alone, unless it
	// exists. Required.
	Dir string
	// Topic names the queue within the store; each has its own file. "" means "slack.events".
	Topic string
	// DedupeTTL is how long an event id counts as seen; 0 means 48 hours.
	DedupeTTL time.Duration
	// RetentionAge is how long an event, or a dead letter, is kept that no group waits
	// for; 0 means 30 days, and a negative value leaves it to RetentionCount.
	RetentionAge time.Duration
	// RetentionCount is how many events are kept at most; 0 means 1,000,000.
	RetentionCount int
	// NoWords keeps no index of the words in events: less is written with each, and a search for words reads the
	// events one by one.
	NoWords bool
	// Synchronous is Full unless it says otherwise.
	Synchronous Synchronous
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Aging says by which time events, dead letters and ids grow old, of what the clock shows; nil is
	// the clock.
	Aging func(now time.Time) time.Time
	// Believed is the time by which small values end, of what the clock shows; nil is the clock.
	Believed func(now time.Time) time.Time
	// Settled says whether small values may be removed by that time; until then those that have ended are not
	// shown, and stay. nil is always.
	Settled func() bool
	// Logger gets lines about trouble and recovery; nil is silent.
	Logger *slog.Logger
}

// maxTopic bounds a topic's name, so that every file system takes the file's.
const maxTopic = 75

func (o Options) normalize() (Options, error) {
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	if o.Synchronous == "" {
		o.Synchronous = Full
	}
	switch {
	case o.Dir == "":
		return o, errors.New("sqlite queue: Dir is missing")
	case len(o.Topic) > maxTopic:
		return o, fmt.Errorf("sqlite queue: Topic has %d bytes, at most %d are possible", len(o.Topic), maxTopic)
	case o.DedupeTTL < 0:
		return o, errors.New("sqlite queue: DedupeTTL is negative")
	case o.RetentionCount < 0:
		return o, errors.New("sqlite queue: RetentionCount is negative")
	case o.Synchronous != Full && o.Synchronous != Normal:
		return o, fmt.Errorf("sqlite queue: Synchronous is %q: use full or normal", o.Synchronous)
	}
	if o.DedupeTTL == 0 {
		o.DedupeTTL = DefaultDedupeTTL
	}
	if o.RetentionAge == 0 {
		o.RetentionAge = DefaultRetentionAge
	}
	if o.RetentionCount == 0 {
		o.RetentionCount = DefaultRetentionCount
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Aging == nil {
		o.Aging = func(now time.Time) time.Time { return now }
	}
	if o.Believed == nil {
		o.Believed = func(now time.Time) time.Time { return now }
	}
	if o.Settled == nil {
		o.Settled = func() bool { return true }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// A Store is a queue.Queue in a SQLite file, with small values beside it. Make one with Open.
type Store struct {
	o       Options
	files   *files
	mail    *mailbox
	feed    *feed
	shelf   shelf
	readers *readers
	values  *smallValues
	note    *positionNote
	damage  damage
	recent  recent

	life    context.Context // done, with ErrClosed as cause, once Close was called
	end     context.CancelCauseFunc
	closing sync.Once
	users   sync.WaitGroup // calls of Consume and Tail
	stop    chan struct{}  // closed when the writer is to finish what is in the mailbox and end
	stopped chan struct{}  // closed when the writer has ended
	closed  error          // what closing the store answered; set before stopped

	mu   sync.Mutex
	view view // as of the last commit; guarded by mu
}

var _ queue.Queue = (*Store)(nil)

// Open opens the store in o.Dir, or makes it, and becomes its owner until Close. What
// an earlier process left unfinished is put back on the schedule. Errors: ErrLocked, an
// option that is wrong, a store of a newer layout, what the operating system says, and
// *DamageError: a file is damaged, or what was acknowledged is missing. Then nothing was
// written.
func Open(ctx context.Context, o Options) (*Store, error) { return openStore(ctx, o, false) }

// Accept opens a store whose Open answers a *DamageError, and goes on without what is
// missing: what cannot be opened is set aside under another name, and a log that has lost
// acknowledged events begins a new epoch, so that no position is given out twice.
func Accept(ctx context.Context, o Options) (*Store, error) { return openStore(ctx, o, true) }

func openStore(ctx context.Context, o Options, accept bool) (*Store, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sqlite queue: open: %w", err)
	}
	f, err := own(o.Dir, o.Topic)
	if err != nil {
		return nil, fmt.Errorf("sqlite queue: %w", filesOf(o.Dir, o.Topic).named(err))
	}
	before, err := f.prepare(accept, o.Logger)
	if err != nil {
		f.release()
		return nil, fmt.Errorf("sqlite queue: %w", f.named(err))
	}
	q := &Store{
		o: o, files: f, mail: newMailbox(), feed: newFeed(), readers: newReaders(f.db),
		note: &positionNote{path: f.note, log: o.Logger, now: before},
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	q.life, q.end = context.WithCancelCause(context.WithoutCancel(ctx))
	w := newWriter(q)
	w.before, w.accept = before, accept
	if q.values, err = openValues(f.values, before.Values, accept, q.note, o); err == nil { //nolint:contextcheck // The files stay open when the call of Open is over.
		err = w.open(true) //nolint:contextcheck // As above.
	}
	if unreadable(err) {
		err = &DamageError{f.db, "cannot be read (" + err.Error() + ")", repairRemedy}
	}
	if err != nil {
		return nil, fmt.Errorf("sqlite queue: %w", errors.Join(f.named(q.everything(ctx, err)), w.abandonStore()))
	}
	go w.run() //nolint:contextcheck // As above.
	return q, nil
}

// everything is the error of Open with all that is damaged, and not with the first of it alone.
func (q *Store) everything(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*DamageError](err); !ok {
		return err
	}
	r, failed := Check(ctx, q.o.Dir, q.o.Topic, false)
	if failed != nil || len(r.Problems) == 0 {
		return err
	}
	var all []error
	for _, p := range r.Problems {
		all = append(all, p)
	}
	return errors.Join(all...)
}

// Publish stores e and returns when it is durable; see queue.Queue.
func (q *Store) Publish(ctx context.Context, e event.Event) (queue.Receipt, error) {
	if err := queue.CheckEvent(&e); err != nil {
		return queue.Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return queue.Receipt{}, fmt.Errorf("publish: %w", err)
	}
	// The copy lets the caller have its buffer back even when ctx ends first, and is
	// what the readers that follow the log are given.
	e.Raw = bytes.Clone(e.Raw)
	key := eventlog.KeyOf(e.Source, e.ID)
	var words []uint32
	if !q.o.NoWords {
		words = eventlog.WordsOf(&e)
	}
	for {
		b, i, full, err := q.mail.publish(&e, key, words)
		if err != nil {
			return queue.Receipt{}, fmt.Errorf("publish: %w", err)
		}
		wait := full
		if b != nil {
			wait = b.done
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return queue.Receipt{}, fmt.Errorf("publish: %w", ctx.Err())
		}
		if b == nil {
			continue
		}
		if err := cmp.Or(b.err, b.entries[i].err); err != nil {
			return queue.Receipt{}, fmt.Errorf("publish: %w", err)
		}
		return b.entries[i].receipt, nil
	}
}

// call has the writer do something in its next transaction, and waits for the commit.
func (q *Store) call(ctx context.Context, op string, do func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	c := &call{do: do}
	b, err := q.mail.call(c)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", op, ctx.Err())
	case <-q.stopped:
		return fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	if err := cmp.Or(b.err, c.err); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// local has the writer do something that touches no file, and waits for it. It does
// nothing when the writer has ended.
func (q *Store) local(do func(*writer)) {
	c := &call{local: true, do: func(w *writer) error { do(w); return nil }}
	b, err := q.mail.call(c)
	if err != nil {
		return
	}
	select {
	case <-b.done:
	case <-q.stopped:
	}
}

// closeGrace bounds how long Close waits for handlers that it has cancelled, and for
// readers.
const closeGrace = 5 * time.Second

// Close ends all calls, waits a moment for handlers, whose contexts it cancels, and
// gives the store back. It is idempotent, and a second call waits for the first.
func (q *Store) Close() error {
	q.closing.Do(func() {
		q.mail.shut(queue.ErrClosed)
		q.mu.Lock() // see enter
		q.end(queue.ErrClosed)
		q.mu.Unlock()
		ended := make(chan struct{})
		go func() {
			q.users.Wait()
			close(ended)
		}()
		grace := time.NewTimer(closeGrace)
		defer grace.Stop()
		select {
		case <-ended:
		case <-grace.C:
		}
		close(q.stop)
	})
	<-q.stopped
	return q.closed
}

// enter counts a call of Consume or Tail in. The function ends it.
func (q *Store) enter(op string) (func(), error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return nil, fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	q.users.Add(1)
	return q.users.Done, nil
}

// bounds are the log's as of the last commit.
func (q *Store) bounds() eventlog.Bounds {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.view.bounds()
}

// unavailable wraps the cause for which the store cannot be used.
func unavailable(err error) error {
	if errors.Is(err, queue.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
}
