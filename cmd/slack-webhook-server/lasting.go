package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/server/socket"
	"slackmcp/store/queue"
)

// lasting does what goes on until ctx ends; then it returns nil. When the server is
// stopped meanwhile, or goes away, it waits for the next one and does it again.
func (o *operation) lasting(ctx context.Context, do func(context.Context) error) error {
	for ctx.Err() == nil {
		err := do(ctx)
		client, remote := o.Store.(*socket.Client)
		switch {
		case ctx.Err() != nil:
		case err == nil, !remote, !errors.Is(err, queue.ErrClosed) && !errors.Is(err, queue.ErrUnavailable):
			return err
		default:
			o.reconnect(ctx, client, err)
		}
	}
	return nil
}

// reconnect waits until a server answers at the socket again, or ctx ends.
func (o *operation) reconnect(ctx context.Context, client *socket.Client, cause error) {
	_, _ = fmt.Fprintf(o.world.stderr, "%s: %s: waiting for the server\n", program, console.Plain(cause.Error())) // nobody may read it
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		next, err := socket.Dial(ctx, client.Path())
		if err == nil {
			_ = client.Close() // nothing is under way on it
			o.Store = next
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
