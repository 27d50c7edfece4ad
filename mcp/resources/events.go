package resources

import (
	"context"

	"slackmcp/mcp/access"
	"slackmcp/mcp/receipts"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// The addresses of the events resources.
const (
	uriEvents        = "slack://events"
	uriEvent         = "slack://events/{event_id}"
	uriChannelEvents = "slack://channels/{channel}/events"
	uriThreadEvents  = "slack://threads/{channel}/{thread_ts}/events"
	uriSourceEvents  = "webhook://{source}/events"
	uriSourceEvent   = "webhook://{source}/events/{event_id}"
	uriMessageStatus = "webhook://receipts/messages/{message_id}"
)

const (
	newest = 50  // events of a list resource
	text   = 500 // characters of each one's text
)

// eventList is what a list resource holds.
type eventList struct {
	Events     []view.Event `json:"events"`
	NextCursor string       `json:"next_cursor"`
	HasMore    bool         `json:"has_more"`
}

type eventReader struct {
	log      event.Log
	lockdown bool
}

func (r *eventReader) resources() []Resource {
	return []Resource{
		{
			URI: uriEvents, Name: "slack_events", Title: "Received Slack events", Scope: access.Events,
			Description: "The newest 50 events that Slack delivered, newest first. Follow it to be told of each new event. Older ones: slack_list_events with next_cursor.",
			read:        r.list(func(vars) event.Filter { return event.Filter{Source: event.SourceSlack} }),
		},
		{
			URI: uriEvent, Name: "slack_event", Title: "One Slack event", Scope: access.Events,
			Description: "One received event with its whole payload, by event_id.",
			read: func(ctx context.Context, v vars) (any, error) {
				return r.get(ctx, event.SourceSlack, v["event_id"])
			},
		},
		{
			URI: uriChannelEvents, Name: "slack_channel_events", Title: "Events of a channel", Scope: access.Events,
			Description: "The newest 50 events of one conversation, by its id, newest first.",
			read: r.list(func(v vars) event.Filter {
				return event.Filter{Source: event.SourceSlack, Channel: v["channel"]}
			}),
		},
		{
			URI: uriThreadEvents, Name: "slack_thread_events", Title: "Events of a thread", Scope: access.Events,
			Description: "The newest 50 events of one thread, by the ids of its channel and first message, newest first.",
			read: r.list(func(v vars) event.Filter {
				return event.Filter{Source: event.SourceSlack, Channel: v["channel"], Thread: v["thread_ts"]}
			}),
		},
		{
			URI: uriSourceEvents, Name: "webhook_events", Title: "Events of a webhook sender", Scope: access.Events,
			Description: "The newest 50 events of one configured webhook source, newest first.",
			read:        r.list(func(v vars) event.Filter { return event.Filter{Source: v["source"]} }),
		},
		{
			URI: uriSourceEvent, Name: "webhook_event", Title: "One event of a webhook sender", Scope: access.Events,
			Description: "One received event of a webhook source with its whole payload, by event_id.",
			read: func(ctx context.Context, v vars) (any, error) {
				return r.get(ctx, v["source"], v["event_id"])
			},
		},
		{
			URI: uriMessageStatus, Name: "webhook_message_status", Title: "Delivery status of a message", Scope: access.Events,
			Description: "The last known status of a message that delivery receipts tell of (queued, delivered, failed), and those receipts, by the message's id.",
			read: func(ctx context.Context, v vars) (any, error) {
				return receipts.Find(ctx, r.log, v["message_id"])
			},
		},
	}
}

func (r *eventReader) list(filter func(vars) event.Filter) func(context.Context, vars) (any, error) {
	return func(ctx context.Context, v vars) (any, error) {
		page, err := r.log.Query(ctx, event.Query{Filter: filter(v), Order: event.NewestFirst, Limit: newest})
		if err != nil {
			return nil, err
		}
		out := eventList{Events: []view.Event{}, NextCursor: string(page.Next), HasMore: page.More}
		for i := range page.Events {
			out.Events = append(out.Events, view.NewEvent(&page.Events[i], view.EventOptions{Lockdown: r.lockdown, MaxText: text}))
		}
		return out, nil
	}
}

func (r *eventReader) get(ctx context.Context, source, id string) (any, error) {
	e, err := r.log.Get(ctx, source, id)
	if err != nil {
		return nil, err
	}
	return struct {
		Event view.Event `json:"event"`
	}{view.NewEvent(&e, view.EventOptions{Lockdown: r.lockdown, Payload: true})}, nil
}

// Changed lists the resources that read otherwise once e is stored.
func Changed(e *event.Event) []string {
	if e.Source != event.SourceSlack {
		uris := []string{view.EventURI(e.Source, e.ID), "webhook://" + view.Escape(e.Source) + "/events"}
		if e.Source == event.SourceGaps {
			return append(uris, view.GapsURI)
		}
		if e.Source != event.SourceReceipts {
			return uris
		}
		if r, err := event.Inner[event.Receipt](e); err == nil && r.ID != "" {
			uris = append(uris, "webhook://receipts/messages/"+view.Escape(r.ID))
		}
		return uris
	}
	uris := []string{uriEvents, view.EventURI(e.Source, e.ID), "webhook://slack/events"}
	if e.Channel != "" {
		uris = append(uris, "slack://channels/"+view.Escape(e.Channel)+"/events")
		if e.Thread != "" {
			uris = append(uris, threadURI(e.Channel, e.Thread)+"/events")
		}
	}
	return append(uris, changedInSlack(e)...)
}

func threadURI(channel, thread string) string {
	return "slack://threads/" + view.Escape(channel) + "/" + view.Escape(thread)
}

// fill lists a list's address and, where there is an id, that of its one member.
func fill(list, prefix, id string) []string {
	if id == "" {
		return []string{list}
	}
	return []string{list, prefix + view.Escape(id)}
}

// Lists are the resources that any event of Slack's may change.
func Lists() []string { return []string{uriEvents, "webhook://slack/events"} }
