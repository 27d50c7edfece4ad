package nats

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

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
)

// callTimeout bounds one call to NATS that is not told to wait.
const callTimeout = 3 * time.Second

// A Store is a queue.Queue in JetStream, with small values beside it. Make one with Open.
type Store struct {
	o     Options
	names names
	nc    *natsgo.Conn
	js    jetstream.JetStream
	bell  *bell
	room  room
	watch consume.Watchdog
	life  context.Context // done, with ErrClosed as cause, once Close was called
	end   context.CancelCauseFunc

	store  atomic.Pointer[store]
	making sync.Mutex // held while the store is being opened

	values *smallValues

	closing sync.Once

	mu    sync.Mutex
	calls sync.WaitGroup             // Consume, Tail, the sweeps and the followers; Add is guarded by mu
	held  map[string]map[int64]*hold // group -> sequence number
	anew  chan struct{}              // closed when the connection was made anew
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
	q := &Store{o: o, names: namesOf(o.Topic), bell: newBell(), held: map[string]map[int64]*hold{}, anew: make(chan struct{})}
	q.values = newSmallValues(q)
	q.nc, err = dial(ctx, o, func(n *natsgo.Options) {
		n.ReconnectedCB = func(*natsgo.Conn) { q.reconnected() }
		n.ConnectedCB = func(*natsgo.Conn) { q.bell.ring() }
	})
	if err != nil {
		return nil, err
	}
	q.life, q.end = context.WithCancelCause(context.WithoutCancel(ctx))
	if q.js, err = jetstream.New(q.nc, jetstream.WithPublishAsyncMaxPending(4096), jetstream.WithPublishAsyncTimeout(publishTimeout)); err == nil && !o.StateOnly {
		_, err = q.nc.Subscribe(q.names.news, q.bell.hear)
	}
	if err != nil {
		q.nc.Close()
		return nil, fmt.Errorf("nats queue: %w", err)
	}
	if !o.StateOnly {
		q.calls.Go(q.sweepAll)
	}
	if err := q.greet(ctx); err != nil {
		return nil, errors.Join(err, q.Close())
	}
	q.values.begin(ctx)
	q.calls.Go(func() { q.values.follow(q.life) })
	return q, nil
}

// greet opens the store, unless NATS is away.
func (q *Store) greet(ctx context.Context) error {
	if !q.nc.IsConnected() {
		return nil
	}
	if tooOld(q.nc.ConnectedServerVersion()) {
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

func tooOld(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (major < oldestMajor || major == oldestMajor && minor < oldestMinor)
}

// reconnected is called when NATS is back: what was heard before may have gaps.
func (q *Store) reconnected() {
	if s := q.store.Load(); s != nil {
		s.board.again()
	}
	q.values.reconnected()
	q.bell.ring()
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

// begin begins a short call and returns the store.
func (q *Store) begin(ctx context.Context, op string) (*store, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if q.life.Err() != nil {
		return nil, fmt.Errorf("%s: %w", op, queue.ErrClosed)
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
		q.mu.Lock()
		q.end(queue.ErrClosed)
		q.mu.Unlock()
		q.values.watchers.Close()
		q.calls.Wait()
		q.nc.Close()
	})
	return nil
}
