// Package nats is a queue in NATS JetStream, with small values beside it: for several
// replicas that behave as one.
//
// It needs nats-server 2.11 or later with JetStream. A topic has one stream of events, in
// which each event has a subject of its own, made from its source and id: publishing
// expects that subject to be empty, which is the deduplication, and atomic
// (docs/adr/0004-nats-dedupe.md). A bucket of keys and values has what groups know of
// events that are neither new nor done: the schedule, leases on later attempts, dead
// letters. A durable consumer for each group hands out the new events; its
// acknowledgement wait is the lease of a first attempt.
//
// It promises all that package queue promises, with these remarks:
//
//   - What a crash of nats-server or a power loss can take is decided by the
//     server's configuration; see [queue.Stats]. Publish waits for JetStream's acknowledgement.
//   - An event's bytes stay on the server's disk until the TTL of its id is over, also
//     when retention has removed it before: it cannot be read through the queue then.
//     The stream discards new messages, never old ones, when an operator's limit is
//     reached, and a trimmer purges what no group needs.
//   - A store that lost its end, by a power loss with unsynced files, gives the positions
//     of what was lost again: JetStream numbers. A running Tail finds the place where
//     the two histories part, and goes on from there.
//   - With several processes the bound on the number of events is kept to within what
//     they publish at the same time.
//   - When nats-server itself crashes it may have forgotten acknowledgements of the last
//     moment: those events are handled again.
//   - While NATS is away Publish fails with [queue.ErrUnavailable], and Consume and Tail
//     wait, with growing pauses, and go on by themselves.
//
// See [Open].
package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
)

// callTimeout bounds one call to NATS that does not wait for events.
const callTimeout = 3 * time.Second

// A Store is a queue.Queue in JetStream, with small values beside it. Make one with Open.
type Store struct {
	o        Options
	names    names
	nc       *natsgo.Conn
	js       jetstream.JetStream
	notifier *remote.Notifier
	quota    quota
	watch    consume.Watchdog
	life     *remote.Life

	opened atomic.Pointer[topic]
	making sync.Mutex // held while the store is being opened

	values *smallValues

	closing sync.Once

	mu     sync.Mutex
	leases map[string]map[int64]*lease // group -> sequence number
	anew   chan struct{}               // closed when the connection was made anew
}

var _ queue.Queue = (*Store)(nil)

// oldest is the first nats-server whose keys and values can expire one by one.
const oldestMajor, oldestMinor = 2, 11

var errTooOld = fmt.Errorf("nats-server is older than %d.%d", oldestMajor, oldestMinor)

// Open makes a store on the NATS of o.URL.
//
// A NATS that cannot be reached is no error: the store waits for it, and ctx bounds how
// long Open looks. One that refuses the credentials, is older than 2.11 or has no
// JetStream is.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	q := &Store{o: o, names: namesOf(o.Topic), notifier: remote.NewNotifier(), leases: map[string]map[int64]*lease{}, anew: make(chan struct{})}
	q.values = newSmallValues(q)
	q.nc, err = dial(ctx, o, func(n *natsgo.Options) {
		n.ReconnectedCB = func(*natsgo.Conn) { q.reconnected() }
		n.ConnectedCB = func(*natsgo.Conn) { q.notifier.Notify(0) }
	})
	if err != nil {
		return nil, err
	}
	q.life = remote.NewLife(ctx)
	if q.js, err = jetstream.New(q.nc, jetstream.WithPublishAsyncMaxPending(4096), jetstream.WithPublishAsyncTimeout(publishTimeout)); err == nil && !o.StateOnly {
		_, err = q.nc.Subscribe(q.names.news, func(m *natsgo.Msg) {
			// The server publishes one such message for each event once it is stored.
			if seq, err := strconv.ParseInt(m.Header.Get(jetstream.SequenceHeader), 10, 64); err == nil {
				q.notifier.Notify(seq)
			}
		})
	}
	if err != nil {
		q.nc.Close()
		return nil, fmt.Errorf("nats queue: %w", err)
	}
	if !o.StateOnly {
		q.life.Go(func(ctx context.Context) { remote.Sweep(ctx, o.RetentionAge, o.Logger, q.sweep) }) //nolint:contextcheck // it lives as long as the store
	}
	if err := q.greet(ctx); err != nil {
		return nil, errors.Join(err, q.Close())
	}
	q.values.begin(ctx)
	q.life.Go(q.values.follow) //nolint:contextcheck // as above
	return q, nil
}

