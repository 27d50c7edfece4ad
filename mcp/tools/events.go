package tools

import (
	"cmp"
	"context"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/cursor"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// CursorStart is a cursor that stands before the first event: what a wait on an empty
// store resumes from.
const CursorStart = "start"

const (
	setEvents = "events"

	excerpt      = 500      // characters of a text in a concise list
	passage      = 4000     // the same in a detailed one
	longText     = 18_000   // the same of one event, which its escapes may double
	rowPayload   = 8 << 10  // bytes of a payload in a detailed list
	maxPayload   = 64 << 10 // bytes of a payload of one event
	listPatience = 3 * time.Second
)

// eventFilter names the events that a tool is about.
type eventFilter struct {
	Channel string   `json:"channel,omitempty" doc:"id, #name or link"`
	Types   []string `json:"types,omitempty" alias:"type,event_type,event_types" split:"," max:"50" doc:"Any of: message, message.channels, message/channel_join, reaction_added …"`
	User    string   `json:"user,omitempty" doc:"Who caused it: id, @name or e-mail"`
	Thread  string   `json:"thread,omitempty" alias:"thread_ts" doc:"ts or link of a message in it"`
	Source  string   `json:"source,omitempty" doc:"slack, gaps or a webhook source"`
}

type listEventsIn struct {
	eventFilter
	Query          string `json:"query,omitempty" doc:"All of these words; \"together\"; begin*"`
	Since          string `json:"since,omitempty" doc:"ts, ISO 8601 or age (2h, 1d, 2w)"`
	Until          string `json:"until,omitempty" doc:"Likewise"`
	Order          string `json:"order,omitempty" enum:"newest_first,oldest_first" default:"newest_first" doc:"Direction"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"200" doc:"Most events: 50, detailed 10"`
	Mentions       string `json:"mentions,omitempty" doc:"Only mentions of this user (id, @name, e-mail, me)"`
	Unanswered     bool   `json:"unanswered,omitempty" doc:"Only mentions (of me by default) not answered since; of 7d by default"`
	ExcludeSelf    bool   `json:"exclude_self,omitempty" doc:"Not what our bot did"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: longer texts, addresses, payloads"`
}

type eventsOut struct {
	view.Mark
	Events      []view.Event `json:"events"`
	NextCursor  string       `json:"next_cursor" doc:"Pass as cursor to go on; empty at the end"`
	HasMore     bool         `json:"has_more"`
	LookedSince string       `json:"looked_since,omitempty" doc:"with unanswered: how far back it looked"`
	Note        string       `json:"note,omitempty"`
	view.Legend
}

type getEventIn struct {
	EventID string `json:"event_id" alias:"id,uri" doc:"event_id or uri"`
	Source  string `json:"source,omitempty" default:"slack" doc:"slack, gaps or a webhook source"`
}

type getEventOut struct {
	view.Mark
	Event view.Event `json:"event"`
	Note  string     `json:"note,omitempty"`
	view.Legend
}

func eventTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_list_events", Title: "List received events", Set: setEvents, Default: true, Scope: access.Events, For: toolset.AsPerson,
			Description: "List received events: messages, mentions, reactions, joins, other senders' webhooks, as far back as they are stored. Then slack_event_context shows what is around one, slack_reply_to_event answers it.",
		}, (*kit).listEvents),
		define(ks, toolset.Tool{
			Name: "slack_get_event", Title: "Get one event", Set: setEvents, Default: true, Scope: access.Events, For: toolset.AsPerson,
			Description: "Get one received event with its whole payload. For what is around it: slack_event_context.",
		}, (*kit).getEvent),
		define(ks, toolset.Tool{
			Name: "slack_wait_for_event", Title: "Wait for an event", Set: setEvents, Default: true, Scope: access.Events, For: toolset.AsPerson,
			Description: "Wait for an event that matches: from a cursor on (a post's, or next_cursor of an earlier call), else from the bot's last message in the channel or thread, else from now on. When timed_out, call again with next_cursor.",
		}, (*kit).waitForEvent),
		define(ks, toolset.Tool{
			Name: "slack_event_context", Title: "Get an event's surroundings", Set: setEvents, Default: true,
			Scope: access.Read, And: access.Events, For: toolset.AsPerson, Needs: []string{scopeHistory},
			Description: "Get an event with what is around it: channel, author, its thread or the messages before it, link.",
		}, (*kit).eventContext),
		define(ks, toolset.Tool{
			Name: "slack_reply_to_event", Title: "Reply to an event", Set: setEvents, Default: true,
			Scope: access.Write, And: access.Events, For: toolset.AsPerson, Effect: toolset.Adds, Needs: []string{scopePost},
			Description: "Answer an event that you have the event_id of, in its thread or channel.",
		}, (*kit).replyToEvent),
	}
}

