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
	"slackmcp/store/internal/redisconn"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
)

// callTimeout bounds one call to Redis that is not told to wait.
const callTimeout = 3 * time.Second

// A Queue is a queue.Queue in Redis. Make one with Open.
type Queue struct {
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

	closing sync.Once
	closed  error // what Close answers, also again

	mu    sync.Mutex
	calls sync.WaitGroup // Consume, Tail and the keeping of the house; Add is guarded by mu
}

var _ queue.Queue = (*Queue)(nil)

// A horizon is the highest position of the store that this process has seen.
type horizon struct {
	epoch string
	seq   int64
}

// Open makes a queue on the Redis of a URL; redisconn.Parse tells its forms.
//
// A Redis that cannot be reached is no error: the queue waits for it, and ctx bounds how
// long Open looks. One that refuses the credentials or is older than 6.2 is.
func Open(ctx context.Context, o Options) (*Queue, error) {
	o, err := o.normalize()
	if err != nil {
		return nil, err
	}
	c, err := redisconn.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	redisconn.LogTo(o.Logger)
	q := &Queue{
		o: o, keys: keysOf(o.Topic), client: c.Client(o.MaxConnections - 1),
	}
	q.life, q.end = context.WithCancelCause(context.WithoutCancel(ctx))
	q.bell = newBell(q.keys.log, o.Logger, func() goredis.UniversalClient { return c.Client(1) })
	q.publishes = newPublishes(q)
	q.settles = newSettles(q)
	q.calls.Go(q.keepHouse)
	durability, err := q.greet(ctx)
	switch {
	case err == nil:
		o.Logger.LogAttrs(ctx, slog.LevelInfo, "queue is open", slog.String("redis", c.String()), slog.String("durability", durability))
	case redisconn.Refused(err) || errors.Is(err, errTooOld):
		return nil, errors.Join(fmt.Errorf("redis queue at %s: %w", c.String(), err), q.Close())
	default:
		o.Logger.LogAttrs(ctx, slog.LevelWarn, "redis cannot be reached yet, the queue waits for it",
			slog.String("redis", c.String()), slog.Any("error", err))
	}
	return q, nil
}

// errTooOld names the oldest Redis that has the commands.
var errTooOld = errors.New("redis is older than 6.2")

// greet asks Redis who it is, and how durable.
func (q *Queue) greet(ctx context.Context) (durability string, err error) {
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
	if err := q.found(ctx); err != nil {
		return "", err
	}
	return q.inspect(ctx)
}

// found gives a new store its epoch.
func (q *Queue) found(ctx context.Context) error {
	epoch, err := newEpoch()
	if err != nil {
		return err
	}
	return q.client.HSetNX(ctx, q.keys.meta, "epoch", epoch).Err()
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
func (q *Queue) enter(op string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.life.Err() != nil {
		return fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	q.calls.Add(1)
	return nil
}

// check begins a short call.
func (q *Queue) check(ctx context.Context, op string) error {
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
func (q *Queue) Close() error {
	q.closing.Do(func() {
		q.mu.Lock()
		q.end(queue.ErrClosed)
		q.mu.Unlock()
		q.calls.Wait()
		q.publishes.Close()
		q.settles.Close()
		if err := q.client.Close(); err != nil {
			q.closed = fmt.Errorf("close: %w", err)
		}
	})
	return q.closed
}
