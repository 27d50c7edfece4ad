package resources

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/cursor"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/toolset"
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
	newest = 50 // events of a list resource
	// maxPayload is how many bytes a payload has at most; that of a longer body is left out.
	maxPayload = 64 << 10
	text       = 500 // characters of each one's text
	// patience bounds how long a list is filled; then it says that there is more.
	patience = 3 * time.Second
)

// eventList is what a list resource holds.
type eventList struct {
	view.Mark
	Events     []view.Event `json:"events"`
	NextCursor string       `json:"next_cursor"`
	HasMore    bool         `json:"has_more"`
	Note       string       `json:"note,omitempty"`
	view.Legend

	last    event.Position // of the event that was added last
	cursors cursor.Codec
}

type eventReader struct {
	events *sight.Events
	// judgeOf returns who decides whose words the caller is shown.
	judgeOf func(context.Context) (*view.Judge, error)
}

// sees reports whether the caller sees any events at all.
func (r *eventReader) sees(ctx context.Context) bool { return r.log(ctx).Sees() }

// log is the events as the caller sees them.
func (r *eventReader) log(ctx context.Context) sight.Log {
	return r.events.For(sight.Of(access.From(ctx)))
}

func (r *eventReader) resources() []Resource {
	return []Resource{
		{
			URI: uriEvents, Name: "slack_events", Title: "Received Slack events", Scope: access.Events, people: r.sees,
			Description: "The newest 50 events that Slack delivered, newest first. Follow it to be told of each new event. Older ones: slack_list_events with next_cursor.",
			read:        r.list(func(vars) event.Filter { return event.Filter{Source: event.SourceSlack} }),
		},
		{
			URI: uriEvent, Name: "slack_event", Title: "One Slack event", Scope: access.Events, people: r.sees,
			Description: "One received event with its payload of up to 64 KiB, by event_id.",
			read: func(ctx context.Context, v vars) (any, error) {
				return r.get(ctx, event.SourceSlack, v["event_id"])
			},
		},
		{
			URI: uriChannelEvents, Name: "slack_channel_events", Title: "Events of a channel", Scope: access.Events, people: r.sees,
			Description: "The newest 50 events of one conversation, by its id, newest first.",
			read: r.list(func(v vars) event.Filter {
				return event.Filter{Source: event.SourceSlack, Channel: v["channel"]}
			}),
		},
		{
			URI: uriThreadEvents, Name: "slack_thread_events", Title: "Events of a thread", Scope: access.Events, people: r.sees,
			Description: "The newest 50 events of one thread, by the ids of its channel and first message, newest first.",
			read:        r.thread,
		},
		{
			URI: uriSourceEvents, Name: "webhook_events", Title: "Events of a webhook sender", Scope: access.Events, people: r.sees,
			Description: "The newest 50 events of one configured webhook source, newest first.",
			read:        r.list(func(v vars) event.Filter { return event.Filter{Source: v["source"]} }),
		},
		{
			URI: uriSourceEvent, Name: "webhook_event", Title: "One event of a webhook sender", Scope: access.Events, people: r.sees,
			Description: "One received event of a webhook source with its payload of up to 64 KiB, by event_id.",
			read: func(ctx context.Context, v vars) (any, error) {
				return r.get(ctx, v["source"], v["event_id"])
			},
		},
		{
			URI: uriMessageStatus, Name: "webhook_message_status", Title: "Delivery status of a message", Scope: access.Events, people: r.sees,
			Description: "The last known status of a message that delivery receipts tell of (queued, delivered, failed), and those receipts, by the message's id.",
			read: func(ctx context.Context, v vars) (any, error) {
				return view.FindMessageStatus(ctx, r.log(ctx), v["message_id"])
			},
		},
	}
}

