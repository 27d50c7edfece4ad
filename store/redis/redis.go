// Package redis is a queue in Redis, with small values beside it: for several replicas that
// behave as one.
//
// It needs Redis 6.2 or later, or a server that speaks its commands; a test holds that
// nothing newer is used. All keys of a topic begin with "{topic}:" and so live on one
// node of a cluster. Each change is one Lua script: an event, its id and its position
// are stored together or not at all, and so is each step of a group.
//
// It promises all that package queue promises, with these remarks:
//
//   - What a crash of the Redis server or a power loss can take is decided by its
//     configuration: [queue.Stats] says it in words. Publish waits for Redis's
//     answer, and no longer.
//   - While Redis is away Publish fails with [queue.ErrUnavailable], and Consume and
//     Tail wait, with growing pauses, and go on by themselves.
//   - A store that lost its end, by a failover or a crash with an unsynced log, does not
//     give a position twice: a process that has seen a higher one says so, and the sequence
//     goes on well behind it. A running Tail finds the place where the two histories
//     part, and goes on from there.
//   - A store that was emptied has a new epoch. Groups are registered anew by their
//     consumers, and readers begin again.
//
// It does not shard: one topic is as fast as one Redis node.
//
// See [Open].
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
)

// callTimeout bounds one call to Redis that does not wait for events.
const callTimeout = 3 * time.Second

// A Store is a queue.Queue in Redis, with small values beside it. Make one with Open.
type Store struct {
	o        Options
	keys     keys
	client   goredis.UniversalClient
	notifier *notifier
	watch    consume.Watchdog
	life     *remote.Life

	publishes *remote.Batcher[publishing, queue.Receipt]
	settles   *remote.Batcher[settling, struct{}]

	known atomic.Pointer[horizon]
	// ahead is how far the database's clock was ahead of ours when it was asked last.
	ahead atomic.Int64

	values *smallValues

	closing sync.Once
	closed  error // what Close answers, also again
}

var _ queue.Queue = (*Store)(nil)

// A horizon is the highest position of the store that this process has seen.
type horizon struct {
	epoch string
	seq   int64
}

// Open makes a store on the Redis of a URL, which has one of these forms (rediss instead
// of redis for TLS):
//
//	redis://[user:password@]host:port[/database]
//	redis://[user:password@]host:port[/database]?master_name=name&addr=host:port…
//	redis://[user:password@]host:port?cluster=true
//	redis://[user:password@]host:port?addr=host:port…
//	unix://[user:password@]/path/to/socket[?db=database]
//
// The second names Sentinels: user and password are theirs, and Redis's own are the
// parameters username and password. The third and fourth are a cluster. skip_verify=true
// accepts any certificate. The remaining parameters are go-redis's; those on pools,
// retries and timeouts have no effect.
//
// A Redis that cannot be reached is no error: the store waits for it, and ctx bounds how
// long Open looks. One that refuses the credentials or is older than 6.2 is.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	c, err := parse(o.URL)
	if err != nil {
		return nil, err
	}
	goredis.SetLogger(libraryLog{o.Logger}) // its remarks are the process's and not a client's
	q := &Store{
		o: o, keys: keysOf(o.Topic), client: c.client(o.MaxConnections - 2),
	}
	q.life = remote.NewLife(ctx)
	q.notifier = &notifier{
		Notifier: remote.NewNotifier(), log: q.keys.log, wanted: make(chan struct{}, 1),
		connect: func() goredis.UniversalClient { return c.client(1) },
	}
	q.publishes = remote.NewBatcher(remote.BatchOptions[publishing, queue.Receipt]{
		Do: q.publish, MaxCount: maxBatch, MaxSize: maxBatchBytes, Parallel: 2,
		Size: func(p publishing) int { return len(p.record) },
	})
	q.settles = remote.NewBatcher(remote.BatchOptions[settling, struct{}]{Do: q.settle, MaxCount: maxBatch})
	q.values = newSmallValues(q, c.client(1))
	if !o.StateOnly {
		q.life.Go(func(ctx context.Context) { //nolint:contextcheck // it lives as long as the store
			remote.Sweep(ctx, o.RetentionAge, o.Logger, func(ctx context.Context) error { return q.sweep(ctx, false) })
		})
	}
	known, err := q.greet(ctx)
	switch {
	case err == nil:
		q.values.begin(ctx)
		o.Logger.LogAttrs(ctx, slog.LevelInfo, "queue is open", slog.String("redis", c.String()), slog.String("durability", words(known)))
	case refused(err) || errors.Is(err, errTooOld):
		return nil, errors.Join(fmt.Errorf("redis queue at %s: %w", c.String(), err), q.values.changes.Close(), q.Close())
	default:
		o.Logger.LogAttrs(ctx, slog.LevelWarn, "redis cannot be reached yet, the queue waits for it",
			slog.String("redis", c.String()), slog.Any("error", err))
	}
	q.life.Go(q.values.follow) //nolint:contextcheck // as above
	q.life.Go(q.values.sweep)  //nolint:contextcheck // as above
	return q, nil
}