// greet opens the store, unless NATS is away.
func (q *Store) greet(ctx context.Context) error {
	if !q.nc.IsConnected() {
		return nil
	}
	if remote.Older(q.nc.ConnectedServerVersion(), oldestMajor, oldestMinor) {
		return fmt.Errorf("nats queue: %w", errTooOld)
	}
	var err error
	if q.o.StateOnly {
		_, err = q.values.ready(ctx)
	} else {
		_, err = q.ready(ctx)
	}
	if errors.Is(err, natsgo.ErrNoResponders) {
		_, err = q.js.AccountInfo(ctx)
	}
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("nats queue: JetStream is not enabled: start nats-server with -js: %w", err)
	case err != nil:
		q.o.Logger.LogAttrs(ctx, slog.LevelWarn, "jetstream is not ready yet, the queue waits for it", slog.Any("error", err))
		return nil
	}
	q.o.Logger.LogAttrs(ctx, slog.LevelInfo, "queue is open", slog.String("durability", q.durability()))
	return nil
}

// reconnected is called when NATS is back: what was received before may have gaps.
func (q *Store) reconnected() {
	if s := q.opened.Load(); s != nil {
		s.groups.restart()
	}
	q.values.reconnected()
	q.notifier.Notify(0)
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.anew)
	q.anew = make(chan struct{})
}

// renewed returns a channel that is closed when the connection was made anew: a request
// that was sent before may have no answer.
func (q *Store) renewed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.anew
}

// begin begins a short call and returns the store.
func (q *Store) begin(ctx context.Context, op string) (*topic, error) {
	if err := q.life.Check(ctx, op); err != nil {
		return nil, err
	}
	s, err := q.ready(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, q.fault(err))
	}
	return s, nil
}

// Close ends all calls, waits for them, and closes the connection. What the store has
// stays. It is idempotent.
func (q *Store) Close() error {
	q.closing.Do(func() {
		q.life.End()
		q.values.watchers.Close()
		q.life.Wait()
		q.nc.Close()
	})
	return nil
}

// What zero Options mean.
const (
	DefaultTopic          = "slack.events"
	DefaultDedupeTTL      = 48 * time.Hour
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 100_000
	DefaultLease          = 30 * time.Second
	DefaultReplicas       = 1
)

// minLease leaves a renewal, which comes three times in a lease, time for a slow network.
const minLease = 100 * time.Millisecond

// maxTopic bounds a topic's name, so that every name made from it is short enough.
const maxTopic = 64

// maxReplicas is JetStream's.
const maxReplicas = 5

// Options configure a Store.
type Options struct {
	// URL is where NATS is, for example nats://localhost:4222; several servers of a
	// cluster with commas between. tls:// demands TLS. Required. It may hold a password
	// or a token, which no error and no log line repeats.
	URL string
	// CredentialsFile is the path of a file with a user's JWT and seed; "" means none.
	CredentialsFile string
	// Topic names the store inside JetStream; "" means slack.events, the most is 64
	// characters. Those that NATS refuses in a name are escaped, one to one.
	Topic string
	// DedupeTTL is how long an event id is remembered; 0 means 48 hours. A remembered
	// id costs about 200 bytes of nats-server's memory.
	DedupeTTL time.Duration
	// Aging says by which time events, dead letters and ids grow old, of what the database's clock shows; nil is
	// the clock.
	Aging func(now time.Time) time.Time
	// RetentionAge is how long an event is kept that no group waits for; 0 means 7
	// days, and a negative value keeps it until RetentionCount is reached.
	RetentionAge time.Duration
	// RetentionCount is how many events are kept at most; 0 means 100,000.
	RetentionCount int
	// Lease is after which time without a sign of life an attempt counts as crashed; 0
	// means 30 seconds, the least is 100 ms.
	Lease time.Duration
	// Replicas is on how many servers of a cluster everything is stored; 0 means 1, 3
	// survives the loss of one, 5 is the most.
	Replicas int
	// StateOnly is for a process that uses only State: it makes no stream of events, and
	// does not apply retention to one that exists.
	StateOnly bool
	// Logger gets a line when NATS goes away and one when it is back; nil discards.
	Logger *slog.Logger
}

