package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"slackmcp/config"
	"slackmcp/store/state"
	"slackmcp/store/state/memory"
	"slackmcp/store/state/nats"
	"slackmcp/store/state/redis"
	"slackmcp/store/state/sqlite"
)

// A closingState is a state.Store that its owner closes.
type closingState interface {
	state.Store
	io.Closer
}

// stateConnections of Redis are for state, the rest of REDIS_MAX_CONNECTIONS is the
// queue's: one follows the changes, the others do all else.
func stateConnections(most int) int { return max(2, min(most/8, 6)) }

// openState opens the place of small shared values on the engine that keeps the events.
// Without a webhook side an embedded store may belong to a server beside this one: then
// what is kept ends with the process.
func openState(ctx context.Context, cfg config.Config, log *slog.Logger) (closingState, error) {
	q := cfg.Queue
	switch {
	case q.Backend == config.Redis:
		return redis.Open(ctx, redis.Options{
			URL: q.RedisURL.Reveal(), MaxConnections: stateConnections(q.RedisMaxConnections), Topic: q.Topic, Logger: log,
		})
	case q.Backend == config.NATS:
		return nats.Open(ctx, nats.Options{
			URL: q.NATSURL.Reveal(), CredentialsFile: q.NATSCredentials, Replicas: q.NATSReplicas, Topic: q.Topic, Logger: log,
		})
	case q.Backend == config.SQLite && cfg.Mode.Webhook():
		// The queue, opened before, holds the directory's lock.
		return sqlite.Open(sqlite.Options{Dir: filepath.Clean(q.DataDir), Topic: q.Topic, Logger: log})
	}
	return memory.New(), nil
}

// openState is the step of the building; the store is open already.
func (b *builder) openState(ctx context.Context) error {
	st, err := openState(ctx, b.cfg, b.log)
	if err != nil {
		return fmt.Errorf("open the state: %w", err)
	}
	b.state = st
	return nil
}

// sharedState is the state as the MCP side sees it; nil where it ends with the process,
// as the sessions then may too.
func (b *builder) sharedState() state.Store {
	embedded := b.cfg.Queue.Backend == config.Memory || b.cfg.Queue.Backend == config.SQLite && !b.cfg.Mode.Webhook()
	if embedded || b.cfg.MCP.Transport == config.Stdio {
		return nil
	}
	return b.state
}
