package gaps

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// A History is where what was said can be read: Slack's Web API, behind its limits. Its
// methods wait as long as Slack asks them to.
type History interface {
	// Self is who reads.
	Self(ctx context.Context) (Self, error)
	// Channels are the conversations that the bot is in.
	Channels(ctx context.Context) ([]Channel, error)
	// Messages reads a page of a channel, oldest <= ts < latest.
	Messages(ctx context.Context, channel, oldest, latest, cursor string) (Page, error)
	// Replies reads a page of a thread likewise, with or without its root.
	Replies(ctx context.Context, channel, thread, oldest, latest, cursor string) (Page, error)
}

// Self is the bot.
type Self struct{ Team, User string }

// A Channel is one conversation; Type is Slack's channel_type.
type Channel struct{ ID, Type string }

// A Page is a part of a history. Next continues it, and is empty at its end.
type Page struct {
	Messages []json.RawMessage
	Next     string
}

// A SkipError says that a channel cannot be read, and that another may.
type SkipError struct{ Reason string }

// Error returns the reason.
func (e *SkipError) Error() string { return e.Reason }

// A Store is where the events are; a [queue.Queue] is one.
type Store interface {
	Publish(ctx context.Context, e event.Event) (queue.Receipt, error)
	History(ctx context.Context, q event.Query) (event.Page, error)
}

// DefaultLookback is how old the root of a thread may be, before the gap, whose replies
// are looked for.
const DefaultLookback = 24 * time.Hour

const maxSkipped = 100

// A Filler fills gaps.
type Filler struct {
	Ledger  *Ledger
	History History
	Store   Store
	// Lookback: see DefaultLookback, which 0 means; negative looks at no older threads.
	Lookback time.Duration
}

// Fill reads what was said in a gap and publishes what of it is not stored. It goes on
// where an earlier call was interrupted, and tells progress of each channel that was read.
// A filled gap is read once more. Doing it twice stores nothing twice. Errors:
// state.ErrNotFound, state.ErrConflict when the gap grew meanwhile (fill it again), and
// those of the store and of Slack.
func (f *Filler) Fill(ctx context.Context, id string, progress func(Gap)) (Gap, error) {
	g, version, err := f.Ledger.get(ctx, id)
	if err != nil {
		return g, err
	}
	if !g.Open() || g.Fill == nil {
		g.Fill = &Fill{StartedAt: f.Ledger.opt.Now().UTC()}
	}
	self, err := f.History.Self(ctx)
	if err != nil {
		return g, fmt.Errorf("ask who the bot is: %w", err)
	}
	channels, err := f.History.Channels(ctx)
	if err != nil {
		return g, fmt.Errorf("list the channels: %w", err)
	}
	slices.SortFunc(channels, func(a, b Channel) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range channels {
		if c.ID <= g.Fill.Through {
			continue
		}
		if err := f.channel(ctx, &g, self, c); err != nil {
			return g, fmt.Errorf("channel %s: %w", c.ID, err)
		}
		if version, err = f.Ledger.put(ctx, g, state.Put{IfVersion: version}); err != nil {
			return g, err
		}
		progress(g)
	}
	g.Fill.DoneAt = f.Ledger.opt.Now().UTC()
	_, err = f.Ledger.put(ctx, g, state.Put{IfVersion: version})
	return g, err
}

// channel fills the part of a gap that is one channel's, and counts it.
func (f *Filler) channel(ctx context.Context, g *Gap, self Self, c Channel) error {
	r := &reading{Filler: f, gap: *g, self: self, channel: c, lookback: f.Lookback}
	err := r.run(ctx)
	if skip, ok := errors.AsType[*SkipError](err); ok {
		if len(g.Fill.Skipped) < maxSkipped {
			g.Fill.Skipped = append(g.Fill.Skipped, c.ID+": "+skip.Reason)
		}
		err = nil
	}
	g.Fill.Through = c.ID
	g.Fill.Channels++
	g.Fill.Messages += r.found
	g.Fill.Stored += r.stored
	return err
}
