package tools

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

type searchIn struct {
	Query          string `json:"query" alias:"search_query" max:"1000" doc:"Words, \"phrases\", and with a user token Slack's filters (in:#general from:@alice has:link)"`
	Channel        string `json:"channel,omitempty" alias:"in_channel" doc:"Only in: id, #name or link"`
	User           string `json:"user,omitempty" alias:"from,from_user" doc:"Only by: id, @name or e-mail"`
	After          string `json:"after,omitempty" alias:"since" doc:"Not before: ts, ISO 8601 or age (1d, 2w)"`
	Before         string `json:"before,omitempty" alias:"until" doc:"Not after, likewise"`
	Sort           string `json:"sort,omitempty" enum:"score,timestamp" default:"score" doc:"Best match or newest first"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"100" default:"20" doc:"Most messages"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
	EventID        string `json:"event_id,omitempty" doc:"Bot token only: the received app_mention or direct message on whose behalf you search"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: longer texts"`
}

// A hit is a message that was found.
type hit struct {
	Channel     string `json:"channel"`
	ChannelName string `json:"channel_name,omitempty"`
	view.Message
}

type searchOut struct {
	view.Mark
	Messages   []hit  `json:"messages"`
	Total      int    `json:"total,omitempty" doc:"not known with after or before"`
	HasMore    bool   `json:"has_more"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass as cursor to go on"`
	Note       string `json:"note,omitempty"`
	view.Legend
}

// search asks with the user token where there is one, because only that sees all.
func (k *kit) search(ctx context.Context, c *toolset.Call, in searchIn) (searchOut, error) {
	if k.servesUser(c) {
		return k.searchAsUser(ctx, in)
	}
	return k.searchAsBot(ctx, in)
}

const cursorPage = "page:"

func (k *kit) searchAsUser(ctx context.Context, in searchIn) (searchOut, error) {
	q := slackapi.SearchQuery{ByTime: in.Sort == "timestamp", Count: in.Limit, Page: 1}
	at, err := spotOf(in.Cursor)
	if err != nil {
		return searchOut{}, err
	}
	if page, ok := strings.CutPrefix(at.cursor, cursorPage); ok {
		n, err := strconv.Atoi(page)
		if err != nil || n < 1 || n > 100 {
			return searchOut{}, &toolset.ArgumentError{Argument: "cursor", Problem: "it is none of this tool's; start again without one"}
		}
		q.Page = n
	}
	within, err := k.searchSpan(in)
	if err != nil {
		return searchOut{}, err
	}
	if q.Query, err = k.searchQuery(ctx, in, within); err != nil {
		return searchOut{}, err
	}
	page, err := k.Slack.SearchMessages(ctx, q)
	if err != nil {
		return searchOut{}, err
	}
	out, left, found := searchOut{}, 0, []match{}
	for i := range page.Matches {
		m := matched(&page.Matches[i])
		if !within.holds(m.TS) {
			left++
			continue
		}
		found = append(found, match{m, page.Matches[i].Channel.Name})
	}
	if page.Page < page.Pages {
		out.HasMore, out.NextCursor = true, cursorPage+strconv.Itoa(page.Page+1)
	}
	out.leave(left)
	if within == (span{}) {
		out.Total = page.Total
	}
	err = k.hits(ctx, at, found, in.ResponseFormat, &out)
	return out, err
}

// matched is the message that a match tells of.
func matched(found *slackapi.SearchMatch) *slackapi.Message {
	m := found.Message
	m.Channel = found.Channel.ID
	if m.User == "" && m.Subtype == "" {
		m.Subtype = "bot_message" // each person has a user
	}
	if link, err := names.ParseLink(m.Permalink); err == nil {
		m.ThreadTS = cmp.Or(m.ThreadTS, link.ThreadTS)
	}
	return &m
}

