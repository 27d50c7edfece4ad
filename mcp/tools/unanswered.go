package tools

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// Bounds of a look for unanswered mentions.
const (
	openSince   = 7 * 24 * time.Hour // where no other time is given
	maxOpenScan = 20_000             // events
)

// me is the person whom mentions are of where none is named: the one who signed in, else the owner
// of the user token, else the bot.
func (k *kit) me(ctx context.Context, c *toolset.Call) (string, error) {
	if s, ok := c.Principal.SignIn(); ok {
		return s.Person.User, nil
	}
	if k.Slack != nil && k.Slack.HasUserToken() {
		ctx, cancel := context.WithTimeout(ctx, resolvePatience)
		defer cancel()
		if id, err := k.Slack.AsUser().AuthTest(ctx); err == nil {
			return id.UserID, nil
		}
	}
	if id := k.self(ctx).UserID; id != "" {
		return id, nil
	}
	return "", &toolset.ArgumentError{Argument: "mentions", Problem: "who is meant by me cannot be found out now; give the person's id"}
}

// mentioned is the person whose mentions are asked for; "" where none are.
func (k *kit) mentioned(ctx context.Context, c *toolset.Call, in listEventsIn) (string, error) {
	switch {
	case in.Mentions == "" && !in.Unanswered:
		return "", nil
	case in.Mentions == "" || strings.EqualFold(in.Mentions, "me"):
		return k.me(ctx, c)
	}
	return k.user(ctx, in.Mentions)
}

// mentionQuery limits a query to the messages in which mentions can be.
func mentionQuery(q *event.Query) (err error) {
	if len(q.Filter.Patterns) == 0 {
		q.Filter.Patterns, err = event.ParsePatterns("message/", "message/file_share", "message/bot_message", "message/me_message", "message/thread_broadcast", typeMention)
	}
	q.Filter.Source = cmp.Or(q.Filter.Source, event.SourceSlack)
	return err
}

const typeMention = "app_mention"

// mentionsIn reports whether the text of a new message mentions a user.
func mentionsIn(e *event.Event, user string) bool {
	if e.Kind.Type != typeMention && e.Kind.Type != "message" {
		return false
	}
	text := textOf(e)
	return strings.Contains(text, "<@"+user+">") || strings.Contains(text, "<@"+user+"|")
}

func textOf(e *event.Event) string {
	in, err := event.Inner[struct {
		Text string `json:"text"`
	}](e)
	if err != nil {
		return ""
	}
	return in.Text
}

// unanswered lists the messages that mention a person and that the person has not answered, newest
// first, as far as the event log tells. Answered is a mention behind which the person wrote in its
// thread, or wrote into the conversation itself in a direct message, or anywhere in it to the one who had
// mentioned them, or to which the person reacted. It looks at 20,000 events and for 3 seconds at
// most, says how far it came, and asks Slack for nothing. What was deleted does not count.
func (k *kit) unanswered(ctx context.Context, r *view.Reading, q event.Query, who, format string) (eventsOut, error) {
	asked := q.Filter // what is listed
	kinds, err := event.ParsePatterns("message", typeMention, "reaction_added", "reaction_removed")
	if err != nil {
		return eventsOut{}, err
	}
	since := asked.Since
	if since.IsZero() {
		since = k.now().Add(-openSince)
	}
	o := openMentions{
		who: who, own: who == k.self(ctx).UserID, before: q.After, asked: asked, limit: q.Limit,
		answers: map[answerKey]bool{}, gone: map[messageAt]bool{}, listed: map[messageAt]bool{}, at: map[messageAt]int{},
		show: func(e *event.Event) view.Event { return k.row(r, e, format) }, budget: view.NewBudget().Naming(r),
	}
	scan := event.Query{Limit: event.MaxLimit, Filter: event.Filter{Source: event.SourceSlack, Channel: asked.Channel, Patterns: kinds, Since: since}}
	ended, err := k.scan(ctx, k.log, scan, maxOpenScan, o.add)
	if err != nil {
		return eventsOut{}, err
	}
	out := eventsOut{Events: o.rows, HasMore: o.more, LookedSince: view.Time(o.oldest)}
	if ended {
		from, err := k.reaches(ctx, k.log, since)
		if err != nil {
			return eventsOut{}, err
		}
		out.LookedSince = view.Time(from)
	}
	if out.Events == nil {
		out.Events = []view.Event{}
	}
	var met view.Introduction
	for i := range out.Events {
		if format != detailed {
			met.Event(&out.Events[i])
		}
	}
	cursors := k.log.Cursor(view.ListQuestion(&q)...)
	switch {
	case o.full:
		out.NextCursor, out.Note = cursors.Next(o.last), noteCut
	case o.more:
		out.NextCursor = cursors.Next(o.last)
	case !ended:
		out.Note = "There was more to look at than one call can: ask for a channel, or for an earlier time (until) with a later since."
	}
	return out, nil
}

