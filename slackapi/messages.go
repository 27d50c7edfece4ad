package slackapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

// A Message is one message as Slack stores it. Text, names and attachments are what
// people wrote: untrusted.
type Message struct {
	Type         string `json:"type"`
	Subtype      string `json:"subtype,omitempty"`
	Channel      string `json:"channel,omitempty"` // set by this package where the method knows it
	User         string `json:"user,omitempty"`
	BotID        string `json:"bot_id,omitempty"`
	AppID        string `json:"app_id,omitempty"`
	ClientMsgID  string `json:"client_msg_id,omitempty"` // of what a person typed
	Username     string `json:"username,omitempty"`      // of a bot that posts under a name
	Team         string `json:"team,omitempty"`
	UserTeam     string `json:"user_team,omitempty"`   // of an author from another workspace
	SourceTeam   string `json:"source_team,omitempty"` // likewise
	Text         string `json:"text"`
	TS           string `json:"ts"` // the message's id within its channel
	ThreadTS     string `json:"thread_ts,omitempty"`
	ParentUserID string `json:"parent_user_id,omitempty"`
	Inviter      string `json:"inviter,omitempty"`
	Permalink    string `json:"permalink,omitempty"`

	ReplyCount      int      `json:"reply_count,omitempty"`
	ReplyUsersCount int      `json:"reply_users_count,omitempty"`
	ReplyUsers      []string `json:"reply_users,omitempty"`
	LatestReply     string   `json:"latest_reply,omitempty"`
	IsLocked        bool     `json:"is_locked,omitempty"`
	Subscribed      bool     `json:"subscribed,omitempty"`
	LastRead        string   `json:"last_read,omitempty"`

	Edited     *Edited     `json:"edited,omitempty"`
	BotProfile *BotProfile `json:"bot_profile,omitempty"`
	Root       *Message    `json:"root,omitempty"` // of a thread_broadcast
	Reactions  []Reaction  `json:"reactions,omitempty"`
	Files      []File      `json:"files,omitempty"`
	PinnedTo   []string    `json:"pinned_to,omitempty"`

	// Blocks and Attachments are Slack's JSON, untouched.
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
}

// Edited says who changed a message last, and when.
type Edited struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

// A BotProfile is the app behind a message.
type BotProfile struct {
	ID     string `json:"id"`
	AppID  string `json:"app_id,omitempty"`
	TeamID string `json:"team_id,omitempty"`
	Name   string `json:"name,omitempty"`
}

// A Reaction is an emoji on a message. Slack may list fewer users than it counts.
type Reaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
	Count int      `json:"count"`
}

// A MessagePage is a part of a channel's history or of a thread.
type MessagePage struct {
	Messages   []Message `json:"messages"`
	HasMore    bool      `json:"has_more"`
	NextCursor string    `json:"next_cursor,omitempty"`
	PinCount   int       `json:"pin_count,omitempty"`
}

// A HistoryQuery asks for a part of a channel's history, newest first.
type HistoryQuery struct {
	Channel string
	// Oldest and Latest are ts and bound the part; they are exclusive unless Inclusive.
	Oldest, Latest string
	Inclusive      bool
	// Limit is the most messages of the page; 0 is Slack's default, 100. Slack may
	// return fewer and still have more.
	Limit  int
	Cursor string
	// Metadata asks for the metadata that apps attached.
	Metadata bool
}

// A RepliesQuery asks for a part of a thread. Every page begins with the parent, which
// Limit does not count; the replies follow in order.
type RepliesQuery struct {
	Channel string
	// ThreadTS is the ts of the parent; that of a reply finds the thread as well.
	ThreadTS       string
	Oldest, Latest string
	Inclusive      bool
	Limit          int
	Cursor         string
	Metadata       bool
}

// cappedPage is the most that Slack gives to apps of the capped class, see [Client.Capped].
const cappedPage = 15

type messagesReply struct {
	Messages []Message `json:"messages"`
	HasMore  bool      `json:"has_more"`
	PinCount int       `json:"pin_count"`
	cursor
}