// leave says that hits were left out.
func (o *searchOut) leave(n int) {
	if n > 0 {
		o.Note = fmt.Sprintf("This page is shorter: Slack cannot be asked for exactly this, and %d of the hits that it gave are outside of what was asked for.", n)
	}
}

// A span is the time that after and before of a search leave: from its first instant up to, and
// without, its end. A zero instant is open.
type span struct{ from, end time.Time }

// searchSpan reads after and before. A day that is named without a time belongs to it wholly.
func (k *kit) searchSpan(in searchIn) (s span, err error) {
	if s.from, err = instant("after", in.After, k.now()); err != nil {
		return s, err
	}
	if s.end, err = instant("before", in.Before, k.now()); err != nil || s.end.IsZero() {
		return s, err
	}
	if _, err := time.Parse(time.DateOnly, strings.TrimSpace(in.Before)); err == nil {
		s.end = s.end.AddDate(0, 0, 1)
	} else {
		s.end = s.end.Add(time.Microsecond) // the instant itself is not after it
	}
	return s, nil
}

// holds reports that a message is of the span; one without a readable ts is.
func (s span) holds(ts string) bool {
	t, ok := fromTS(ts)
	return !ok || !t.Before(s.from) && (s.end.IsZero() || t.Before(s.end))
}

// around are the bounds with which Slack finds all that a span holds: whole seconds, and exclusive.
func (s span) around() (after, before time.Time) {
	if !s.from.IsZero() {
		after = s.from.Add(-time.Second)
	}
	if !s.end.IsZero() {
		before = s.end.Add(time.Second)
	}
	return after, before
}

// searchQuery writes the filters in Slack's query language.
func (k *kit) searchQuery(ctx context.Context, in searchIn, within span) (string, error) {
	q := []string{in.Query}
	if in.Channel != "" {
		id, err := k.channel(ctx, in.Channel)
		if err != nil {
			return "", err
		}
		q = append(q, "in:<#"+id+">")
	}
	if in.User != "" {
		id, err := k.user(ctx, in.User)
		if err != nil {
			return "", err
		}
		q = append(q, "from:<@"+id+">")
	}
	// Slack's after: and before: take days, leave the day itself out, and mean those of the zone of
	// the token's owner, which may be 14 hours away. So the days around are asked for.
	if !within.from.IsZero() {
		q = append(q, "after:"+within.from.UTC().AddDate(0, 0, -2).Format(time.DateOnly))
	}
	if !within.end.IsZero() {
		q = append(q, "before:"+within.end.UTC().AddDate(0, 0, 2).Format(time.DateOnly))
	}
	return strings.Join(q, " "), nil
}

func (k *kit) searchAsBot(ctx context.Context, in searchIn) (searchOut, error) {
	within, err := k.searchSpan(in)
	if err != nil {
		return searchOut{}, err
	}
	q := slackapi.ContextQuery{Query: in.Query, ByTime: in.Sort == "timestamp", Limit: min(in.Limit, 20), Bots: true, Blocks: true}
	at, err := spotOf(in.Cursor)
	if err != nil {
		return searchOut{}, err
	}
	q.Cursor = at.cursor
	q.After, q.Before = within.around()
	if q.ActionToken, err = k.actionToken(ctx, in.EventID); err != nil {
		return searchOut{}, err
	}
	keep, err := k.searchFilter(ctx, in)
	if err != nil {
		return searchOut{}, err
	}
	page, err := k.Slack.SearchContext(ctx, q)
	if err != nil {
		return searchOut{}, err
	}
	out, left, found := searchOut{NextCursor: page.NextCursor, HasMore: page.NextCursor != ""}, 0, []match{}
	for i := range page.Messages {
		m := &page.Messages[i]
		if !keep(m) || !within.holds(m.TS) {
			left++
			continue
		}
		raw := &slackapi.Message{Channel: m.Channel, User: m.AuthorID, Username: m.AuthorName, TS: m.TS, Text: m.Text, Permalink: m.Permalink, Blocks: m.Blocks}
		if link, err := names.ParseLink(m.Permalink); err == nil {
			raw.ThreadTS = link.ThreadTS
		}
		if m.AuthorIsBot || m.AuthorID == "" {
			raw.Subtype = "bot_message"
		}
		found = append(found, match{raw, m.ChannelName})
	}
	out.leave(left)
	err = k.hits(ctx, at, found, in.ResponseFormat, &out)
	return out, err
}