func (k *kit) listEvents(ctx context.Context, c *toolset.Call, in listEventsIn) (eventsOut, error) {
	q, err := k.query(ctx, in)
	if err != nil {
		return eventsOut{}, err
	}
	who, err := k.mentioned(ctx, c, in)
	if err != nil {
		return eventsOut{}, err
	}
	if who != "" {
		if err := mentionQuery(&q); err != nil {
			return eventsOut{}, err
		}
	}
	if in.Unanswered && q.Order == event.OldestFirst {
		return eventsOut{}, &toolset.ArgumentError{Argument: "order", Problem: "unanswered mentions are listed newest first"}
	}
	var out eventsOut
	err = k.Judge.Read(ctx, func(r *view.Reading) error {
		if err := searched(r, &q, in.Query); err != nil {
			return err
		}
		if in.Unanswered {
			out, err = k.unanswered(ctx, r, q, who, in.ResponseFormat)
		} else {
			out, err = k.list(ctx, r, q, who, in.ResponseFormat)
		}
		out.Legend = r.Legend(out.Events)
		if areCut(out.Events) {
			out.Note = strings.TrimSpace(out.Note + " " + noteLongEvent)
		}
		return err
	})
	return out, err
}

// list shows events until there are as many as asked for, or enough to read; with who only those that
// mention this user.
func (k *kit) list(ctx context.Context, r *view.Reading, q event.Query, who, format string) (eventsOut, error) {
	l := listing{eventsOut: eventsOut{Events: []view.Event{}}, sheet: newSheet(false), format: format, cursors: k.log.Cursor(view.ListQuestion(&q)...)}
	l.sheet.budget.Naming(r)
	began, most := k.now(), q.Limit
	pairs := view.NewPairs(k.log, q.Filter)
	for {
		var p event.Page
		err := k.log.Query(ctx, q, func(page event.Page) error {
			p = event.Page{Next: page.Next, More: page.More, Unreadable: page.Unreadable, Unjudged: page.Unjudged, Looked: page.Looked}
			taken := onlyMentions(page.Events, who)
			for i := range taken {
				pairs.Add(&taken[i], k.row(r, &taken[i], format))
			}
			return nil
		})
		if err != nil {
			return eventsOut{}, err
		}
		rows, err := pairs.Resolve(ctx)
		if err != nil {
			return eventsOut{}, err
		}
		q.After = l.add(q.After, rows, p)
		q.Limit = most - len(l.Events)
		if l.full || !l.HasMore || q.Limit <= 0 {
			return l.eventsOut, nil
		}
		if k.now().Sub(began) > listPatience {
			l.say(unfinished(p.Looked))
			return l.eventsOut, nil
		}
	}
}

// unfinished says that a search has not come to its end, and, where that is told, how far it has looked.
func unfinished(looked time.Time) string {
	if looked.IsZero() {
		return "The search has not reached the end of the store: go on with next_cursor."
	}
	return "The search has not reached the end of the store: it looked as far as " + looked.UTC().Format(time.RFC3339) + ". Go on with next_cursor."
}

// A listing is a list of events that grows page by page.
type listing struct {
	eventsOut
	sheet   *sheet
	format  string
	full    bool // there is enough to read
	cursors cursor.Codec
}