// History reads a page of a channel.
func (c *Client) History(ctx context.Context, q HistoryQuery) (MessagePage, error) {
	r, err := reply[messagesReply](c.http.Do(c.form(ctx, "conversations.history",
		"channel", q.Channel, "oldest", q.Oldest, "latest", q.Latest, "inclusive", when(q.Inclusive, "1"),
		"limit", number(q.Limit), "cursor", q.Cursor, "include_all_metadata", when(q.Metadata, "1"))))
	return c.page(r, q.Channel, q.Limit), err
}

// Replies reads a page of a thread.
func (c *Client) Replies(ctx context.Context, q RepliesQuery) (MessagePage, error) {
	r, err := reply[messagesReply](c.http.Do(c.form(ctx, "conversations.replies",
		"channel", q.Channel, "ts", q.ThreadTS, "oldest", q.Oldest, "latest", q.Latest, "inclusive", when(q.Inclusive, "1"),
		"limit", number(q.Limit), "cursor", q.Cursor, "include_all_metadata", when(q.Metadata, "1"))))
	return c.page(r, q.Channel, q.Limit), err
}

// page completes a page, and learns from it whether the app is of the capped class.
func (c *Client) page(r messagesReply, channel string, asked int) MessagePage {
	for i := range r.Messages {
		r.Messages[i].Channel = channel
	}
	n := listed(r.Messages)
	capped := asked > cappedPage && n == cappedPage && r.HasMore
	if (capped || n > cappedPage) && c.capped.CompareAndSwap(!capped, capped) {
		c.pace.setTier(capped, "conversations.history", "conversations.replies")
	}
	return MessagePage{Messages: r.Messages, HasMore: r.HasMore, NextCursor: r.next(), PinCount: r.PinCount}
}

// listed is how many messages the limit counted: the root that begins every page of a
// thread is not among them.
func listed(messages []Message) int {
	if len(messages) > 0 && messages[0].ReplyCount > 0 && len(messages) > 1 && messages[1].ThreadTS == messages[0].TS {
		return len(messages) - 1
	}
	return len(messages)
}

// cursor is embedded by the replies of methods that page.
type cursor struct {
	Metadata struct {
		NextCursor string `json:"next_cursor"`
	} `json:"response_metadata"`
}

func (c cursor) next() string { return c.Metadata.NextCursor }

// A Post is a message to be posted.
type Post struct {
	// Channel is a channel's id, or a user's for a direct message.
	Channel string
	// Text is the message in Slack's mrkdwn, or what notifications show when there
	// are Blocks. It is sent as it is: who wants <, > and & literally escapes them.
	Text string
	// Blocks is a JSON array of Block Kit blocks, sent as it is.
	Blocks json.RawMessage
	// Markdown is standard Markdown (at most 12,000 characters) in place of Text and Blocks.
	Markdown string
	// ThreadTS makes it a reply; Broadcast shows the reply in the channel as well.
	ThreadTS  string
	Broadcast bool
	// UnfurlLinks and UnfurlMedia let Slack fetch the URLs in the text. They are off
	// by default: fetching a URL tells its owner whatever the URL holds.
	UnfurlLinks, UnfurlMedia bool
	// Plain turns Slack's mrkdwn off.
	Plain bool
	// Username, IconEmoji and IconURL need the scope chat:write.customize.
	Username, IconEmoji, IconURL string
	// Metadata is a JSON object {event_type, event_payload}. Of what is posted with a person's token
	// it is [AssistantMark], whatever is given.
	Metadata json.RawMessage
	// Below is a line that is shown below the message of a bot: for whom it was posted. Nothing in it is
	// markup.
	Below string
	// Question lets Blocks hold the ids that begin with [ReservedID]. It is set by the
	// package that asks questions and by no other.
	Question bool `json:"-"`
}

// Posted is where a message went.
type Posted struct {
	Channel string  `json:"channel"`
	TS      string  `json:"ts"`
	Message Message `json:"message"`
}

// PostMessage posts a message. It is sent once: after an [Ambiguous] error it may be
// there.
func (c *Client) PostMessage(ctx context.Context, p Post) (Posted, error) {
	pairs, err := c.pairs(p)
	if err != nil {
		return Posted{}, refused("chat.postMessage", err)
	}
	ctx = context.WithValue(ctx, callKey{}, call{method: methodOf("chat.postMessage"), scope: p.Channel, limit: c.opt.MaxReplyBytes})
	r, err := reply[Posted](c.http.Do(c.form(ctx, "chat.postMessage", append(pairs, "metadata", c.mark(p.Metadata))...)))
	r.Message.Channel = r.Channel
	return r, err
}

