package slackapi

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

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
	// Metadata is a JSON object {event_type, event_payload}.
	Metadata json.RawMessage
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
	var r Posted
	options, err := p.options()
	if err != nil {
		return r, refused(chatPostMessage, err)
	}
	err = c.call(ctx, chatPostMessage, p.Channel, func(ctx context.Context, d door) error {
		_, _, err := d.slack.PostMessageContext(ctx, p.Channel, options...)
		return err
	}, &r)
	r.Message.Channel = r.Channel
	return r, err
}

// An Update gives a message of the bot's another text. Text and Blocks replace what is
// there; a message whose blocks are to go needs Blocks to be "[]".
type Update struct {
	Channel, TS string
	Text        string
	Blocks      json.RawMessage
	Markdown    string
}

// UpdateMessage changes a message.
func (c *Client) UpdateMessage(ctx context.Context, u Update) (Posted, error) {
	var r Posted
	options, err := content(u.Text, u.Markdown, u.Blocks)
	if err != nil {
		return r, refused(chatUpdate, err)
	}
	err = c.call(ctx, chatUpdate, "", func(ctx context.Context, d door) error {
		_, _, _, err := d.slack.UpdateMessageContext(ctx, u.Channel, u.TS, options...)
		return err
	}, &r)
	r.Message.Channel = r.Channel
	return r, err
}

// DeleteMessage deletes a message of the bot's.
func (c *Client) DeleteMessage(ctx context.Context, channel, ts string) error {
	return c.call(ctx, chatDelete, "", func(ctx context.Context, d door) error {
		_, _, err := d.slack.DeleteMessageContext(ctx, channel, ts)
		return err
	}, nil)
}

// PostEphemeral shows a message to one user in a channel, as long as they look; Slack
// does not keep it. It returns the message's ts.
func (c *Client) PostEphemeral(ctx context.Context, user string, p Post) (string, error) {
	var r struct {
		TS string `json:"message_ts"`
	}
	options, err := p.options()
	if err != nil {
		return "", refused(chatPostEphemeral, err)
	}
	err = c.call(ctx, chatPostEphemeral, "", func(ctx context.Context, d door) error {
		_, err := d.slack.PostEphemeralContext(ctx, p.Channel, user, options...)
		return err
	}, &r)
	return r.TS, err
}

// Permalink returns the URL of a message.
func (c *Client) Permalink(ctx context.Context, channel, ts string) (string, error) {
	var r struct {
		Permalink string `json:"permalink"`
	}
	err := c.call(ctx, chatGetPermalink, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: channel, Ts: ts})
		return err
	}, &r)
	return r.Permalink, err
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
	var r struct {
		ID      string `json:"scheduled_message_id"`
		Channel string `json:"channel"`
		PostAt  int64  `json:"post_at"`
	}
	options, err := p.options()
	if err != nil {
		return Scheduled{}, refused(chatScheduleMessage, err)
	}
	err = c.call(ctx, chatScheduleMessage, "", func(ctx context.Context, d door) error {
		_, _, err := d.slack.ScheduleMessageContext(ctx, p.Channel, strconv.FormatInt(at.Unix(), 10), options...)
		return err
	}, &r)
	return Scheduled{ID: r.ID, Channel: r.Channel, PostAt: or(r.PostAt, at.Unix()), Text: p.Text}, err
}

// ScheduledList returns a page of the app's scheduled messages, of one channel or,
// where channel is empty, of all.
func (c *Client) ScheduledList(ctx context.Context, channel, cursorAt string, limit int) (ScheduledPage, error) {
	var r struct {
		Messages []Scheduled `json:"scheduled_messages"`
		cursor
	}
	err := c.call(ctx, chatScheduledMessagesList, "", func(ctx context.Context, d door) error {
		_, _, err := d.slack.GetScheduledMessagesContext(ctx, &slack.GetScheduledMessagesParameters{Channel: channel, Cursor: cursorAt, Limit: limit})
		return err
	}, &r)
	return ScheduledPage{Messages: r.Messages, NextCursor: r.next()}, err
}

// DeleteScheduled takes a scheduled message back.
func (c *Client) DeleteScheduled(ctx context.Context, channel, id string) error {
	return c.call(ctx, chatDeleteScheduledMessage, "", form(url.Values{"channel": {channel}, "scheduled_message_id": {id}}), nil)
}