// errTooOld names the oldest Redis that has the commands.
var errTooOld = errors.New("redis is older than 6.2")

// greet asks Redis for its version and what inspect does.
func (q *Store) greet(ctx context.Context) (known map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	node, err := q.node(ctx)
	if err != nil {
		return nil, err
	}
	if err := node.Ping(ctx).Err(); err != nil {
		return nil, err
	}
	// A user that may not ask for the version finds out by the first command that fails.
	_, version, _ := strings.Cut(node.Info(ctx, "server").Val(), "redis_version:")
	if remote.Older(version, 6, 2) {
		return nil, errTooOld
	}
	if q.o.StateOnly {
		return q.inspect(ctx)
	}
	if err := q.client.HSetNX(ctx, q.keys.meta, "epoch", eventlog.NewEpoch()).Err(); err != nil {
		return nil, err
	}
	return q.inspect(ctx)
}

// Close ends all calls, waits for them, and closes the connections. What the store has
// stays. It is idempotent.
func (q *Store) Close() error {
	q.closing.Do(func() {
		q.life.End()
		q.values.watchers.Close()
		q.life.Wait()
		q.publishes.Close()
		q.settles.Close()
		if err := q.client.Close(); err != nil {
			q.closed = fmt.Errorf("close: %w", err)
		}
	})
	return q.closed
}

// What zero Options mean.
const (
	DefaultTopic          = "slack.events"
	DefaultMaxConnections = 50
	DefaultDedupeTTL      = 48 * time.Hour
	DefaultRetentionAge   = 7 * 24 * time.Hour
	DefaultRetentionCount = 100_000
	DefaultLease          = 30 * time.Second
)

// minLease leaves a renewal, which comes three times in a lease, time for a slow network.
const minLease = 100 * time.Millisecond

// minConnections are one that waits for new events, one that follows the changes of small
// values, and one that does all else.
const minConnections = 3

// Options configure a Store.
type Options struct {
	// URL is where Redis is; see Open for its forms. Required. It may hold a password,
	// which no error and no log line repeats.
	URL string
	// MaxConnections bounds the connections to each node; 0 means 50, the least is 3.
	MaxConnections int
	// Topic names the store inside Redis; "" means slack.events. It may not contain
	// braces, which delimit it in the keys.
	Topic string
	// DedupeTTL is how long an event id is remembered; 0 means 48 hours. A remembered
	// id costs about 140 bytes of Redis's memory, also after its event is gone.
	DedupeTTL time.Duration
	// Aging says by which time events, dead letters and ids grow old, of what the database's clock shows; nil is
	// the clock.
	Aging func(now time.Time) time.Time
	// RetentionAge is how long an event is kept that no group waits for; 0 means 7
	// days, and a negative value keeps it until RetentionCount is reached.
	RetentionAge time.Duration
	// RetentionCount is how many events are kept at most; 0 means 100,000. An event
	// costs its body and about 300 bytes of Redis's memory.
	RetentionCount int
	// Lease is after which time without a sign of life an attempt counts as crashed; 0
	// means 30 seconds, the least is 100 ms.
	Lease time.Duration
	// StateOnly is for a process that uses only State: it makes no store of events, and
	// does not apply retention to one that exists.
	StateOnly bool
	// Logger gets a line when Redis goes away and one when it is back; nil discards.
	Logger *slog.Logger
}