// add takes the rows of a page that was read behind a position, and returns where to go on.
func (l *listing) add(after event.Position, rows []view.Row, page event.Page) event.Position {
	for i := range rows {
		if rows[i].Second {
			continue
		}
		if !l.sheet.takes(&rows[i].Event, l.format) {
			l.NextCursor, l.HasMore, l.full = l.cursors.Next(after), true, true
			l.say(noteCut)
			return after
		}
		l.Events = append(l.Events, rows[i].Event)
		after = rows[i].At
	}
	l.NextCursor, l.HasMore = l.cursors.Next(page.Next), page.More
	l.say(view.Missing(page))
	return page.Next
}

// say adds a sentence to the note, once.
func (l *listing) say(sentence string) {
	if !strings.Contains(l.Note, sentence) {
		l.Note = strings.TrimSpace(l.Note + " " + sentence)
	}
}

// row shows an event in a list.
func (k *kit) row(r *view.Reading, e *event.Event, format string) view.Event {
	o := view.EventOptions{MaxText: excerpt, Concise: format != detailed}
	if format == detailed {
		o.MaxText, o.Payload, o.MaxPayload = passage, true, rowPayload
	}
	return r.Event(e, o)
}

func (k *kit) getEvent(ctx context.Context, _ *toolset.Call, in getEventIn) (getEventOut, error) {
	var out getEventOut
	err := k.Judge.Read(ctx, func(r *view.Reading) (err error) {
		out.Event, _, err = k.seen(ctx, r, in.Source, in.EventID, view.EventOptions{MaxText: longText, Payload: true, MaxPayload: maxPayload})
		if out.Legend = r.Legend(); view.Size(out.Event) > view.MaxResult-2*excerpt {
			out.Event.Payload = nil
			out.Note = "The payload is too long for a result: the resource at uri has up to 64 KiB of it."
		}
		return err
	})
	return out, err
}

// seen finds an event by its id or its URI, and shows it. It returns the event without its body, too.
func (k *kit) seen(ctx context.Context, r *view.Reading, source, id string, o view.EventOptions) (view.Event, event.Event, error) {
	pairs := view.NewPairs(k.log, event.Filter{})
	e, err := k.event(ctx, k.log, source, id, func(e *event.Event) { pairs.Add(e, r.Event(e, o)) })
	if err != nil {
		return view.Event{}, e, err
	}
	rows, err := pairs.Resolve(ctx)
	if err != nil {
		return view.Event{}, e, err
	}
	return rows[0].Event, e, nil
}

// event finds an event of a log by its id or its URI, and calls use with it. It returns the event
// without its body.
func (k *kit) event(ctx context.Context, log sight.Log, source, id string, use func(*event.Event)) (event.Event, error) {
	if s, i, ok := view.ParseEventURI(id); ok {
		source, id = s, i
	}
	var found event.Event
	err := log.Get(ctx, source, id, func(e *event.Event) error {
		use(e)
		found = *e
		found.Raw = nil
		return nil
	})
	return found, err
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
	q := event.Query{Filter: f, Order: event.NewestFirst, Limit: rows(in.Limit, in.ResponseFormat, 50, 10)}
	if in.Order == "oldest_first" {
		q.Order = event.OldestFirst
	}
	if in.Query != "" {
		q.Filter.Text = &event.Text{Query: in.Query} // see searched
	}
	q.After, err = position(k.log.Cursor(view.ListQuestion(&q)...), in.Cursor)
	return q, err
}

// scanBudget is how many events one page of a search for words looks at, of each of which the body is read.
const scanBudget = 5000

// searched makes a query one for events that say words, as far as a reading lets their words through.
func searched(r *view.Reading, q *event.Query, query string) (err error) {
	if query == "" {
		return nil
	}
	if q.Filter.Text, err = r.Search(query); err != nil {
		return &toolset.ArgumentError{Argument: "query", Problem: err.Error()}
	}
	q.ScanBudget = scanBudget
	return nil
}

// waitQuestion is what the cursors of waits are bound to: each is as good for another wait.
const waitQuestion = "slack_wait_for_event"

// position reads a cursor.
func position(c cursor.Codec, written string) (event.Position, error) {
	written = strings.TrimSpace(written)
	if written == "" {
		return "", nil
	}
	p, ok := c.Read(written)
	switch {
	case !ok:
		return "", &toolset.ArgumentError{Argument: "cursor", Problem: cursor.Again}
	case p == "" || p == CursorStart:
		return "", nil
	}
	if _, ok := p.Seq(); !ok {
		return "", &toolset.ArgumentError{Argument: "cursor", Problem: "it is none of this server's; start again without one"}
	}
	return p, nil
}

