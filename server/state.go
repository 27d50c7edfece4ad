package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"slackmcp/config"
	"slackmcp/store/memory"
	"slackmcp/store/nats"
	"slackmcp/store/queue"
	"slackmcp/store/redis"
	"slackmcp/store/state"
)

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

// openState is the step of the building; the store is open already.
func (b *builder) openState(ctx context.Context) error {
	st, err := openState(ctx, b.cfg, b.store.Queue, b.log)
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
