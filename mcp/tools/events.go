package tools

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// CursorStart is a cursor that stands before the first event: what a wait on an empty
// store resumes from.
const CursorStart = "start"

const (
	setEvents = "events"

	excerpt       = 500      // characters of a text in a concise list
	passage       = 4000     // the same in a detailed one
	rowPayload    = 8 << 10  // bytes of a payload in a detailed list
	maxPayload    = 64 << 10 // bytes of a payload of one event
	maxResult     = 96 << 10 // bytes of a list, after which it is cut
	listPatience  = 3 * time.Second
	defaultEvents = 50
)

// eventFilter is how the events tools are told which events.
type eventFilter struct {
	Channel string   `json:"channel,omitempty" doc:"Channel id, #name or link"`
	Types   []string `json:"types,omitempty" alias:"type,event_type,event_types" split:"," max:"50" doc:"Event types, any of them: message, message.channels, message/channel_join, reaction_added, app_mention …"`
	User    string   `json:"user,omitempty" doc:"User id, @name or e-mail: who caused it"`
	Thread  string   `json:"thread,omitempty" alias:"thread_ts" doc:"ts or permalink of a thread's first message"`
	Source  string   `json:"source,omitempty" doc:"slack, gaps, or a webhook source's name; all when absent"`
}

type listEventsIn struct {
	eventFilter
	Since          string `json:"since,omitempty" doc:"Received since: ts, ISO 8601, or an age (2h, 1d, 2w)"`
	Until          string `json:"until,omitempty" doc:"Received before, written likewise"`
	Order          string `json:"order,omitempty" enum:"newest_first,oldest_first" default:"newest_first" doc:"Direction"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"200" default:"50" doc:"Most events to return"`
	ExcludeSelf    bool   `json:"exclude_self,omitempty" doc:"Leave out what our own bot caused"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call, with the same filters and order"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: longer texts and payloads"`
}

type eventsOut struct {
	Events     []view.Event `json:"events"`
	NextCursor string       `json:"next_cursor" doc:"Pass as cursor to go on; empty at the end"`
	HasMore    bool         `json:"has_more"`
	Note       string       `json:"note,omitempty"`
}

type getEventIn struct {
	EventID string `json:"event_id" alias:"id,uri" doc:"event_id, or the event's uri"`
	Source  string `json:"source,omitempty" default:"slack" doc:"slack, gaps, or a webhook source's name"`
}

type getEventOut struct {
	Event view.Event `json:"event"`
}

func eventTools(k *kit) []toolset.Tool {
	return []toolset.Tool{
		toolset.Define(toolset.Tool{
			Name: "slack_list_events", Title: "List received events", Set: setEvents, Default: true, Scope: access.Events,
			Description: "List events that Slack (or another webhook sender) has delivered to this server: messages, mentions, reactions, joins. Use it to see what happened; it reaches back through everything that is stored, newest first. Then call slack_event_context for one event's surroundings, slack_reply_to_event to answer it, slack_wait_for_event to wait for the next.",
		}, k.listEvents),
		toolset.Define(toolset.Tool{
			Name: "slack_get_event", Title: "Get one event", Set: setEvents, Default: true, Scope: access.Events,
			Description: "Get one received event with its whole payload, by the event_id that slack_list_events, slack_wait_for_event or a notification gave. For the thread around it call slack_event_context.",
		}, k.getEvent),
		toolset.Define(toolset.Tool{
			Name: "slack_wait_for_event", Title: "Wait for an event", Set: setEvents, Default: true, Scope: access.Events,
			Description: "Wait until an event arrives that matches the filters, up to timeout_seconds. Without a cursor it waits for events from now on; with the next_cursor of an earlier call it first returns what came meanwhile, so that nothing is missed. On a timeout call it again with next_cursor. Our own bot's events are left out unless include_self.",
		}, k.waitForEvent),
		toolset.Define(toolset.Tool{
			Name: "slack_event_context", Title: "Get an event's surroundings", Set: setEvents, Default: true,
			Scope: access.Read, And: access.Events, Needs: []string{scopeHistory},
			Description: "Get what one needs to understand an event in one call: the event, its channel, who caused it, the thread around it or the messages before it, and a link. Answer with slack_reply_to_event.",
		}, k.eventContext),
		toolset.Define(toolset.Tool{
			Name: "slack_reply_to_event", Title: "Reply to an event", Set: setEvents, Default: true,
			Scope: access.Write, And: access.Events, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Answer a received event where it happened: in the thread of its message, or in its channel. Channel and thread are taken from the event. Read slack_event_context first when you do not know what it is about.",
		}, k.replyToEvent),
	}
}

