package tools

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

type searchIn struct {
	Query          string `json:"query" alias:"search_query" max:"1000" doc:"Words, \"phrases\", and with a user token Slack's filters (in:#general from:@alice has:link)"`
	Channel        string `json:"channel,omitempty" alias:"in_channel" doc:"Only this channel: id, #name or link"`
	User           string `json:"user,omitempty" alias:"from,from_user" doc:"Only by this user: id, @name or e-mail"`
	After          string `json:"after,omitempty" alias:"since" doc:"Not before: ISO 8601 date, ts, or an age (1d, 2w)"`
	Before         string `json:"before,omitempty" alias:"until" doc:"Not after, written likewise"`
	Sort           string `json:"sort,omitempty" enum:"score,timestamp" default:"score" doc:"Best match or newest first"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"100" default:"20" doc:"Most messages to return"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call, with the same arguments"`
	EventID        string `json:"event_id,omitempty" doc:"Bot token only: the received event on whose behalf you search (an app_mention or a direct message)"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: longer texts"`
}

// A hit is a message that was found.
type hit struct {
	Untrusted   bool            `json:"untrusted"`
	Channel     string          `json:"channel"`
	ChannelName string          `json:"channel_name,omitempty"`
	TS          string          `json:"ts"`
	ThreadTS    string          `json:"thread_ts,omitempty"`
	User        string          `json:"user,omitempty"`
	UserName    string          `json:"user_name,omitempty"`
	Text        string          `json:"text"`
	Permalink   string          `json:"permalink,omitempty"`
	Provenance  view.Provenance `json:"provenance"`
	Flags       view.Flags      `json:"flags,omitempty"`
}

type searchOut struct {
	Messages   []hit  `json:"messages"`
	Total      int    `json:"total,omitempty"`
	HasMore    bool   `json:"has_more"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass as cursor to go on"`
}

// search asks with the user token where there is one, because only that sees all.
func (k *kit) search(ctx context.Context, _ *toolset.Call, in searchIn) (searchOut, error) {
	if k.Slack.HasUserToken() {
		return k.searchAsUser(ctx, in)
	}
	return k.searchAsBot(ctx, in)
}

const cursorPage = "page:"

func (k *kit) searchAsUser(ctx context.Context, in searchIn) (searchOut, error) {
	q := slackapi.SearchQuery{ByTime: in.Sort == "timestamp", Count: in.Limit, Page: 1}
	if page, ok := strings.CutPrefix(in.Cursor, cursorPage); ok {
		n, err := strconv.Atoi(page)
		if err != nil || n < 1 || n > 100 {
			return searchOut{}, &toolset.ArgumentError{Argument: "cursor", Problem: "it is none of this tool's; start again without one"}
		}
		q.Page = n
	}
	var err error
	if q.Query, err = k.searchQuery(ctx, in); err != nil {
		return searchOut{}, err
	}
	page, err := k.Slack.SearchMessages(ctx, q)
	if err != nil {
		return searchOut{}, err
	}
	out := searchOut{Messages: []hit{}, Total: page.Total}
	for i := range page.Matches {
		m := &page.Matches[i]
		out.Messages = append(out.Messages, k.hit(ctx, hit{
			Channel: m.Channel.ID, ChannelName: m.Channel.Name, TS: m.TS, ThreadTS: m.ThreadTS, User: m.User, UserName: m.Username,
			Text: m.Text, Permalink: m.Permalink,
		}, &slackapi.Message{User: m.User, Team: m.Team, TS: m.TS, Username: m.Username}, in.ResponseFormat))
	}
	if page.Page < page.Pages {
		out.HasMore, out.NextCursor = true, cursorPage+strconv.Itoa(page.Page+1)
	}
	return out, nil
}

