package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"slackmcp/config"
	"slackmcp/internal/clock"
	"slackmcp/server/metrics"
	"slackmcp/server/web"
	"slackmcp/store/memory"
	"slackmcp/store/nats"
	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// openStore opens the backend that the configuration chose.
func openStore(ctx context.Context, cfg config.Config, guard *clock.Guard, log *slog.Logger) (queue.Queue, error) {
	q := cfg.Queue
	aging := agingOf(cfg, guard)
	if !cfg.Events() {
		// Nothing arrives here; the embedded store may belong to a server beside this one.
		return memory.New(memory.Options{})
	}
	switch q.Backend {
	case config.Memory:
		return memory.New(memory.Options{
			DedupeTTL: q.DedupeTTL, RetentionAge: q.RetentionAge, RetentionCount: q.RetentionCount, Aging: aging,
		})
	case config.SQLite:
		o := sqliteOptions(cfg, log)
		if o.Aging = aging; guard != nil {
			o.Believed, o.Settled = guard.Believed, guard.Settled
		}
		return sqlite.Open(ctx, o)
	case config.Redis:
		return redis.Open(ctx, redis.Options{
			URL: q.RedisURL.Reveal(), MaxConnections: q.RedisMaxConnections, Topic: q.Topic, DedupeTTL: q.DedupeTTL,
			RetentionAge: q.RetentionAge, RetentionCount: q.RetentionCount, Aging: aging, Logger: log,
		})
	case config.NATS:
		return nats.Open(ctx, nats.Options{
			URL: q.NATSURL.Reveal(), CredentialsFile: q.NATSCredentials, Replicas: q.NATSReplicas, Topic: q.Topic, DedupeTTL: q.DedupeTTL,
			RetentionAge: q.RetentionAge, RetentionCount: q.RetentionCount, Aging: aging, Logger: log,
		})
	}
	return nil, fmt.Errorf("queue backend %q is not part of this build", q.Backend)
}

// agingOf is the clock by which a store's events grow old: nil, which is the clock itself, without a guard.
func agingOf(cfg config.Config, guard *clock.Guard) func(time.Time) time.Time {
	switch {
	case guard == nil:
		return nil
	case cfg.Queue.Backend.Embedded():
		return guard.Watch("the clock of this machine")
	}
	return guard.Watch("the clock of " + string(cfg.Queue.Backend) + ", or of this machine,")
}

// sqliteOptions are those of the embedded store that a configuration means.
func sqliteOptions(cfg config.Config, log *slog.Logger) sqlite.Options {
	q := cfg.Queue
	return sqlite.Options{
		Dir: filepath.Clean(q.DataDir), Topic: q.Topic, DedupeTTL: q.DedupeTTL,
		RetentionAge: q.RetentionAge, RetentionCount: q.RetentionCount,
		Synchronous: sqlite.Synchronous(q.Synchronous), NoWords: !q.TextIndex, Logger: log,
	}
}

// watchedStore is the store as the receiver sees it: it remembers how far this process
// has published, so that a reader finds what was just acknowledged, and whether the
// last publish, or a look at a store outside, found it broken, for the health answers.
// It is an operator.Holder.
type watchedStore struct {
	queue.Queue
	*reads
	published atomic.Pointer[event.Position]
	trouble   atomic.Bool // the store refused an event
	away      atomic.Bool // it could not be reached
	outside   bool        // it is in a database outside of this process
	place     place       // used where it is outside
	noteFile  string      // where the place is noted; empty is nowhere
	noted     event.Position
	backups   *backups // nil where none are made
	clock     *clock.Guard
	log       *slog.Logger
}

// troubled reports whether events cannot be taken now, as far as is known.
func (w *watchedStore) troubled() bool { return w.trouble.Load() || w.away.Load() }

// lookEvery is how often a process looks whether a store outside is there, so that
// health shows it also when no event comes.
const lookEvery = 5 * time.Second

// look watches over a store outside until ctx ends. It asks for one event.
func (w *watchedStore) look(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer w.remember()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		one, cancel := context.WithTimeout(ctx, web.ConnectivityTimeout)
		err := w.lookAt(one)
		cancel()
		w.away.Store(err != nil && ctx.Err() == nil)
		w.remember()
	}
}

