package operator

import (
	"context"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A Store is what the commands work on: a queue but for Publish. The contract of each
// method is that of [queue.Queue].
type Store interface {
	History(ctx context.Context, q event.Query) (event.Page, error)
	Get(ctx context.Context, source, id string) (event.Event, error)
	Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error
	Stats(ctx context.Context) (queue.Stats, error)

	Groups(ctx context.Context) ([]string, error)
	DropGroup(ctx context.Context, group string) error

	DeadLetters(ctx context.Context, group string, after event.Position, limit int) ([]queue.DeadLetter, error)
	Redrive(ctx context.Context, group string, at ...event.Position) (int, error)
	Drop(ctx context.Context, group string, at ...event.Position) (int, error)
	Replay(ctx context.Context, group string, at ...event.Position) (int, error)

	Consume(ctx context.Context, g queue.Group, h queue.Handler) error

	Close() error
}

var _ Store = queue.Queue(nil)