// placeAt writes the cursor of a place, also of the one before the first event.
func placeAt(c cursor.Codec, p event.Position) string { return cmp.Or(c.Write(p), CursorStart) }

func (k *kit) filter(ctx context.Context, in eventFilter) (event.Filter, error) {
	f := event.Filter{Source: in.Source}
	for _, s := range in.Types {
		p, err := event.ParsePattern(s)
		if err != nil {
			return f, &toolset.ArgumentError{Argument: "types", Problem: "write a type (message, reaction_added), a type and subtype (message/channel_join), or message.channels, message.groups, message.im, message.mpim, message.app_home"}
		}
		f.Patterns = append(f.Patterns, p)
	}
	err := k.filterPlace(ctx, in, &f)
	if err == nil && in.User != "" {
		f.User, err = k.user(ctx, in.User)
	}
	return f, err
}

// filterPlace puts in where the events happened: the channel, and the thread.
func (k *kit) filterPlace(ctx context.Context, in eventFilter, f *event.Filter) (err error) {
	if f.Thread, _, err = thread("thread", in.Thread, &in.Channel); err != nil {
		return err
	}
	if in.Channel != "" {
		if f.Channel, err = k.channel(ctx, in.Channel); err != nil {
			return err
		}
		if f.Thread, err = k.threadIn(ctx, "thread", f.Channel, in.Thread); err != nil {
			return err
		}
	}
	if f.Thread != "" && (f.Channel == "" || k.Slack == nil) { // Slack has to be told the channel
		f.Thread, err = view.ThreadOf(ctx, k.log, f.Channel, f.Thread)
	}
	return err
}

type eventContextIn struct {
	EventID        string `json:"event_id" alias:"id,uri" doc:"event_id or uri"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"100" doc:"Most messages: 20, detailed 10"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: blocks, attachments, permalinks"`
}

type eventContextOut struct {
	view.Mark
	Event     view.Event     `json:"event"`
	Channel   *view.Channel  `json:"channel,omitempty"`
	User      *view.Person   `json:"user,omitempty" doc:"who caused it"`
	Thread    []view.Message `json:"thread,omitempty" doc:"the thread that it belongs to, oldest first"`
	Before    []view.Message `json:"before,omitempty" doc:"the channel's messages before it, oldest first"`
	Permalink string         `json:"permalink,omitempty"`
	HasMore   bool           `json:"has_more"`
	Note      string         `json:"note,omitempty"`
	view.Legend
}

// eventContext collects what there is; a part that Slack refuses is named in the note,
// because the event alone is worth something too.
func (k *kit) eventContext(ctx context.Context, _ *toolset.Call, in eventContextIn) (out eventContextOut, err error) {
	var ts string // of the message that it is about
	show := func(r *view.Reading) (e event.Event, err error) {
		out.Event, e, err = k.seen(ctx, r, event.SourceSlack, in.EventID, view.EventOptions{MaxText: passage})
		ts = cmp.Or(out.Event.TS, e.Thread)
		return e, err
	}
	e, err := show(k.Judge.Reading(ctx))
	if err != nil {
		return eventContextOut{}, err
	}
	near, place := surroundings{}, e.Source == event.SourceSlack && e.Channel != ""
	if place {
		if near, err = k.around(ctx, &e, ts, rows(in.Limit, in.ResponseFormat, 20, 10)); err != nil {
			out.Note = "What is around the event could not be read: " + Fault(err)
		}
		out.Permalink = view.Permalink(k.self(ctx).URL, e.Channel, ts, e.Thread)
		_, _ = k.Names.Channel(ctx, e.Channel) // what is not known of it is left out
	} else {
		out.Note = "The event belongs to no conversation."
	}
	if e.User != "" {
		_, _ = k.Names.User(ctx, e.User)
	}
	err = k.Judge.Read(ctx, func(r *view.Reading) error {
		_, err := show(r)
		if u, ok := k.Names.KnownUser(e.User); ok {
			out.User = new(r.Person(&u))
		}
		if c, ok := k.Names.KnownChannel(e.Channel); ok && place {
			out.Channel = new(r.KnownChannel(&c))
		}
		k.surround(ctx, r, &e, &near, in.ResponseFormat, &out)
		out.Legend = r.Legend()
		return err
	})
	return out, err
}