// searchQuery writes the filters in Slack's query language.
func (k *kit) searchQuery(ctx context.Context, in searchIn) (string, error) {
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
	for _, bound := range []struct{ word, argument, value string }{{"after:", "after", in.After}, {"before:", "before", in.Before}} {
		t, err := instant(bound.argument, bound.value, k.now())
		if err != nil {
			return "", err
		}
		if t.IsZero() {
			continue
		}
		// Slack's after: and before: leave the day itself out.
		if bound.word == "after:" {
			t = t.AddDate(0, 0, -1)
		} else {
			t = t.AddDate(0, 0, 1)
		}
		q = append(q, bound.word+t.UTC().Format("2006-01-02"))
	}
	return strings.Join(q, " "), nil
}

func (k *kit) searchAsBot(ctx context.Context, in searchIn) (searchOut, error) {
	q := slackapi.ContextQuery{Query: in.Query, ByTime: in.Sort == "timestamp", Limit: min(in.Limit, 20), Cursor: in.Cursor, Bots: true}
	var err error
	if q.After, err = instant("after", in.After, k.now()); err != nil {
		return searchOut{}, err
	}
	if q.Before, err = instant("before", in.Before, k.now()); err != nil {
		return searchOut{}, err
	}
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
	out := searchOut{Messages: []hit{}, NextCursor: page.NextCursor, HasMore: page.NextCursor != ""}
	for i := range page.Messages {
		m := &page.Messages[i]
		if !keep(m) {
			continue
		}
		raw := &slackapi.Message{User: m.AuthorID, Team: m.Team, TS: m.TS, Username: m.AuthorName}
		if m.AuthorIsBot {
			raw.Subtype = "bot_message"
		}
		out.Messages = append(out.Messages, k.hit(ctx, hit{
			Channel: m.Channel, ChannelName: m.ChannelName, TS: m.TS, User: m.AuthorID, UserName: m.AuthorName, Text: m.Text, Permalink: m.Permalink,
		}, raw, in.ResponseFormat))
	}
	return out, nil
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

// actionToken is what Slack gave with an event, so that a bot may search for whoever
// caused it. It is never shown.
func (k *kit) actionToken(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", &toolset.ArgumentError{Argument: "event_id", Problem: "without a user token Slack lets a bot search only on behalf of an event: give the event_id of an app_mention or of a direct message"}
	}
	if k.Events == nil {
		return "", event.ErrNotFound
	}
	e, err := k.event(ctx, event.SourceSlack, id)
	if err != nil {
		return "", err
	}
	in, err := event.Inner[struct {
		ActionToken     string `json:"action_token"`
		AssistantThread struct {
			ActionToken string `json:"action_token"`
		} `json:"assistant_thread"`
	}](&e)
	if token := cmp.Or(in.ActionToken, in.AssistantThread.ActionToken); err == nil && token != "" {
		return token, nil
	}
	return "", fault("no_action_token: Slack gave this event no permission to search. Use an app_mention or a direct message, as new as possible.")
}

// hit completes a message that was found.
func (k *kit) hit(ctx context.Context, h hit, m *slackapi.Message, format string) hit {
	known, ok := k.Names.KnownChannel(h.Channel)
	_, outsiders := k.people(ctx, []string{m.User}, k.Lockdown)
	v := view.NewMessage(m, view.MessageOptions{Self: k.self(ctx), Shared: !ok || known.Shared, Outsiders: outsiders})
	h.Untrusted, h.Provenance = true, v.Provenance
	h.ChannelName = h.Flags.Name(h.ChannelName)
	if !names.IsTS(h.ThreadTS) {
		h.ThreadTS = ""
	}
	if k.Lockdown && !h.Provenance.Inside() {
		h.Text, h.UserName = "", ""
		h.Flags.Add(view.FlagWithheld)
		return h
	}
	limit := excerpt
	if format == detailed {
		limit = passage
	}
	h.UserName, h.Text = h.Flags.Name(h.UserName), h.Flags.Text(h.Text, limit)
	h.Permalink = h.Flags.Name(h.Permalink)
	return h
}

// jsonSize is how many bytes a value takes in a result.
func jsonSize(v any) int {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return len(b)
}