func (r *eventReader) list(filter func(vars) event.Filter) func(context.Context, vars) (any, error) {
	return func(ctx context.Context, v vars) (any, error) {
		var out eventList
		judge, err := r.judgeOf(ctx)
		if err != nil {
			return nil, err
		}
		err = judge.Read(ctx, func(reading *view.Reading) (err error) {
			out, err = r.newest(ctx, reading, filter(v))
			out.Legend = reading.Legend(out.Events) // what had no room mentions nobody here
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// thread lists the events of a thread. The ts of a reply is as good, and the note says how its thread is
// followed: it is told of by its first message.
func (r *eventReader) thread(ctx context.Context, v vars) (any, error) {
	root, err := view.ThreadOf(ctx, r.log(ctx), v["channel"], v["thread_ts"])
	if err != nil {
		return nil, err
	}
	f := event.Filter{Source: event.SourceSlack, Channel: v["channel"], Thread: root}
	list, err := r.list(func(vars) event.Filter { return f })(ctx, v)
	if out, ok := list.(eventList); ok && root != v["thread_ts"] {
		out.Note = strings.TrimSpace("The ts is that of a reply: follow " + threadURI(f.Channel, root) + "/events to be told of the thread's new events. " + out.Note)
		return out, nil
	}
	return list, err
}

// threadURI is the address of a thread.
func threadURI(channel, ts string) string {
	return "slack://threads/" + view.Escape(channel) + "/" + view.Escape(ts)
}

// newest shows the newest events that a filter selects.
func (r *eventReader) newest(ctx context.Context, reading *view.Reading, f event.Filter) (eventList, error) {
	q := event.Query{Filter: f, Order: event.NewestFirst, Limit: newest}
	log := r.log(ctx)
	out := eventList{Events: []view.Event{}, HasMore: true, cursors: log.Cursor(view.ListQuestion(&q)...)}
	pairs, budget, met := view.NewPairs(log, f), view.NewBudget(), &view.Introduction{}
	for began := time.Now(); out.HasMore && q.Limit > 0 && time.Since(began) < patience; {
		err := log.Query(ctx, q, func(page event.Page) error {
			for i := range page.Events {
				pairs.Add(&page.Events[i], reading.Event(&page.Events[i], view.EventOptions{MaxText: text, Concise: true}))
			}
			out.NextCursor, out.HasMore, out.Note = out.cursors.Next(page.Next), page.More, view.Missing(page)
			q.After = page.Next
			return nil
		})
		if err != nil {
			return out, err
		}
		rows, err := pairs.Resolve(ctx)
		if err != nil {
			return out, err
		}
		if out.add(budget, met, rows) {
			return out, nil
		}
		q.Limit = newest - len(out.Events)
	}
	return out, nil
}

// add takes the events within the budget; it reports that not all were, and goes on
// behind the last.
func (l *eventList) add(budget *view.Budget, met *view.Introduction, rows []view.Row) (full bool) {
	for i := range rows {
		if rows[i].Second {
			continue
		}
		if met.Event(&rows[i].Event); !budget.Takes(rows[i].Event) {
			l.NextCursor, l.HasMore = l.cursors.Next(l.last), true
			return true
		}
		l.Events, l.last = append(l.Events, rows[i].Event), rows[i].At
	}
	return false
}

func (r *eventReader) get(ctx context.Context, source, id string) (any, error) {
	var out struct {
		view.Mark
		Event view.Event `json:"event"`
		view.Legend
	}
	judge, err := r.judgeOf(ctx)
	if err != nil {
		return nil, err
	}
	err = judge.Read(ctx, func(reading *view.Reading) error {
		err := r.log(ctx).Get(ctx, source, id, func(e *event.Event) error {
			out.Event = reading.Event(e, view.EventOptions{Payload: true, MaxPayload: maxPayload})
			return nil
		})
		out.Legend = reading.Legend()
		return err
	})
	return out, err
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
			thread := threadURI(e.Channel, e.Thread)
			uris = append(uris, thread+"/events")
			switch e.Kind.Type {
			case "message", "reaction_added", "reaction_removed":
				uris = append(uris, thread)
			}
		}
	}
	return append(uris, changedInSlack(e)...)
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

// gapsResource shows when events may have been missed.
func gapsResource(read func(ctx context.Context) (any, error), people func(context.Context) bool) Resource {
	return Resource{
		URI: view.GapsURI, Name: "slack_gaps", Title: "Gaps in the received events", Scope: access.Events, people: people,
		Description: "The times in which events may have been missed: Slack withheld them, or nothing could be received. A gap that is filled has its messages among the events, flagged filled_from_history; reactions, edits and joins of a gap stay unknown. For an open one read the channels with slack_read_channel_messages.",
		read:        func(ctx context.Context, _ vars) (any, error) { return read(ctx) },
	}
}

// The addresses of what is read from Slack.
const (
	uriChannels   = "slack://channels"
	uriChannel    = "slack://channels/{channel}"
	uriUsers      = "slack://users"
	uriUser       = "slack://users/{user}"
	uriUserGroups = "slack://usergroups"
	uriEmojis     = "slack://emojis"
	uriThread     = "slack://threads/{channel}/{thread_ts}"
)

// A toolReader reads resources by calling tools, so that there is one way to see a
// channel, a user or a thread: of a person it is their own token of Slack.
type toolReader struct {
	tools   map[string]toolset.Tool
	granted func(context.Context, *toolset.Tool) bool // nil is always, and for people never
}

func (r *toolReader) resources() []Resource {
	var all []Resource
	add := func(uri, name, title, description, tool string, arguments func(vars) map[string]any) {
		t, ok := r.tools[tool]
		if !ok {
			return
		}
		all = append(all, Resource{
			URI: uri, Name: name, Title: title, Description: description, Scope: t.Scope,
			read:   func(ctx context.Context, v vars) (any, error) { return call(ctx, &t, arguments(v)) },
			hidden: func(ctx context.Context) bool { return r.granted != nil && !r.granted(ctx, &t) },
			people: func(context.Context) bool { return r.granted != nil },
		})
	}
	most := func(n int) func(vars) map[string]any {
		return func(vars) map[string]any { return map[string]any{"limit": n} }
	}
	add(uriChannels, "slack_channels", "Channels", "The first 200 conversations that the bot can see, or the person who has signed in. More, and search: slack_list_channels.", "slack_list_channels", most(200))
	add(uriChannel, "slack_channel", "One channel", "A conversation's details, by its id.", "slack_get_channel_info",
		func(v vars) map[string]any { return map[string]any{"channel": v["channel"]} })
	add(uriUsers, "slack_users", "Users", "The first 200 members of the workspace. More: slack_list_users; search: slack_search_users.", "slack_list_users", most(200))
	add(uriUser, "slack_user", "One user", "A user's profile, by their id.", "slack_get_user_profiles",
		func(v vars) map[string]any { return map[string]any{"users": []string{v["user"]}} })
	add(uriUserGroups, "slack_usergroups", "User groups", "The workspace's user groups.", "slack_list_user_groups",
		func(vars) map[string]any { return map[string]any{} })
	add(uriEmojis, "slack_emojis", "Custom emoji", "The workspace's own emoji: name to image, or alias.", "slack_read_emojis", most(2000))
	add(uriThread, "slack_thread", "One thread", "A thread's messages, oldest first, by the ids of its channel and first message.", "slack_read_thread_messages",
		func(v vars) map[string]any {
			return map[string]any{"channel": v["channel"], "thread_ts": v["thread_ts"]}
		})
	return all
}

func call(ctx context.Context, t *toolset.Tool, arguments map[string]any) (any, error) {
	raw, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	c := &toolset.Call{Tool: t.Name, Principal: access.From(ctx), Progress: func(float64, float64, string) {}}
	res, err := t.Run(ctx, c, raw)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", t.Name, err)
	}
	return res.Structured, nil
}

// changedInSlack lists the resources that read otherwise after an event about the
// workspace itself (docs.slack.dev/reference/events).
func changedInSlack(e *event.Event) []string {
	switch e.Kind.Type {
	case "channel_created", "channel_rename", "channel_archive", "channel_unarchive", "channel_deleted", "channel_id_changed",
		"channel_shared", "channel_unshared", "group_rename", "group_archive", "group_unarchive", "group_deleted",
		"member_joined_channel", "member_left_channel":
		return fill(uriChannels, "slack://channels/", e.Channel)
	case "user_change", "team_join", "user_profile_changed", "user_status_changed":
		return fill(uriUsers, "slack://users/", e.User)
	case "subteam_created", "subteam_updated", "subteam_members_changed":
		return []string{uriUserGroups}
	case "emoji_changed":
		return []string{uriEmojis}
	}
	return nil
}