// An Update gives a message of the bot's another text. Slack keeps the blocks and the attachments
// that an update does not name; "[]" removes them.
type Update struct {
	Channel, TS string
	Text        string
	Blocks      json.RawMessage
	Attachments json.RawMessage
	Markdown    string
	// NoLinks keeps Slack from making links of what in Text is not written as one. Without it a
	// change makes links of more than a post does.
	NoLinks  bool
	Question bool `json:"-"` // see [Post]
}

// UpdateMessage changes a message.
func (c *Client) UpdateMessage(ctx context.Context, u Update) (Posted, error) {
	if err := checkBlocks(u.Blocks, u.Question); err != nil {
		return Posted{}, refused("chat.update", err)
	}
	r, err := reply[Posted](c.http.Do(c.form(ctx, "chat.update",
		"channel", u.Channel, "ts", u.TS, "text", u.Text, "markdown_text", u.Markdown, "blocks", string(u.Blocks), "attachments", c.beside(u.Attachments), "metadata", c.mark(nil), "parse", when(u.NoLinks, "none"))))
	r.Message.Channel = r.Channel
	return r, err
}

// DeleteMessage deletes a message of the bot's.
func (c *Client) DeleteMessage(ctx context.Context, channel, ts string) error {
	_, _, err := c.slack.DeleteMessageContext(ctx, channel, ts)
	return failure("chat.delete", err)
}

// PostEphemeral shows a message to one user in a channel, as long as they look; Slack
// does not keep it. It returns the message's ts.
func (c *Client) PostEphemeral(ctx context.Context, user string, p Post) (string, error) {
	pairs, err := c.pairs(p)
	if err != nil {
		return "", refused("chat.postEphemeral", err)
	}
	r, err := reply[struct {
		TS string `json:"message_ts"`
	}](c.http.Do(c.form(ctx, "chat.postEphemeral", append(pairs, "user", user)...)))
	return r.TS, err
}

// Permalink returns the URL of a message.
func (c *Client) Permalink(ctx context.Context, channel, ts string) (string, error) {
	link, err := c.slack.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: channel, Ts: ts})
	return link, failure("chat.getPermalink", err)
}

// A Scheduled message waits for its time.
type Scheduled struct {
	ID        string `json:"id"`
	Channel   string `json:"channel_id"`
	PostAt    int64  `json:"post_at"`      // Unix seconds
	CreatedAt int64  `json:"date_created"` // Unix seconds; 0 where the method does not say
	Text      string `json:"text"`
}

// A ScheduledPage is a part of the list of scheduled messages.
type ScheduledPage struct {
	Messages   []Scheduled `json:"messages"`
	NextCursor string      `json:"next_cursor,omitempty"`
}

// ScheduleMessage lets Slack post a message at a time, at most 120 days ahead.
func (c *Client) ScheduleMessage(ctx context.Context, p Post, at time.Time) (Scheduled, error) {
	pairs, err := c.pairs(p)
	if err != nil {
		return Scheduled{}, refused("chat.scheduleMessage", err)
	}
	r, err := reply[struct {
		ID      string `json:"scheduled_message_id"`
		Channel string `json:"channel"`
		PostAt  int64  `json:"post_at"`
	}](c.http.Do(c.form(ctx, "chat.scheduleMessage", append(pairs, "metadata", c.mark(p.Metadata), "post_at", strconv.FormatInt(at.Unix(), 10))...)))
	return Scheduled{ID: r.ID, Channel: r.Channel, PostAt: cmp.Or(r.PostAt, at.Unix()), Text: p.Text}, err
}

// ScheduledList returns a page of the app's scheduled messages, of one channel or,
// where channel is empty, of all.
func (c *Client) ScheduledList(ctx context.Context, channel, cursorAt string, limit int) (ScheduledPage, error) {
	r, err := reply[struct {
		Messages []Scheduled `json:"scheduled_messages"`
		cursor
	}](c.http.Do(c.form(ctx, "chat.scheduledMessages.list", "channel", channel, "cursor", cursorAt, "limit", number(limit))))
	return ScheduledPage{Messages: r.Messages, NextCursor: r.next()}, err
}

