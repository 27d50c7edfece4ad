package slackapi

import (
	"context"
	"strings"

	"github.com/slack-go/slack"
)

// EmojiList returns the workspace's own emoji: name to image URL, or to "alias:name".
// Slack's standard emoji are not among them.
func (c *Client) EmojiList(ctx context.Context) (map[string]string, error) {
	emoji, err := c.slack.GetEmojiContext(ctx)
	return emoji, failure("emoji.list", err)
}

// AddReaction puts an emoji, named with or without colons, on a message. A reaction
// that is there already is a [Conflict] with code already_reacted.
func (c *Client) AddReaction(ctx context.Context, channel, ts, emoji string) error {
	return failure("reactions.add", c.slack.AddReactionContext(ctx, strings.Trim(emoji, ":"), slack.NewRefToMessage(channel, ts)))
}

// RemoveReaction takes the bot's own emoji off a message. One that is not there is a
// [Conflict] with code no_reaction.
func (c *Client) RemoveReaction(ctx context.Context, channel, ts, emoji string) error {
	return failure("reactions.remove", c.slack.RemoveReactionContext(ctx, strings.Trim(emoji, ":"), slack.NewRefToMessage(channel, ts)))
}

// Reactions returns a message with all its reactions and their users.
func (c *Client) Reactions(ctx context.Context, channel, ts string) (Message, error) {
	r, err := reply[struct {
		Message Message `json:"message"`
	}](c.http.Do(c.form(ctx, "reactions.get", "channel", channel, "timestamp", ts, "full", "true")))
	r.Message.Channel = channel
	return r.Message, err
}

// A Pin is a message, or in an older channel a file, that a channel holds up.
type Pin struct {
	Type      string  `json:"type"` // message or file
	Channel   string  `json:"channel"`
	Created   int64   `json:"created"` // Unix seconds
	CreatedBy string  `json:"created_by"`
	Message   Message `json:"message"`
	File      *File   `json:"file,omitempty"`
}

// AddPin pins a message. One that is pinned already is a [Conflict] with code
// already_pinned.
func (c *Client) AddPin(ctx context.Context, channel, ts string) error {
	return failure("pins.add", c.slack.AddPinContext(ctx, channel, slack.NewRefToMessage(channel, ts)))
}

// RemovePin takes a pin off. One that is not there is a [Conflict] with code no_pin.
func (c *Client) RemovePin(ctx context.Context, channel, ts string) error {
	return failure("pins.remove", c.slack.RemovePinContext(ctx, channel, slack.NewRefToMessage(channel, ts)))
}

// Pins returns what a channel holds up, newest first.
func (c *Client) Pins(ctx context.Context, channel string) ([]Pin, error) {
	r, err := reply[struct {
		Items []Pin `json:"items"`
	}](c.http.Do(c.form(ctx, "pins.list", "channel", channel)))
	for i := range r.Items {
		r.Items[i].Message.Channel = channel
	}
	return r.Items, err
}

// A Bookmark is a link at the top of a channel.
type Bookmark struct {
	ID      string `json:"id"`
	Channel string `json:"channel_id"`
	Title   string `json:"title"`
	Link    string `json:"link"`
	Emoji   string `json:"emoji,omitempty"`
	Type    string `json:"type"`
	Created int64  `json:"date_created,omitempty"` // Unix seconds
	Updated int64  `json:"date_updated,omitempty"` // Unix seconds
	// UpdatedBy is the id of the user who wrote it last.
	UpdatedBy string `json:"last_updated_by_user_id,omitempty"`
}

type bookmarkReply struct {
	Bookmark Bookmark `json:"bookmark"`
}

// AddBookmark puts a link at the top of a channel; emoji may be empty.
func (c *Client) AddBookmark(ctx context.Context, channel, title, link, emoji string) (Bookmark, error) {
	r, err := reply[bookmarkReply](c.http.Do(c.form(ctx, "bookmarks.add",
		"channel_id", channel, "type", "link", "title", title, "link", link, "emoji", emoji)))
	return r.Bookmark, err
}

// EditBookmark changes a bookmark; what is empty stays.
func (c *Client) EditBookmark(ctx context.Context, channel, id, title, link, emoji string) (Bookmark, error) {
	r, err := reply[bookmarkReply](c.http.Do(c.form(ctx, "bookmarks.edit",
		"channel_id", channel, "bookmark_id", id, "title", title, "link", link, "emoji", emoji)))
	return r.Bookmark, err
}

// RemoveBookmark takes a bookmark away.
func (c *Client) RemoveBookmark(ctx context.Context, channel, id string) error {
	return failure("bookmarks.remove", c.slack.RemoveBookmarkContext(ctx, channel, id))
}

// Bookmarks returns a channel's bookmarks.
func (c *Client) Bookmarks(ctx context.Context, channel string) ([]Bookmark, error) {
	r, err := reply[struct {
		Bookmarks []Bookmark `json:"bookmarks"`
	}](c.http.Do(c.form(ctx, "bookmarks.list", "channel_id", channel)))
	return r.Bookmarks, err
}
