package slackapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	pairs, err := p.pairs()
	if err != nil {
		return Posted{}, refused("chat.postMessage", err)
	}
	ctx = with(ctx, call{method: methodOf("chat.postMessage"), scope: p.Channel, limit: c.opt.MaxReplyBytes})
	r, err := reply[Posted](c.http.Do(c.form(ctx, "chat.postMessage", pairs...)))
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
	if err := checkBlocks(u.Blocks); err != nil {
		return Posted{}, refused("chat.update", err)
	}
	r, err := reply[Posted](c.http.Do(c.form(ctx, "chat.update",
		"channel", u.Channel, "ts", u.TS, "text", u.Text, "markdown_text", u.Markdown, "blocks", string(u.Blocks))))
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
	pairs, err := p.pairs()
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
	pairs, err := p.pairs()
	if err != nil {
		return Scheduled{}, refused("chat.scheduleMessage", err)
	}
	r, err := reply[struct {
		ID      string `json:"scheduled_message_id"`
		Channel string `json:"channel"`
		PostAt  int64  `json:"post_at"`
	}](c.http.Do(c.form(ctx, "chat.scheduleMessage", append(pairs, "post_at", strconv.FormatInt(at.Unix(), 10))...)))
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

// pairs are the names and values of a post's form.
func (p Post) pairs() ([]string, error) {
	if err := checkBlocks(p.Blocks); err != nil {
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
	return []string{
		"channel", p.Channel, "text", p.Text, "markdown_text", p.Markdown, "blocks", string(p.Blocks), "metadata", string(p.Metadata),
		"thread_ts", p.ThreadTS, "reply_broadcast", when(p.Broadcast, "true"), "mrkdwn", when(p.Plain, "false"),
		"unfurl_links", strconv.FormatBool(p.UnfurlLinks), "unfurl_media", when(!p.UnfurlMedia, "false"),
		"username", p.Username, "icon_emoji", p.IconEmoji, "icon_url", p.IconURL,
	}, nil
}

// checkBlocks refuses what is no array of blocks. What a block holds is for Slack to judge.
func checkBlocks(blocks json.RawMessage) error {
	if len(blocks) == 0 {
		return nil
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