// DeleteScheduled takes a scheduled message back.
func (c *Client) DeleteScheduled(ctx context.Context, channel, id string) error {
	_, err := reply[struct{}](c.http.Do(c.form(ctx, "chat.deleteScheduledMessage", "channel", channel, "scheduled_message_id", id)))
	return err
}

// pairs are the names and values of a post's form, without its metadata.
func (c *Client) pairs(p Post) ([]string, error) {
	if err := checkBlocks(p.Blocks, p.Question); err != nil {
		return nil, err
	}
	if len(p.Metadata) > 0 {
		var m struct {
			Type    string         `json:"event_type"`
			Payload map[string]any `json:"event_payload"`
		}
		if err := json.Unmarshal(p.Metadata, &m); err != nil {
			return nil, errors.New("metadata is not an object with event_type and event_payload")
		}
	}
	var line json.RawMessage
	if p.Below != "" {
		line = json.RawMessage(below(p.Below))
	}
	return []string{
		"channel", p.Channel, "text", p.Text, "markdown_text", p.Markdown, "blocks", string(p.Blocks), "attachments", c.beside(line),
		"thread_ts", p.ThreadTS, "reply_broadcast", when(p.Broadcast, "true"), "mrkdwn", when(p.Plain, "false"),
		"unfurl_links", strconv.FormatBool(p.UnfurlLinks), "unfurl_media", when(!p.UnfurlMedia, "false"),
		"username", p.Username, "icon_emoji", p.IconEmoji, "icon_url", p.IconURL,
	}, nil
}

// checkBlocks refuses what is no array of blocks, and reserved ids in what is no question.
// What else a block holds is for Slack to judge.
func checkBlocks(blocks json.RawMessage, question bool) error {
	if len(blocks) == 0 {
		return nil
	}
	if !question && reserves(blocks) {
		return errReserved
	}
	var list []json.RawMessage
	if err := json.Unmarshal(blocks, &list); err != nil {
		return errors.New("blocks is not an array of objects")
	}
	for i, raw := range list {
		var b struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(raw, &b) != nil || b.Type == "" {
			return fmt.Errorf("block %d is not an object with a type", i)
		}
	}
	return nil
}

// A Response is the answer to an interaction, by its response_url, which works five
// times within half an hour.
type Response struct {
	Text   string          `json:"text,omitempty"`
	Blocks json.RawMessage `json:"blocks,omitempty"`
	// InChannel shows it to all members; otherwise only the user who interacted sees it.
	InChannel bool `json:"-"`
	// Replace puts it in place of the message that was interacted with; Delete takes
	// that message away.
	Replace  bool   `json:"replace_original"`
	Delete   bool   `json:"delete_original,omitempty"`
	ThreadTS string `json:"thread_ts,omitempty"`
}

// Respond posts to a response URL. It is sent once, without a token, and only to
// Slack's hosts or the API's own.
func (c *Client) Respond(ctx context.Context, responseURL string, r Response) error {
	at, err := url.Parse(responseURL)
	if err != nil {
		return refused(respond.name, errors.New("the response URL cannot be parsed"))
	}
	if err := checkBlocks(r.Blocks, false); err != nil {
		return refused(respond.name, err)
	}
	if call, _ := c.reach(at); !call {
		return &Error{Method: respond.name, Code: CodeRefusedHost, Kind: InvalidArgument, err: errors.New("the response URL is not of Slack's")}
	}
	kind := "ephemeral"
	if r.InChannel {
		kind = "in_channel"
	}
	body, err := json.Marshal(struct {
		Response
		Type string `json:"response_type"`
	}{r, kind})
	if err != nil {
		return refused(respond.name, errors.New("blocks is not JSON"))
	}
	req, err := http.NewRequestWithContext(context.WithValue(ctx, callKey{}, call{method: respond, limit: c.opt.MaxReplyBytes}), http.MethodPost, at.String(), bytes.NewReader(body))
	if err != nil {
		return refused(respond.name, errors.New("the response URL cannot be called"))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return failure(respond.name, err)
	}
	return resp.Body.Close()
}
