package tools

import (
	"cmp"
	"context"
	"slices"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

type eventContextIn struct {
	EventID        string `json:"event_id" alias:"id,uri" doc:"event_id, or the event's uri"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"100" default:"20" doc:"Most messages around it"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: blocks, attachments, permalinks"`
}

type eventContextOut struct {
	Event     view.Event     `json:"event"`
	Channel   *view.Channel  `json:"channel,omitempty"`
	User      *view.Person   `json:"user,omitempty" doc:"who caused it"`
	Thread    []view.Message `json:"thread,omitempty" doc:"the thread that it belongs to, oldest first"`
	Before    []view.Message `json:"before,omitempty" doc:"the channel's messages before it, oldest first"`
	Permalink string         `json:"permalink,omitempty"`
	HasMore   bool           `json:"has_more"`
	Note      string         `json:"note,omitempty"`
}

// eventContext collects what there is; a part that Slack refuses is told in the note,
// because the event alone is worth something too.
func (k *kit) eventContext(ctx context.Context, _ *toolset.Call, in eventContextIn) (eventContextOut, error) {
	e, err := k.event(ctx, event.SourceSlack, in.EventID)
	if err != nil {
		return eventContextOut{}, err
	}
	out := eventContextOut{Event: view.NewEvent(&e, view.EventOptions{Lockdown: k.Lockdown, MaxText: passage})}
	if e.User != "" {
		if u, err := k.Names.User(ctx, e.User); err == nil {
			out.User = new(view.NewPerson(&u, k.home(ctx)))
		}
	}
	if e.Source != event.SourceSlack || e.Channel == "" {
		out.Note = "The event belongs to no conversation."
		return out, nil
	}
	if c, err := k.Names.Channel(ctx, e.Channel); err == nil {
		out.Channel = new(view.KnownChannel(&c))
	}
	ts := cmp.Or(out.Event.TS, e.Thread)
	out.Permalink = view.Permalink(k.self(ctx).URL, e.Channel, ts, e.Thread)
	if err := k.around(ctx, &e, ts, in, &out); err != nil {
		out.Note = "What is around the event could not be read: " + Fault(err)
	}
	return out, nil
}

// around reads the thread of an event and, when the event began it, what stands before
// it in the channel.
func (k *kit) around(ctx context.Context, e *event.Event, ts string, in eventContextIn, out *eventContextOut) error {
	if e.Thread != "" {
		page, err := k.Slack.Replies(ctx, slackapi.RepliesQuery{Channel: e.Channel, ThreadTS: e.Thread, Limit: in.Limit})
		if err != nil {
			return err
		}
		shown, cut := k.show(ctx, e.Channel, page.Messages, in.ResponseFormat)
		out.Thread, out.HasMore = shown, cut || page.HasMore
		if len(shown) > 1 {
			return nil
		}
	}
	page, err := k.Slack.History(ctx, slackapi.HistoryQuery{Channel: e.Channel, Latest: ts, Limit: in.Limit})
	if err != nil {
		return err
	}
	shown, _ := k.show(ctx, e.Channel, page.Messages, in.ResponseFormat)
	slices.Reverse(shown)
	out.Before = shown
	return nil
}

type replyToEventIn struct {
	EventID string `json:"event_id" alias:"id,uri" doc:"event_id, or the event's uri"`
	words
	To        string `json:"to,omitempty" enum:"thread,channel" default:"thread" doc:"Where the answer goes"`
	Broadcast bool   `json:"reply_broadcast,omitempty" doc:"Show a reply in a thread in the channel too"`
	safety
}

func (k *kit) replyToEvent(ctx context.Context, c *toolset.Call, in replyToEventIn) (posted, error) {
	e, err := k.event(ctx, event.SourceSlack, in.EventID)
	if err != nil {
		return posted{}, err
	}
	if e.Source != event.SourceSlack || e.Channel == "" {
		return posted{}, fault("no_channel: this event belongs to no conversation, so it cannot be answered there. Use slack_post_message.")
	}
	p, calmed, err := k.content(in.words)
	if err != nil {
		return posted{}, err
	}
	p.Channel = e.Channel
	if in.To == "thread" && !isPlainDM(&e) {
		p.ThreadTS = e.Thread
	}
	p.Broadcast = in.Broadcast && p.ThreadTS != ""
	return k.deliver(ctx, c, p, calmed, in.safety)
}

// isPlainDM reports a direct message outside every thread: people expect the answer
// below it, not in a thread of its own.
func isPlainDM(e *event.Event) bool {
	if e.ChannelType != "im" || e.Kind.Type != "message" {
		return false
	}
	in, err := event.Inner[struct {
		ThreadTS string `json:"thread_ts"`
	}](e)
	return err == nil && in.ThreadTS == ""
}
