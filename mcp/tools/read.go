package tools

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"slackmcp/mcp/guard"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

type readChannelIn struct {
	Channel        string `json:"channel" alias:"channel_id" doc:"Channel id, #name or link"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"999" default:"100" doc:"Most messages to return"`
	Oldest         string `json:"oldest,omitempty" alias:"since" doc:"Not before: ts, ISO 8601, or an age (2h, 1d, 2w)"`
	Latest         string `json:"latest,omitempty" alias:"until" doc:"Not after, written likewise"`
	Inclusive      bool   `json:"inclusive,omitempty" doc:"Include messages exactly at oldest or latest"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call, with the same arguments"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: names, blocks, attachments, permalinks"`
}

type readThreadIn struct {
	Channel        string `json:"channel,omitempty" alias:"channel_id" doc:"Channel id, #name or link; not needed with a permalink"`
	ThreadTS       string `json:"thread_ts" alias:"message_ts" doc:"ts or permalink of the thread's first message"`
	Limit          int    `json:"limit,omitempty" min:"1" max:"999" default:"100" doc:"Most messages to return"`
	Oldest         string `json:"oldest,omitempty" alias:"since" doc:"Replies not before: ts, ISO 8601, or an age"`
	Latest         string `json:"latest,omitempty" alias:"until" doc:"Replies not after, written likewise"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call, with the same arguments"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: names, blocks, attachments, permalinks"`
}

type messagesOut struct {
	OK         bool           `json:"ok"`
	Channel    string         `json:"channel"`
	ThreadTS   string         `json:"thread_ts,omitempty"`
	Messages   []view.Message `json:"messages"`
	HasMore    bool           `json:"has_more"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"Pass as cursor to go on"`
	// Metadata repeats the cursor where Slack's own answers have it.
	Metadata *metadata `json:"response_metadata,omitempty"`
	Note     string    `json:"note,omitempty"`
}

type metadata struct {
	NextCursor string `json:"next_cursor"`
}

// A cursor of ours goes on from a message where a page was cut; any other is Slack's.
const (
	cursorBefore = "before:"
	cursorAfter  = "after:"
)

const noteCapped = "Slack allows this app one such request a minute and 15 messages at once (the class of apps that are sold outside Slack's Marketplace). Ask for little, and wait a minute between calls."

func (k *kit) readChannel(ctx context.Context, _ *toolset.Call, in readChannelIn) (messagesOut, error) {
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return messagesOut{}, err
	}
	q := slackapi.HistoryQuery{Channel: channel, Limit: in.Limit, Inclusive: in.Inclusive, Cursor: in.Cursor}
	if q.Oldest, err = slackTS("oldest", in.Oldest, k.now()); err != nil {
		return messagesOut{}, err
	}
	if q.Latest, err = slackTS("latest", in.Latest, k.now()); err != nil {
		return messagesOut{}, err
	}
	if before, ok := strings.CutPrefix(in.Cursor, cursorBefore); ok && names.IsTS(before) {
		q.Cursor, q.Latest, q.Inclusive = "", before, false
	}
	page, err := k.Slack.History(ctx, q)
	if err != nil {
		return messagesOut{}, err
	}
	out := messagesOut{OK: true, Channel: channel, HasMore: page.HasMore, NextCursor: page.NextCursor}
	shown, cut := k.show(ctx, channel, page.Messages, in.ResponseFormat)
	out.Messages = shown
	if cut {
		out.cut(cursorBefore + shown[len(shown)-1].TS)
	}
	return k.finish(out), nil
}

func (k *kit) readThread(ctx context.Context, _ *toolset.Call, in readThreadIn) (messagesOut, error) {
	thread, err := thread("thread_ts", in.ThreadTS, &in.Channel)
	if err != nil {
		return messagesOut{}, err
	}
	if in.Channel == "" {
		return messagesOut{}, &toolset.ArgumentError{Argument: "channel", Problem: "give the channel, or the permalink of the thread's first message as thread_ts"}
	}
	channel, err := k.channel(ctx, in.Channel)
	if err != nil {
		return messagesOut{}, err
	}
	q := slackapi.RepliesQuery{Channel: channel, ThreadTS: thread, Limit: in.Limit, Cursor: in.Cursor}
	if q.Oldest, err = slackTS("oldest", in.Oldest, k.now()); err != nil {
		return messagesOut{}, err
	}
	if q.Latest, err = slackTS("latest", in.Latest, k.now()); err != nil {
		return messagesOut{}, err
	}
	q.Inclusive = q.Oldest != "" || q.Latest != ""
	if after, ok := strings.CutPrefix(in.Cursor, cursorAfter); ok && names.IsTS(after) {
		q.Cursor, q.Oldest, q.Inclusive = "", after, false
	}
	page, err := k.Slack.Replies(ctx, q)
	if err != nil {
		return messagesOut{}, err
	}
	if in.Cursor != "" {
		// Slack puts the thread's first message onto each page.
		page.Messages = without(page.Messages, thread)
	}
	out := messagesOut{OK: true, Channel: channel, ThreadTS: thread, HasMore: page.HasMore, NextCursor: page.NextCursor}
	shown, cut := k.show(ctx, channel, page.Messages, in.ResponseFormat)
	out.Messages = shown
	if cut {
		out.cut(cursorAfter + shown[len(shown)-1].TS)
	}
	return k.finish(out), nil
}

