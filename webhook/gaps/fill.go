package gaps

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// A History is where what was said can be read: Slack's Web API, behind its limits. Its
// methods wait as long as Slack asks them to.
type History interface {
	// Self returns the bot that reads.
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
// where an earlier call was interrupted, and calls onChannel after each channel that was
// read. A filled gap is read once more. Doing it twice stores nothing twice. Errors:
// state.ErrNotFound, state.ErrConflict when the gap grew meanwhile (fill it again), and
// those of the store and of Slack.
func (f *Filler) Fill(ctx context.Context, id string, onChannel func(Gap)) (Gap, error) {
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
		onChannel(g)
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

// A reading fills the part of a gap that is one channel's.
type reading struct {
	*Filler
	gap      Gap
	self     Self
	channel  Channel
	lookback time.Duration

	query         event.Query     // of what is stored, behind what was looked at
	known         map[string]bool // "type ts" of what is stored
	found, stored int
}

// slack is how much earlier than a message's ts its delivery may seem to have come, by
// clocks that differ.
const slack = time.Minute

func (r *reading) run(ctx context.Context) error {
	patterns, err := event.ParsePatterns("message", "app_mention")
	if err != nil {
		return err
	}
	r.known = map[string]bool{}
	r.query = event.Query{
		Filter: event.Filter{Source: event.SourceSlack, Channel: r.channel.ID, Patterns: patterns, Since: r.gap.From.Add(-slack)},
		Order:  event.OldestFirst, Limit: event.MaxLimit,
	}
	if err := r.remember(ctx); err != nil {
		return err
	}
	oldest := r.gap.From
	switch {
	case r.lookback == 0:
		oldest = oldest.Add(-DefaultLookback)
	case r.lookback > 0:
		oldest = oldest.Add(-r.lookback)
	}
	for cursor := ""; ; {
		page, err := r.History.Messages(ctx, r.channel.ID, event.TS(oldest), event.TS(r.gap.To), cursor)
		if err != nil {
			return err
		}
		for _, raw := range page.Messages {
			if err := r.message(ctx, raw); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// remember learns what of the channel is stored that may lie in the gap: whatever was
// received since it began. Called again it looks at what has come since.
func (r *reading) remember(ctx context.Context) error {
	for {
		page, err := r.Store.History(ctx, r.query)
		if err != nil {
			return fmt.Errorf("read what is stored: %w", err)
		}
		for i := range page.Events {
			e := &page.Events[i]
			if inner, err := event.Inner[said](e); err == nil {
				r.known[e.Kind.Type+" "+inner.TS] = true
			}
		}
		if page.Next != "" {
			r.query.After = page.Next
		}
		if !page.More {
			return nil
		}
	}
}

// said is what is looked at of a message.
type said struct {
	TS          string `json:"ts"`
	ThreadTS    string `json:"thread_ts"`
	Subtype     string `json:"subtype"`
	Text        string `json:"text"`
	ReplyCount  int    `json:"reply_count"`
	LatestReply string `json:"latest_reply"`
}

// message takes one message of the channel, and the replies to it that lie in the gap.
func (r *reading) message(ctx context.Context, raw json.RawMessage) error {
	var m said
	if err := json.Unmarshal(raw, &m); err != nil || m.TS == "" {
		return nil //nolint:nilerr // what has no ts was no delivery
	}
	if err := r.take(ctx, raw, m); err != nil {
		return err
	}
	if m.ReplyCount == 0 || m.LatestReply != "" && before(m.LatestReply, event.TS(r.gap.From)) {
		return nil
	}
	return r.replies(ctx, m)
}

// replies takes the replies to a message that lie in the gap.
func (r *reading) replies(ctx context.Context, m said) error {
	for cursor := ""; ; {
		page, err := r.History.Replies(ctx, r.channel.ID, m.TS, event.TS(r.gap.From), event.TS(r.gap.To), cursor)
		if err != nil {
			return err
		}
		for _, raw := range page.Messages {
			var reply said
			if json.Unmarshal(raw, &reply) != nil || reply.TS == m.TS {
				continue
			}
			if err := r.take(ctx, raw, reply); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// take publishes a message of the gap that is not stored.
func (r *reading) take(ctx context.Context, raw json.RawMessage, m said) error {
	if before(m.TS, event.TS(r.gap.From)) || !before(m.TS, event.TS(r.gap.To)) || m.Subtype == "tombstone" {
		return nil
	}
	r.found++
	if err := r.publish(ctx, "message", raw, m); err != nil {
		return err
	}
	if r.channel.Type != "im" && r.self.User != "" && strings.Contains(m.Text, "<@"+r.self.User+">") {
		return r.publish(ctx, "app_mention", raw, m)
	}
	return nil
}

func (r *reading) publish(ctx context.Context, typ string, raw json.RawMessage, m said) error {
	key := typ + " " + m.TS
	if r.known[key] {
		return nil
	}
	// Slack may deliver it at this very moment.
	if err := r.remember(ctx); err != nil || r.known[key] {
		return err
	}
	e, err := r.event(typ, raw, m)
	if err != nil {
		return err
	}
	receipt, err := r.Store.Publish(ctx, e)
	if err != nil {
		return fmt.Errorf("store a message: %w", err)
	}
	r.known[key] = true
	if !receipt.Duplicate {
		r.stored++
	}
	return nil
}

// event makes of a message what Slack would have delivered, and says that it did not.
func (r *reading) event(typ string, raw json.RawMessage, m said) (event.Event, error) {
	inner := map[string]any{}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return event.Event{}, fmt.Errorf("read a message: %w", err)
	}
	for name, v := range fields {
		inner[name] = v
	}
	inner["type"], inner["channel"], inner["event_ts"] = typ, r.channel.ID, m.TS
	if typ == "message" {
		inner["channel_type"] = r.channel.Type
	}
	now := r.Ledger.opt.Now().UTC()
	body, err := json.Marshal(map[string]any{
		"type": "event_callback", "team_id": r.self.Team, "event": inner, "event_id": event.FilledID(typ, r.channel.ID, m.TS),
		"authorizations": []any{map[string]any{"team_id": r.self.Team, "user_id": r.self.User, "is_bot": true}},
		"filled":         map[string]any{"gap": r.gap.ID, "from": "conversations.history", "at": now},
	})
	if err != nil {
		return event.Event{}, fmt.Errorf("encode an event: %w", err)
	}
	env, err := event.DecodeSlack(body, event.JSON)
	env.ReceivedAt = now
	return env.Event, err
}

// before compares two ts, whose seconds have the same number of digits since 2001.
func before(a, b string) bool { return a < b }
