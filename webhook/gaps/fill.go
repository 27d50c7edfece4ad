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

// A History reads the messages of channels, by Slack's Web API. Its methods wait as long
// as Slack's limits ask for.
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

// Self identifies the bot.
type Self struct{ Team, User string }

// A Channel is one conversation; Type is Slack's channel_type.
type Channel struct{ ID, Type string }

// A Page is a part of a history. Next continues it, and is empty at its end.
type Page struct {
	Messages []json.RawMessage
	Next     string
}

// A SkipError says that a channel cannot be read; the filler goes on with the next one.
type SkipError struct{ Reason string }

// Error returns the reason.
func (e *SkipError) Error() string { return e.Reason }

// A Store keeps the events; a [queue.Queue] is one.
type Store interface {
	Publish(ctx context.Context, e event.Event) (queue.Receipt, error)
	History(ctx context.Context, q event.Query) (event.Page, error)
}

// DefaultLookback is how long before a gap a thread may have begun whose replies are read.
const DefaultLookback = 24 * time.Hour

const maxSkipped = 100

// A Filler fills gaps.
type Filler struct {
	Ledger  *Ledger
	History History
	Store   Store
	// Lookback replaces DefaultLookback; 0 means the default, and a negative value reads no
	// thread that began before the gap.
	Lookback time.Duration
}

// Fill reads the messages of a gap and publishes those that are not stored. It goes on
// where an earlier call was interrupted, and calls onChannel after each channel that was
// read. It reads a gap that is filled once more, and stores no message twice. Errors:
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

// channel fills a gap in one channel, and adds its counts to the gap's.
func (f *Filler) channel(ctx context.Context, g *Gap, self Self, c Channel) error {
	r := &channelFill{Filler: f, gap: *g, self: self, channel: c, lookback: f.Lookback}
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

// A channelFill fills a gap in one channel.
type channelFill struct {
	*Filler
	gap      Gap
	self     Self
	channel  Channel
	lookback time.Duration

	query         event.Query     // of what is stored, behind what was looked at
	known         map[string]bool // "type ts" of what is stored
	found, stored int
}

// clockSkew is how much earlier than a message's ts its delivery may seem to have been
// received, because clocks differ.
const clockSkew = time.Minute

func (r *channelFill) run(ctx context.Context) error {
	patterns, err := event.ParsePatterns("message", "app_mention")
	if err != nil {
		return err
	}
	r.known = map[string]bool{}
	r.query = event.Query{
		Filter: event.Filter{Source: event.SourceSlack, Channel: r.channel.ID, Patterns: patterns, Since: r.gap.From.Add(-clockSkew)},
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

// remember reads which messages of the channel are stored that were received since the gap
// began. A further call reads those that were stored since the last one.
func (r *channelFill) remember(ctx context.Context) error {
	for {
		page, err := r.Store.History(ctx, r.query)
		if err != nil {
			return fmt.Errorf("read what is stored: %w", err)
		}
		for i := range page.Events {
			e := &page.Events[i]
			if inner, err := event.Inner[messageFields](e); err == nil {
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

// messageFields are the fields of a message that a fill uses.
type messageFields struct {
	TS          string `json:"ts"`
	ThreadTS    string `json:"thread_ts"`
	Subtype     string `json:"subtype"`
	Text        string `json:"text"`
	ReplyCount  int    `json:"reply_count"`
	LatestReply string `json:"latest_reply"`
}

// message publishes one message of the channel, and the replies to it that lie in the gap.
func (r *channelFill) message(ctx context.Context, raw json.RawMessage) error {
	var m messageFields
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

// replies publishes the replies to a message that lie in the gap.
func (r *channelFill) replies(ctx context.Context, m messageFields) error {
	for cursor := ""; ; {
		page, err := r.History.Replies(ctx, r.channel.ID, m.TS, event.TS(r.gap.From), event.TS(r.gap.To), cursor)
		if err != nil {
			return err
		}
		for _, raw := range page.Messages {
			var reply messageFields
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
func (r *channelFill) take(ctx context.Context, raw json.RawMessage, m messageFields) error {
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

func (r *channelFill) publish(ctx context.Context, typ string, raw json.RawMessage, m messageFields) error {
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

// event returns the event that Slack would have delivered for a message, with the mark that
// it was filled.
func (r *channelFill) event(typ string, raw json.RawMessage, m messageFields) (event.Event, error) {
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