// Publish notes the outcome and changes nothing about it.
func (w *watchedStore) Publish(ctx context.Context, e event.Event) (queue.Receipt, error) {
	r, err := w.Queue.Publish(ctx, e)
	switch {
	case err != nil:
		// A sender that went away says nothing about the store; a deadline does.
		switch {
		// Nor does an event that no store of this kind and setting could take.
		case errors.Is(ctx.Err(), context.Canceled), errors.Is(err, queue.ErrTooLong):
		case errors.Is(err, queue.ErrUnavailable):
			w.away.Store(true)
		default:
			w.trouble.Store(true)
		}
	default:
		w.trouble.Store(false)
		w.away.Store(false)
		if !r.Duplicate {
			w.advance(r.Position)
			if w.outside {
				w.sayLoss(w.place.stored(r.Position))
			}
		}
	}
	return r, err
}

func (w *watchedStore) advance(p event.Position) {
	for {
		old := w.published.Load()
		if old != nil && *old >= p {
			return
		}
		if w.published.CompareAndSwap(old, &p) {
			return
		}
	}
}

// last is the newest position that this process has published.
func (w *watchedStore) last() event.Position {
	if p := w.published.Load(); p != nil {
		return *p
	}
	return ""
}

// A closingState is a state.Store that its owner closes.
type closingState interface {
	state.Store
	io.Closer
}

// ownedState is the state of a store that was opened for nothing else.
type ownedState struct {
	state.Store
	io.Closer
}

// storeState is the state of the store that keeps the events, and ends with it.
type storeState struct{ state.Store }

func (storeState) Close() error { return nil }

// openState opens the place of small shared values: the store that keeps the events, which
// is open already, where it can keep them. A process without events opens a store outside
// for its values only. Without a webhook side an embedded store may belong to a server
// beside this one: then what is kept ends with the process.
func openState(ctx context.Context, cfg config.Config, opened queue.Queue, log *slog.Logger) (closingState, error) {
	q := cfg.Queue
	switch {
	case q.Backend == config.Redis && !cfg.Events():
		s, err := redis.Open(ctx, redis.Options{
			URL: q.RedisURL.Reveal(), MaxConnections: q.RedisMaxConnections, Topic: q.Topic, StateOnly: true, Logger: log,
		})
		if err != nil {
			return nil, err
		}
		return ownedState{s.State(), s}, nil
	case q.Backend == config.NATS && !cfg.Events():
		s, err := nats.Open(ctx, nats.Options{
			URL: q.NATSURL.Reveal(), CredentialsFile: q.NATSCredentials, Replicas: q.NATSReplicas, Topic: q.Topic, StateOnly: true, Logger: log,
		})
		if err != nil {
			return nil, err
		}
		return ownedState{s.State(), s}, nil
	}
	if s, ok := opened.(interface{ State() state.Store }); ok {
		return storeState{s.State()}, nil
	}
	s, err := memory.New(memory.Options{})
	if err != nil {
		return nil, err
	}
	return ownedState{s.State(), s}, nil
}

// sharedState is the state as the MCP side sees it; nil where it ends with the process,
// as the sessions then may too.
func sharedState(cfg config.Config, values state.Store) state.Store {
	embedded := cfg.Queue.Backend == config.Memory || cfg.Queue.Backend == config.SQLite && !cfg.Mode.Webhook()
	if embedded || cfg.MCP.Transport == config.Stdio {
		return nil
	}
	if cfg.Queue.Backend == config.SQLite {
		return newSpareState(values) // no other process has it
	}
	return values
}

// openWatched opens the store that this configuration receives into or reads from.
func openWatched(ctx context.Context, cfg config.Config, m *metrics.Metrics, guard *clock.Guard, log *slog.Logger) (*watchedStore, error) {
	open := func(ctx context.Context, cfg config.Config, log *slog.Logger) (queue.Queue, error) {
		return openStore(ctx, cfg, guard, log)
	}
	if cfg.Events() && !cfg.Receives() && cfg.Queue.Backend.Embedded() {
		open = followed
	}
	q, err := open(ctx, cfg, log)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if cfg.Mode.Webhook() {
		m.Store.Watch(q)
	}
	w := &watchedStore{Queue: q, reads: newReads(cfg.Receive.MaxBodyBytes), outside: !cfg.Queue.Backend.Embedded(), backups: newBackups(cfg, q, guard, log), clock: guard, log: log}
	if w.place.began = time.Now(); w.outside {
		w.noteFile = placeFile(cfg)
		w.recall()
	}
	if cfg.Mode.Webhook() {
		m.Store.WatchDamage(w.damages)
	}
	return w, nil
}