func without(list []slackapi.Message, ts string) []slackapi.Message {
	kept := list[:0]
	for _, m := range list {
		if m.TS != ts {
			kept = append(kept, m)
		}
	}
	return kept
}

func (o *messagesOut) cut(cursor string) {
	o.HasMore, o.NextCursor = true, cursor
	o.Note = "The list was cut to keep it readable: go on with next_cursor."
}

func (k *kit) finish(o messagesOut) messagesOut {
	if o.NextCursor != "" {
		o.Metadata = &metadata{NextCursor: o.NextCursor}
	}
	if k.Slack.Capped() {
		o.Note = strings.TrimSpace(o.Note + " " + noteCapped)
	}
	return o
}

// show makes views of messages until there is enough to read; it reports whether it
// left some out.
func (k *kit) show(ctx context.Context, channel string, list []slackapi.Message, format string) ([]view.Message, bool) {
	r, o := k.Judge.Reading(ctx), k.messageOptions(channel, format)
	shown, size := []view.Message{}, 0
	for i := range list {
		m := r.Message(&list[i], o)
		b, err := json.Marshal(m)
		if err != nil {
			continue
		}
		if size += len(b); size > maxResult && len(shown) > 0 {
			return shown, true
		}
		shown = append(shown, m)
	}
	return shown, false
}

func (k *kit) messageOptions(channel, format string) view.MessageOptions {
	known, ok := k.Names.KnownChannel(channel)
	o := view.MessageOptions{Shared: !ok || known.Shared || known.Partial, Detailed: format == detailed}
	if !o.Detailed {
		o.MaxText = passage
	}
	return o
}

type listUnreadIn struct {
	Types  []string `json:"types,omitempty" alias:"channel_types" split:"," enum:"public_channel,private_channel,mpim,im" default:"im,mpim,private_channel,public_channel" doc:"Kinds of conversations"`
	Limit  int      `json:"limit,omitempty" min:"1" max:"40" default:"20" doc:"Most conversations to look at; each costs a call"`
	Cursor string   `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

type channelsOut struct {
	Channels   []view.Channel `json:"channels"`
	HasMore    bool           `json:"has_more"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"Pass as cursor to go on"`
	Note       string         `json:"note,omitempty"`
}

// listUnread looks at some of the user's conversations, because Slack tells how much is
// unread for one at a time only.
func (k *kit) listUnread(ctx context.Context, _ *toolset.Call, in listUnreadIn) (channelsOut, error) {
	api, r := k.Slack.AsUser(), k.Judge.Reading(ctx)
	out := channelsOut{Channels: []view.Channel{}}
	page, err := api.UserConversations(ctx, "", slackapi.ListQuery{Types: in.Types, ExcludeArchived: true, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return out, err
	}
	for i := range page.Channels {
		c, err := api.ConversationInfo(ctx, page.Channels[i].ID)
		if err != nil {
			if len(out.Channels) == 0 {
				return out, err
			}
			out.Note = "Not all conversations could be looked at: " + Fault(err)
			break
		}
		if c.UnreadCountDisplay > 0 {
			out.Channels = append(out.Channels, r.Channel(&c, false))
		}
	}
	out.NextCursor, out.HasMore = page.NextCursor, page.NextCursor != ""
	return out, nil
}

type markReadIn struct {
	messageRef
	safety
}

func (k *kit) markRead(ctx context.Context, c *toolset.Call, in markReadIn) (posted, error) {
	channel, ts, err := k.message(ctx, in.messageRef)
	if err != nil {
		return posted{}, err
	}
	_, w, err := begin[nothing](ctx, k, c, guard.Write{Channel: channel, Arguments: []string{channel, ts}}, in.safety)
	if w.due {
		err = w.slack.AsUser().MarkRead(ctx, channel, ts)
		w.end(ctx, nothing{}, ts, err)
	}
	return posted{OK: err == nil, Channel: channel, TS: ts, carried: w.carried}, err
}

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
	o := view.MessageOptions{Shared: !ok || known.Shared || known.Partial, Found: true, MaxText: excerpt}
	if format == detailed {
		o.MaxText = passage
	}
	v := r.Message(m, o)
	h := hit{
		Untrusted: true, Channel: m.Channel, TS: m.TS, ThreadTS: m.ThreadTS, User: m.User, UserName: v.UserName, Text: v.Text,
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

// jsonSize is how many bytes a value takes in a result.
func jsonSize(v any) int {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return len(b)
}
