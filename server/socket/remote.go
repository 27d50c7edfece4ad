package socket

import (
	"context"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

var _ operator.Store = (*Client)(nil)

// History reads one page; see queue.Queue.
func (c *Client) History(ctx context.Context, q event.Query) (event.Page, error) {
	p, err := Ask[wirePage](ctx, c, routeHistory, wireQuery{
		wireFilterOf(q.Filter), q.After, q.Order == event.OldestFirst, q.Limit, q.ScanBudget,
	})
	return p.page(), err
}

// Get returns the stored event; see queue.Queue.
func (c *Client) Get(ctx context.Context, source, id string) (event.Event, error) {
	w, err := Ask[wireEvent](ctx, c, routeGet, getIn{text(source), text(id)})
	if err != nil {
		return event.Event{}, err
	}
	return w.event(), nil
}

// Tail calls fn with every event; see queue.Queue. When the server stops it ends with
// queue.ErrClosed or queue.ErrUnavailable, and can be taken up again behind the last event.
func (c *Client) Tail(ctx context.Context, from queue.Start, fn func(event.Event) error) error {
	return Follow(ctx, c, routeTail, wireStartOf(from), func(w wireEvent) error { return fn(w.event()) })
}

// Stats counts; see queue.Queue.
func (c *Client) Stats(ctx context.Context) (queue.Stats, error) {
	return Ask[queue.Stats](ctx, c, routeStats, none{})
}

// Groups lists the registered groups by name.
func (c *Client) Groups(ctx context.Context) ([]string, error) {
	return Ask[[]string](ctx, c, routeGroups, none{})
}

// DropGroup forgets a group; see queue.Queue.
func (c *Client) DropGroup(ctx context.Context, group string) error {
	_, err := Ask[none](ctx, c, routeDropGroup, groupIn{group})
	return err
}

// DeadLetters lists a group's dead letters; see queue.Queue.
func (c *Client) DeadLetters(ctx context.Context, group string, after event.Position, limit int) ([]queue.DeadLetter, error) {
	list, err := Ask[[]wireLetter](ctx, c, routeDeadLetters, lettersIn{group, after, limit})
	var letters []queue.DeadLetter
	for _, w := range list {
		letters = append(letters, queue.DeadLetter{
			Event: w.Event.event(), Group: group, Attempts: w.Attempts, Reason: string(w.Reason), DiedAt: w.DiedAt.time(),
		})
	}
	return letters, err
}

// Redrive gives dead letters back; see queue.Queue. At most some 20,000 in one call.
func (c *Client) Redrive(ctx context.Context, group string, at ...event.Position) (int, error) {
	return Ask[int](ctx, c, routeRedrive, changeIn{group, at})
}

// Drop removes dead letters; see queue.Queue. At most some 20,000 in one call.
func (c *Client) Drop(ctx context.Context, group string, at ...event.Position) (int, error) {
	return Ask[int](ctx, c, routeDrop, changeIn{group, at})
}

// Replay schedules events once more; see queue.Queue. At most some 20,000 in one call.
func (c *Client) Replay(ctx context.Context, group string, at ...event.Position) (int, error) {
	return Ask[int](ctx, c, routeReplay, changeIn{group, at})
}
