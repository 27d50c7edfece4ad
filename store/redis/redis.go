package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
)

// callTimeout bounds one call to Redis that is not told to wait.
const callTimeout = 3 * time.Second

// A Store is a queue.Queue in Redis, with small values beside it. Make one with Open.
type Store struct {
	o      Options
	keys   keys
	client goredis.UniversalClient
	bell   *bell
	watch  consume.Watchdog
	life   context.Context // done, with ErrClosed as cause, once Close was called
	end    context.CancelCauseFunc

	publishes *remote.Batcher[publishing, queue.Receipt]
	settles   *remote.Batcher[settling, struct{}]

	known atomic.Pointer[horizon]

	values *smallValues

	closing sync.Once
	closed  error // what Close answers, also again

	mu    sync.Mutex
	calls sync.WaitGroup // Consume, Tail, the sweeps and the follower of changes; Add is guarded by mu
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
	logTo(o.Logger)
	q := &Store{
		o: o, keys: keysOf(o.Topic), client: c.client(o.MaxConnections - 2),
	}
	q.life, q.end = context.WithCancelCause(context.WithoutCancel(ctx))
	q.bell = newBell(q.keys.log, o.Logger, func() goredis.UniversalClient { return c.client(1) })
	q.publishes = newPublishes(q)
	q.settles = newSettles(q)
	q.values = newSmallValues(q, c.client(1))
	if !o.StateOnly {
		q.calls.Go(q.sweepAll)
	}
	durability, err := q.greet(ctx)
	switch {
	case err == nil:
		q.values.begin(ctx)
		o.Logger.LogAttrs(ctx, slog.LevelInfo, "queue is open", slog.String("redis", c.String()), slog.String("durability", durability))
	case refused(err) || errors.Is(err, errTooOld):
		return nil, errors.Join(fmt.Errorf("redis queue at %s: %w", c.String(), err), q.values.changes.Close(), q.Close())
	default:
		o.Logger.LogAttrs(ctx, slog.LevelWarn, "redis cannot be reached yet, the queue waits for it",
			slog.String("redis", c.String()), slog.Any("error", err))
	}
	q.calls.Go(func() { q.values.follow(q.life) })
	q.calls.Go(func() { q.values.sweep(q.life) })
	return q, nil
}

// errTooOld names the oldest Redis that has the commands.
var errTooOld = errors.New("redis is older than 6.2")

// greet asks Redis who it is, and how durable.
func (q *Store) greet(ctx context.Context) (durability string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	node, err := q.node(ctx)
	if err != nil {
		return "", err
	}
	if err := node.Ping(ctx).Err(); err != nil {
		return "", err
	}
	// Who may not ask for the version finds out by the first command that fails.
	if tooOld(node.Info(ctx, "server").Val()) {
		return "", errTooOld
	}
	if q.o.StateOnly {
		return q.inspect(ctx)
	}
	epoch, err := newEpoch()
	if err != nil {
		return "", err
	}
	if err := q.client.HSetNX(ctx, q.keys.meta, "epoch", epoch).Err(); err != nil {
		return "", err
	}
	return q.inspect(ctx)
}

// tooOld reads the version in the answer to INFO; an unknown one is not too old.
func tooOld(info string) bool {
	_, rest, ok := strings.Cut(info, "redis_version:")
	if !ok {
		return false
	}
	parts := strings.SplitN(rest, ".", 3)
	if len(parts) < 3 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (major < 6 || major == 6 && minor < 2)
}

// enter counts a long call in, or refuses it when the queue is closed. The caller calls
// q.calls.Done at its end.
func (q *Store) enter(op string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	q.calls.Add(1)
	return nil
}

// check begins a short call.
func (q *Store) check(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if q.life.Err() != nil {
		return fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	return nil
}

// Close ends all calls, waits for them, and closes the connections. What the store has
// stays. It is idempotent.
func (q *Store) Close() error {
	q.closing.Do(func() {
		q.mu.Lock()
		q.end(queue.ErrClosed)
		q.mu.Unlock()
		q.values.watchers.Close()
		q.calls.Wait()
		q.publishes.Close()
		q.settles.Close()
		if err := q.client.Close(); err != nil {
			q.closed = fmt.Errorf("close: %w", err)
		}
	})
	return q.closed
}
