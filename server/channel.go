package server

import (
	"context"
	"errors"
	"fmt"

	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/server/socket"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// channel is what the client of stdio is pushed; nil is no channel.
func (b *builder) channel() *mcp.Channel {
	c := b.cfg.MCP.Channel
	if !c.Enabled || b.cfg.MCP.Transport != config.Stdio {
		return nil
	}
	return &mcp.Channel{Senders: c.Senders, Watch: c.Watch, Permissions: c.Permissions}
}

// followed opens the store that a channel without a receiver of its own reads: Redis, NATS,
// or that of the server that runs on this machine.
func (b *builder) followed(ctx context.Context) (queue.Queue, error) {
	store, err := OpenOperator(ctx, b.cfg, b.log, false)
	if err != nil {
		return nil, fmt.Errorf("a channel reads the events of a running server, of Redis or of NATS, or receives them with --socket-mode: %w", err)
	}
	switch s := store.(type) {
	case *socket.Client:
		return remote{s}, nil
	case queue.Queue:
		return s, nil
	}
	return nil, errors.Join(fmt.Errorf("a channel cannot read a %T", store), store.Close())
}

// remote is the store of another process, which alone publishes into it.
type remote struct{ *socket.Client }

// errElsewhere says that events come in through the other process.
var errElsewhere = errors.New("the store belongs to another process")

// Publish implements queue.Queue.
func (remote) Publish(context.Context, event.Event) (queue.Receipt, error) {
	return queue.Receipt{}, fmt.Errorf("%w: %w", queue.ErrUnavailable, errElsewhere)
}

// Tail implements queue.Queue. That the other process stops is no end of it: it may
// come back.
func (r remote) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	err := r.Client.Tail(ctx, from, fn)
	if errors.Is(err, queue.ErrClosed) {
		return fmt.Errorf("%w: the server has stopped", queue.ErrUnavailable)
	}
	return err
}
