package tools

import (
	"cmp"
	"context"
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
	Channel     string          `json:"channel"`
	ChannelName string          `json:"channel_name,omitempty"`
	TS          string          `json:"ts"`
	ThreadTS    string          `json:"thread_ts,omitempty"`
	User        string          `json:"user,omitempty"`
	UserName    string          `json:"user_name,omitempty"`
	Text        string          `json:"text"`
	Permalink   string          `json:"permalink,omitempty"`
	Provenance  view.Provenance `json:"provenance,omitzero"`
	Flags       view.Flags      `json:"flags,omitempty"`
}

type searchOut struct {
	view.Mark
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
	out, r := searchOut{Messages: []hit{}, Total: page.Total}, k.Judge.Reading(ctx)
	for i := range page.Matches {
		m := &page.Matches[i]
		raw := &slackapi.Message{
			Channel: m.Channel.ID, User: m.User, BotID: m.BotID, AppID: m.AppID, Subtype: m.Subtype, Username: m.Username,
			TS: m.TS, ThreadTS: m.ThreadTS, Text: m.Text, Blocks: m.Blocks, Attachments: m.Attachments, Permalink: m.Permalink,
		}
		out.Messages = append(out.Messages, k.hit(r, raw, m.Channel.Name, in.ResponseFormat))
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
	out, r := searchOut{Messages: []hit{}, NextCursor: page.NextCursor, HasMore: page.NextCursor != ""}, k.Judge.Reading(ctx)
	for i := range page.Messages {
		m := &page.Messages[i]
		if !keep(m) {
			continue
		}
		raw := &slackapi.Message{Channel: m.Channel, User: m.AuthorID, Username: m.AuthorName, TS: m.TS, Text: m.Text, Permalink: m.Permalink}
		if m.AuthorIsBot {
			raw.Subtype = "bot_message"
		}
		out.Messages = append(out.Messages, k.hit(r, raw, m.ChannelName, in.ResponseFormat))
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
	_, err := k.event(ctx, event.SourceSlack, id, func(e *event.Event) {
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

// hit shows a message that was found.
func (k *kit) hit(r *view.Reading, m *slackapi.Message, channelName, format string) hit {
	known, ok := k.Names.KnownChannel(m.Channel)
	o := view.MessageOptions{Unshared: ok && !known.Shared && !known.Partial, Found: true, MaxText: excerpt}
	if format == detailed {
		o.MaxText = passage
	}
	v := r.Message(m, o)
	h := hit{
		Channel: m.Channel, TS: m.TS, ThreadTS: m.ThreadTS, User: m.User, UserName: v.UserName, Text: v.Text,
		Provenance: v.Provenance, Flags: v.Flags,
	}
	if !ok {
		// Of a conversation that is not known, nobody knows who named it.
		known = names.Channel{ID: m.Channel, Shared: true}
	}
	known.Name = cmp.Or(channelName, known.Name)
	h.ChannelName, h.Permalink = r.ChannelName(&known, &h.Flags), h.Flags.Name(m.Permalink)
	if !names.IsTS(h.ThreadTS) {
		h.ThreadTS = ""
	}
	return h
}