// searchFilter applies the filters that Slack's search for bots does not have.
func (k *kit) searchFilter(ctx context.Context, in searchIn) (func(*slackapi.ContextMatch) bool, error) {
	var channel, user string
	var err error
	if in.Channel != "" {
		if channel, err = k.channel(ctx, in.Channel); err != nil {
			return nil, err
		}
	}
	if in.User != "" {
		if user, err = k.user(ctx, in.User); err != nil {
			return nil, err
		}
	}
	return func(m *slackapi.ContextMatch) bool {
		return (channel == "" || m.Channel == channel) && (user == "" || m.AuthorID == user)
	}, nil
}

// actionToken is what Slack gave with an event, so that a bot may search on behalf of
// the user who caused it. It is never shown.
func (k *kit) actionToken(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", &toolset.ArgumentError{Argument: "event_id", Problem: "without a user token Slack lets a bot search only on behalf of an event: give the event_id of an app_mention or of a direct message"}
	}
	if k.Events == nil {
		return "", event.ErrNotFound
	}
	token := ""
	_, err := k.event(ctx, k.aid, event.SourceSlack, id, func(e *event.Event) {
		in, err := event.Inner[struct {
			ActionToken     string `json:"action_token"`
			AssistantThread struct {
				ActionToken string `json:"action_token"`
			} `json:"assistant_thread"`
		}](e)
		if err == nil {
			token = cmp.Or(in.ActionToken, in.AssistantThread.ActionToken)
		}
	})
	if err != nil || token != "" {
		return token, err
	}
	return "", fault("no_action_token: Slack gave this event no permission to search. Use an app_mention or a direct message, as new as possible.")
}

// A match is a message that Slack found, and the name of its conversation as Slack tells it.
type match struct {
	message     *slackapi.Message
	channelName string
}

// hits shows what was found.
func (k *kit) hits(ctx context.Context, at spot, found []match, format string, out *searchOut) error {
	return k.Judge.Read(ctx, func(r *view.Reading) error {
		s := newSheet(false)
		shown, cut := fit(s.budget.Naming(r), behind(at, found), func(m *match) hit {
			h := k.hit(r, m.message, m.channelName, format)
			if format != detailed {
				s.met.Message(&h.Message)
			}
			return h
		})
		out.Messages, out.Legend = shown, r.Legend(shown)
		if next := at.next(len(shown), cut, out.NextCursor); cut {
			out.HasMore, out.NextCursor = true, next
			out.Note = strings.TrimSpace(out.Note + " " + noteCut)
		}
		return nil
	})
}

// hit shows a message that was found.
func (k *kit) hit(r *view.Reading, m *slackapi.Message, channelName, format string) hit {
	known, ok := k.Names.KnownChannel(m.Channel)
	o := view.MessageOptions{Unshared: ok && !known.Shared && !known.Partial, Found: true, MaxText: excerpt}
	if format == detailed {
		o.MaxText = passage
	}
	h := hit{Channel: m.Channel, Message: r.Message(m, o)}
	h.Subtype = "" // Slack does not tell those of hits
	if !ok {
		// Of a conversation that is not known, nobody knows who named it.
		known = names.Channel{ID: m.Channel, Shared: true}
	}
	known.Name = cmp.Or(channelName, known.Name)
	h.ChannelName, h.Permalink = r.ChannelName(&known, &h.Flags), h.Flags.Name(m.Permalink)
	return h
}