// openMentions collects mentions and answers from events, newest first: an answer comes before what it
// answers.
type openMentions struct {
	who    string
	own    bool           // it is our own bot
	before event.Position // mentions behind it are not listed
	asked  event.Filter
	limit  int
	show   func(*event.Event) view.Event

	answers map[answerKey]bool
	gone    map[messageAt]bool // messages that were deleted, and reactions that were taken back
	listed  map[messageAt]bool // mentions of earlier pages
	at      map[messageAt]int  // place in rows
	rows    []view.Event
	last    event.Position
	oldest  time.Time
	more    bool
	budget  *view.Budget
	full    bool // there is enough to read
}

// A messageAt is a message, or a reaction to it.
type messageAt struct{ channel, ts, reaction string }

// An answerKey is what of an answer finds what it answers: a thread, a message that was reacted to,
// the conversation of a direct message, or the one who asked.
type answerKey struct{ channel, thread, reacted, to string }

// add takes an event, and reports whether it wants more.
func (o *openMentions) add(e *event.Event) bool {
	o.oldest = e.ReceivedAt
	switch {
	case e.Kind.Type == "reaction_added" || e.Kind.Type == "reaction_removed":
		o.reacted(e)
	case e.Kind.Subtype == "message_deleted":
		in, err := event.Inner[struct {
			Deleted string `json:"deleted_ts"`
		}](e)
		if err == nil {
			o.gone[messageAt{e.Channel, in.Deleted, ""}] = true
		}
	case e.Kind.Subtype == "message_changed" || o.gone[messageAt{e.Channel, event.TS(e.At), ""}]:
	case e.User == o.who || o.own && e.FromSelf:
		o.answered(e)
	default:
		return o.mention(e)
	}
	return true
}

func (o *openMentions) reacted(e *event.Event) {
	if e.User != o.who {
		return
	}
	in, err := event.Inner[struct {
		Reaction string `json:"reaction"`
		Item     struct {
			TS string `json:"ts"`
		} `json:"item"`
	}](e)
	key := messageAt{e.Channel, in.Item.TS, in.Reaction}
	switch {
	case err != nil:
	case e.Kind.Type == "reaction_removed":
		o.gone[key] = true
	case !o.gone[key]:
		o.answers[answerKey{channel: e.Channel, reacted: in.Item.TS}] = true
	}
}

// answered notes a message of the one who was asked.
func (o *openMentions) answered(e *event.Event) {
	o.answers[answerKey{channel: e.Channel, thread: e.Thread}] = true
	if isDirect(e.Channel, e.ChannelType) && e.Thread == event.TS(e.At) {
		o.answers[answerKey{channel: e.Channel}] = true
	}
	for _, piece := range strings.Split(textOf(e), "<@")[1:] {
		if end := strings.IndexAny(piece, ">|"); end > 0 {
			o.answers[answerKey{channel: e.Channel, to: piece[:end]}] = true
		}
	}
}

// isDirect reports a conversation in which people answer below a message, and not in its thread.
func isDirect(channel, channelType string) bool {
	return strings.HasPrefix(channel, "D") || channelType == "im" || channelType == "mpim"
}

// mention lists a mention that is not answered.
func (o *openMentions) mention(e *event.Event) bool {
	key := messageAt{e.Channel, event.TS(e.At), ""}
	answered := o.answers[answerKey{channel: e.Channel, thread: e.Thread}] || o.answers[answerKey{channel: e.Channel, reacted: key.ts}] ||
		o.answers[answerKey{channel: e.Channel}] || e.User != "" && o.answers[answerKey{channel: e.Channel, to: e.User}]
	if answered || !o.asked.Match(e) || !mentionsIn(e, o.who) || !o.asked.Says(e) {
		return true
	}
	if o.before != "" && e.Position >= o.before {
		o.listed[key] = true
		return true
	}
	if o.listed[key] { // the other event of a pair that is on an earlier page
		return true
	}
	v := o.show(e)
	if i, ok := o.at[key]; ok { // the other event of a pair
		v.Types = []string{"message", typeMention}
		o.rows[i], o.last = v, e.Position
		return true
	}
	if o.full = len(o.rows) < o.limit && !o.budget.Takes(v); o.full || len(o.rows) == o.limit {
		o.more = true
		return false
	}
	o.at[key] = len(o.rows)
	o.rows, o.last = append(o.rows, v), e.Position
	return true
}

// onlyMentions keeps of a page the events that mention a person.
func onlyMentions(events []event.Event, who string) []event.Event {
	if who == "" {
		return events
	}
	return slices.DeleteFunc(slices.Clone(events), func(e event.Event) bool { return !mentionsIn(&e, who) })
}
