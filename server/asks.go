package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// asksGroup is the consumer group that handles the clicks on questions of slack_ask.
const asksGroup = "slack_ask"

// asks handles clicks on questions. Its group is worked from the first question on, or
// from the start where the store knows the group from an earlier run: a server that asks
// nobody has no such group.
type asks struct {
	store  queue.Queue
	newest func() event.Position
	settle func(ctx context.Context, e *event.Event) error
	group  queue.Group
	log    *slog.Logger
	first  chan event.Position // where the first question was asked
}

func (b *builder) newAsks() *asks {
	pattern, _ := event.ParsePattern("block_actions") // a plain word
	a := &asks{
		store: b.store, newest: b.journal.Newest, log: b.log, first: make(chan event.Position, 1),
		group: queue.Group{
			Name: asksGroup, Workers: 2, Drain: b.cfg.Drain,
			Filter: event.Filter{Source: event.SourceSlack, Patterns: []event.Pattern{pattern}},
			Policy: queue.Policy{MaxAttempts: b.cfg.Worker.MaxAttempts},
		},
	}
	b.workers = append(b.workers, part{"questions", a.run})
	return a
}

// asked is told before a question is posted.
func (a *asks) asked() {
	select {
	case a.first <- a.newest():
	default: // it runs, or will
	}
}

// How long run waits before it turns to a store again that failed.
const (
	asksFirstPause = 100 * time.Millisecond
	asksMaxPause   = 5 * time.Second
)

// run works the group until ctx is done. It survives a store that fails.
func (a *asks) run(ctx context.Context) error {
	if !a.known(ctx) {
		select {
		case a.group.Start.After = <-a.first:
		case <-ctx.Done():
			return nil
		}
	}
	backoff := wait.Backoff{First: asksFirstPause, Most: asksMaxPause}
	for ctx.Err() == nil {
		err := a.store.Consume(ctx, a.group, func(ctx context.Context, d queue.Delivery) error { return a.settle(ctx, &d.Event) })
		if err == nil {
			break // ctx is done, and what was handled is
		}
		if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
			a.group.Start = queue.Start{}
		}
		pause := backoff.Next()
		a.log.LogAttrs(ctx, slog.LevelWarn, "clicks on questions are not handled now", slog.Any("error", err), slog.Duration("again_in", pause))
		_ = wait.Sleep(ctx, pause) // the loop ends with ctx
	}
	return nil
}

// known reports whether an earlier run has asked. Where the store cannot say so now, the
// next question starts the work.
func (a *asks) known(ctx context.Context) bool {
	groups, err := a.store.Groups(ctx)
	return err == nil && slices.Contains(groups, asksGroup)
}