func (o Options) normalize() (Options, error) {
	switch {
	case o.URL == "":
		return o, errors.New("redis queue: URL is missing, for example redis://localhost:6379/0")
	case o.MaxConnections < 0 || o.MaxConnections > 0 && o.MaxConnections < minConnections:
		return o, fmt.Errorf("redis queue: MaxConnections is %d, the least is %d", o.MaxConnections, minConnections)
	case strings.ContainsAny(o.Topic, "{}"):
		return o, fmt.Errorf("redis queue: Topic %q contains a brace", o.Topic)
	case o.DedupeTTL < 0:
		return o, errors.New("redis queue: DedupeTTL is negative")
	case o.RetentionCount < 0:
		return o, errors.New("redis queue: RetentionCount is negative")
	case o.Lease < 0 || o.Lease > 0 && o.Lease < minLease:
		return o, fmt.Errorf("redis queue: Lease is %v, the least is %v", o.Lease, minLease)
	}
	o.Topic = cmp.Or(o.Topic, DefaultTopic)
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultMaxConnections)
	if o.Aging == nil {
		o.Aging = func(now time.Time) time.Time { return now }
	}
	o.DedupeTTL = cmp.Or(o.DedupeTTL, DefaultDedupeTTL)
	o.RetentionAge = cmp.Or(o.RetentionAge, DefaultRetentionAge)
	o.RetentionCount = cmp.Or(o.RetentionCount, DefaultRetentionCount)
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// fault says what a failed command means to the queue's caller. Redis's own text is
// kept: they hold no credentials.
func (q *Store) fault(err error) error {
	switch {
	case q.life.Err() != nil, errors.Is(err, goredis.ErrClosed):
		return queue.ErrClosed
	case errors.Is(err, context.Canceled):
		return err
	case strings.HasPrefix(err.Error(), "OOM"), strings.Contains(err.Error(), "OOM command not allowed"):
		return fmt.Errorf("%w: redis has reached its maxmemory: %w", queue.ErrFull, err)
	}
	return fmt.Errorf("%w: redis: %w", queue.ErrUnavailable, err)
}

// Stats counts; see queue.Queue.
func (q *Store) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.life.Check(ctx, "stats"); err != nil {
		return queue.Stats{}, err
	}
	s, err := q.stats(ctx)
	if err != nil {
		return queue.Stats{}, fmt.Errorf("stats: %w", err)
	}
	return s, nil
}

func (q *Store) stats(ctx context.Context) (queue.Stats, error) {
	known, err := q.inspect(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	names, err := q.groups(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	k := q.keys
	keys := []string{k.meta, k.log, k.kept, k.ids, k.groups}
	args := make([]any, 0, len(names))
	for _, name := range names {
		gk := k.group(name)
		keys = append(keys, gk.g, gk.lease, gk.due, gk.retry, gk.dead)
		args = append(args, name)
	}
	v, err := q.eval(ctx, statsScript, keys, args...)
	if err != nil {
		return queue.Stats{}, err
	}
	r := reply{list: v}
	s := queue.Stats{
		Backend: "redis", Durability: words(known), Epoch: r.text(), Accepted: r.number(), Expired: r.number(),
		Events: r.number(), SeenIDs: r.number(),
	}
	if s.Bytes, err = q.taken(ctx); err != nil {
		return queue.Stats{}, err
	}
	if most := bytesOf(known["maxmemory"]); most > 0 {
		s.MostBytes = s.Bytes + max(0, most-bytesOf(known["used_memory"]))
	}
	b := eventlog.Bounds{Epoch: s.Epoch}
	if oldest, newest := r.number(), r.number(); oldest > 0 {
		s.Oldest, s.Newest = b.Position(oldest), b.Position(newest)
	}
	groups := r.sub()
	for len(groups.list) > 0 && groups.err == nil {
		one := groups.sub()
		s.Groups = append(s.Groups, q.groupStats(one))
		groups.err = cmp.Or(groups.err, one.err)
	}
	if err := cmp.Or(r.err, groups.err); err != nil {
		return queue.Stats{}, fmt.Errorf("redis: %w", err)
	}
	return s, nil
}

// taken is about how many bytes of the memory the events and their ids take, by samples that Redis takes of them. Others
// may use the same Redis. 0 is not known: Redis does not tell it everybody.
func (q *Store) taken(ctx context.Context) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	p := q.client.Pipeline()
	k := q.keys
	for _, key := range []string{k.meta, k.log, k.kept, k.ids, k.seen, k.pins} {
		p.MemoryUsage(ctx, key)
	}
	answers, _ := p.Exec(ctx) // Each has its own error.
	for _, one := range answers {
		switch err := one.Err(); {
		case err == nil:
			n += one.(*goredis.IntCmd).Val()
		case errors.Is(err, goredis.Nil): // There is no such key.
		case isReply(err):
			return 0, nil
		default:
			return 0, q.fault(err)
		}
	}
	return n, nil
}

// groupStats reads one group's part of the answer.
func (q *Store) groupStats(r *reply) queue.GroupStats {
	g := queue.GroupStats{
		Name: r.text(), Waiting: r.number(), InFlight: r.number(), Retrying: r.number(),
		Done: r.number(), Dead: r.number(), Expired: r.number(),
	}
	if rec := r.text(); rec != "" {
		e, err := remote.DecodeRecord([]byte(rec))
		r.err = cmp.Or(r.err, err)
		g.OldestWaiting = e.ReceivedAt
	}
	if due, now := r.number(), r.number(); due > 0 {
		g.StalledSince = q.watch.StalledSince(g.Name, time.UnixMicro(due), time.UnixMicro(now))
	}
	return g
}