func (o Options) normalize() (Options, error) {
	switch {
	case o.URL == "":
		return o, errors.New("nats queue: URL is missing, for example nats://localhost:4222")
	case len(o.Topic) > maxTopic:
		return o, fmt.Errorf("nats queue: Topic has %d characters, the most is %d", len(o.Topic), maxTopic)
	case o.DedupeTTL < 0:
		return o, errors.New("nats queue: DedupeTTL is negative")
	case o.RetentionCount < 0:
		return o, errors.New("nats queue: RetentionCount is negative")
	case o.Lease < 0 || o.Lease > 0 && o.Lease < minLease:
		return o, fmt.Errorf("nats queue: Lease is %v, the least is %v", o.Lease, minLease)
	case o.Replicas < 0 || o.Replicas > maxReplicas:
		return o, fmt.Errorf("nats queue: Replicas is %d, want 1 to %d", o.Replicas, maxReplicas)
	}
	o.Topic = cmp.Or(o.Topic, DefaultTopic)
	if o.Aging == nil {
		o.Aging = func(now time.Time) time.Time { return now }
	}
	o.DedupeTTL = cmp.Or(o.DedupeTTL, DefaultDedupeTTL)
	o.RetentionAge = cmp.Or(o.RetentionAge, DefaultRetentionAge)
	o.RetentionCount = cmp.Or(o.RetentionCount, DefaultRetentionCount)
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	o.Replicas = cmp.Or(o.Replicas, DefaultReplicas)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// durability says what is lost when. JetStream does not report its sync interval.
func (q *Store) durability() string {
	const interval = "nats-server does not tell its sync_interval, which is 2 minutes unless its configuration says otherwise; \"sync_interval: always\" loses nothing"
	if n := q.o.Replicas; n > 1 {
		return fmt.Sprintf("%d replicas: the loss of %d of their servers takes nothing that was acknowledged; a power loss that takes most of them at once takes what they had not synced (%s)", n, (n-1)/2, interval)
	}
	return "1 replica: a crash of nats-server takes nothing that was acknowledged, a power loss what it had not synced, and a lost disk everything; " + interval
}

// fault says what a failed call means to the queue's caller.
func (q *Store) fault(err error) error {
	switch {
	case err == nil:
		return nil
	case q.life.Err() != nil:
		// Only Close ends the queue. The client's own "connection closed" also meets calls
		// that wait for an answer when a connection breaks that is then made anew.
		return queue.ErrClosed
	case errors.Is(err, queue.ErrUnavailable), errors.Is(err, queue.ErrFull), errors.Is(err, queue.ErrNoGroup):
		return err
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, natsgo.ErrMaxPayload):
		return fmt.Errorf("%w: nats: %w: raise max_payload in the server's configuration", queue.ErrTooLong, err)
	case exhausted(err):
		return fmt.Errorf("%w: nats has reached a limit: %w", queue.ErrFull, err)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrBucketNotFound) {
		q.forget()
	}
	return fmt.Errorf("%w: nats: %w", queue.ErrUnavailable, err)
}

// exhausted reports whether a limit of the stream, the account or the disk is reached.
func exhausted(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return false
	}
	for _, s := range []string{"maximum messages exceeded", "maximum bytes exceeded", "insufficient", "resource limits exceeded", "insufficient storage"} {
		if strings.Contains(e.Description, s) {
			return true
		}
	}
	return false
}

// conflict reports whether a value was changed by another process meanwhile.
func conflict(err error) bool {
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyDeleted) {
		return true
	}
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