func (k *kit) listEvents(ctx context.Context, _ *toolset.Call, in listEventsIn) (eventsOut, error) {
	q, err := k.query(ctx, in)
	if err != nil {
		return eventsOut{}, err
	}
	out := eventsOut{Events: []view.Event{}}
	size, began, last := 0, k.now(), q.After
	for {
		page, err := k.Events.Query(ctx, q)
		if err != nil {
			return eventsOut{}, err
		}
		q.After, out.HasMore = page.Next, page.More
		for i := range page.Events {
			row, n := k.row(&page.Events[i], in.ResponseFormat)
			if size += n; size > maxResult && len(out.Events) > 0 {
				out.NextCursor, out.HasMore = string(last), true
				out.Note = "The list was cut to keep it readable: go on with next_cursor."
				return out, nil
			}
			out.Events = append(out.Events, row)
			last = page.Events[i].Position
		}
		out.NextCursor = string(page.Next)
		q.Limit = in.Limit - len(out.Events)
		if !page.More || q.Limit <= 0 {
			return out, nil
		}
		if k.now().Sub(began) > listPatience {
			out.Note = "The search has not reached the end of the store: go on with next_cursor."
			return out, nil
		}
	}
}

// row shows an event in a list, and how many bytes it takes.
func (k *kit) row(e *event.Event, format string) (view.Event, int) {
	o := view.EventOptions{Lockdown: k.Lockdown, MaxText: excerpt}
	if format == detailed {
		o.MaxText, o.Payload, o.MaxPayload = passage, true, rowPayload
	}
	v := view.NewEvent(e, o)
	if format != detailed {
		v.HappenedAt, v.Team = "", ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return v, 0
	}
	return v, len(b)
}

func (k *kit) getEvent(ctx context.Context, _ *toolset.Call, in getEventIn) (getEventOut, error) {
	e, err := k.event(ctx, in.Source, in.EventID)
	if err != nil {
		return getEventOut{}, err
	}
	return getEventOut{Event: view.NewEvent(&e, view.EventOptions{Lockdown: k.Lockdown, Payload: true, MaxPayload: maxPayload})}, nil
}

// event finds an event by its id or its URI.
func (k *kit) event(ctx context.Context, source, id string) (event.Event, error) {
	if s, i, ok := view.ParseEventURI(id); ok {
		source, id = s, i
	}
	return k.Events.Get(ctx, source, id)
}

func (k *kit) query(ctx context.Context, in listEventsIn) (event.Query, error) {
	f, err := k.filter(ctx, in.eventFilter)
	if err != nil {
		return event.Query{}, err
	}
	f.ExcludeSelf = in.ExcludeSelf
	now := k.now()
	if f.Since, err = instant("since", in.Since, now); err != nil {
		return event.Query{}, err
	}
	if f.Until, err = instant("until", in.Until, now); err != nil {
		return event.Query{}, err
	}
	q := event.Query{Filter: f, Order: event.NewestFirst, Limit: in.Limit}
	if in.Order == "oldest_first" {
		q.Order = event.OldestFirst
	}
	q.After, err = position(in.Cursor)
	return q, err
}

// position reads a cursor.
func position(cursor string) (event.Position, error) {
	cursor = strings.TrimSpace(cursor)
	if cursor == "" || cursor == CursorStart {
		return "", nil
	}
	p := event.Position(cursor)
	if _, ok := p.Seq(); !ok {
		return "", &toolset.ArgumentError{Argument: "cursor", Problem: "it is none of this server's; start again without one"}
	}
	return p, nil
}

func (k *kit) filter(ctx context.Context, in eventFilter) (event.Filter, error) {
	f := event.Filter{Source: in.Source}
	for _, s := range in.Types {
		p, err := event.ParsePattern(s)
		if err != nil {
			return f, &toolset.ArgumentError{Argument: "types", Problem: "write a type (message, reaction_added), a type and subtype (message/channel_join), or message.channels, message.groups, message.im, message.mpim, message.app_home"}
		}
		f.Patterns = append(f.Patterns, p)
	}
	var err error
	if f.Thread, err = thread("thread", in.Thread, &in.Channel); err != nil {
		return f, err
	}
	if in.Channel != "" {
		if f.Channel, err = k.channel(ctx, in.Channel); err != nil {
			return f, err
		}
	}
	if in.User != "" {
		if f.User, err = k.user(ctx, in.User); err != nil {
			return f, err
		}
	}
	return f, nil
}

// thread reads a thread's ts; a permalink also tells the channel, where none was given.
func thread(argument, s string, channel *string) (string, error) {
	if s == "" || names.IsTS(s) {
		return s, nil
	}
	m, err := names.ParseLink(s)
	if err != nil || m.TS == "" {
		return "", &toolset.ArgumentError{Argument: argument, Problem: "write a thread as the ts (1700000000.123456) or the permalink of its first message"}
	}
	if *channel == "" {
		*channel = m.Channel
	}
	if m.ThreadTS != "" {
		return m.ThreadTS, nil
	}
	return m.TS, nil
}