// surroundings are the messages around an event as Slack returned them.
type surroundings struct {
	thread, before []slackapi.Message
	more           bool
}

// around reads the thread of an event and, when the event began it, what stands before
// it in the channel.
func (k *kit) around(ctx context.Context, e *event.Event, ts string, limit int) (near surroundings, err error) {
	if e.Thread != "" {
		page, err := k.Slack.Replies(ctx, slackapi.RepliesQuery{Channel: e.Channel, ThreadTS: e.Thread, Limit: limit})
		if err != nil {
			return near, err
		}
		near.thread, near.more = page.Messages, page.HasMore
		if len(page.Messages) > 1 {
			return near, nil
		}
	}
	page, err := k.Slack.History(ctx, slackapi.HistoryQuery{Channel: e.Channel, Latest: ts, Limit: limit})
	near.before = page.Messages
	return near, err
}

// surround shows what is around an event.
func (k *kit) surround(ctx context.Context, r *view.Reading, e *event.Event, near *surroundings, format string, out *eventContextOut) {
	out.Thread, out.Before, out.HasMore = nil, nil, near.more
	s, o := newSheet(false), k.messageOptions(ctx, e.Channel, format)
	for _, shown := range []any{&out.Event, out.Channel, out.User} {
		s.budget.Takes(shown)
	}
	if near.thread != nil {
		k.met(e.Channel, near.thread)
		shown, cut := s.messages(r, o, near.thread)
		out.Thread, out.HasMore = shown, near.more || cut
	}
	if near.before != nil {
		k.met(e.Channel, near.before)
		out.Before = s.before(r, o, near.before)
	}
}

type replyToEventIn struct {
	EventID string `json:"event_id" alias:"id,uri" doc:"event_id or uri"`
	words
	To        string `json:"to,omitempty" enum:"thread,channel" default:"thread" doc:"Where the answer goes"`
	Broadcast bool   `json:"reply_broadcast,omitempty" doc:"Show a reply in the channel too"`
	safety
}

func (k *kit) replyToEvent(ctx context.Context, c *toolset.Call, in replyToEventIn) (posted, error) {
	plainDM := false
	e, err := k.event(ctx, k.log, event.SourceSlack, in.EventID, func(e *event.Event) { plainDM = isPlainDM(e) })
	if err != nil {
		return posted{}, err
	}
	if e.Source != event.SourceSlack || e.Channel == "" {
		return posted{}, fault("no_channel: this event belongs to no conversation, so it cannot be answered there. Use slack_post_message.")
	}
	m, err := k.content(ctx, c, in.words)
	if err != nil {
		return posted{}, err
	}
	m.post.Channel = e.Channel
	if in.To == "thread" && !plainDM {
		m.post.ThreadTS = e.Thread
	}
	m.post.Broadcast = in.Broadcast && m.post.ThreadTS != ""
	by, line, err := k.answering(ctx, e.Channel)
	if err != nil {
		return posted{}, err
	}
	m.post.Below = line
	return by.deliver(ctx, c, m, in.safety)
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

type messageStatusIn struct {
	MessageID string `json:"message_id" alias:"id" doc:"Id of the message, as its sender's receipts have it"`
}

func receiptTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "webhook_message_status", Title: "Get a message's delivery status", Set: setEvents, Scope: access.Events, For: toolset.AsPerson,
			Description: "Get the last known delivery status (queued, delivered, failed) of a message that delivery receipts tell of, with these. All receipts: slack_list_events with source receipts.",
		}, (*kit).messageStatus),
	}
}

func (k *kit) messageStatus(ctx context.Context, _ *toolset.Call, in messageStatusIn) (view.MessageStatus, error) {
	return view.FindMessageStatus(ctx, k.log, in.MessageID)
}
