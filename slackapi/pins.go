package slackapi

import (
	"context"
	"net/url"

	"github.com/slack-go/slack"
)

// A Pin is a message that a channel holds up.
type Pin struct {
	Type      string  `json:"type"` // "message"; an old channel may hold files
	Channel   string  `json:"channel"`
	Created   int64   `json:"created"` // Unix seconds
	CreatedBy string  `json:"created_by"`
	Message   Message `json:"message"`
}

// AddPin pins a message. One that is pinned already is a [Conflict] with code
// already_pinned.
func (c *Client) AddPin(ctx context.Context, channel, ts string) error {
	return c.call(ctx, pinsAdd, "", func(ctx context.Context, d door) error {
		return d.slack.AddPinContext(ctx, channel, slack.NewRefToMessage(channel, ts))
	}, nil)
}

// RemovePin takes a pin off. One that is not there is a [Conflict] with code no_pin.
func (c *Client) RemovePin(ctx context.Context, channel, ts string) error {
	return c.call(ctx, pinsRemove, "", func(ctx context.Context, d door) error {
		return d.slack.RemovePinContext(ctx, channel, slack.NewRefToMessage(channel, ts))
	}, nil)
}

// Pins returns what a channel holds up, newest first.
func (c *Client) Pins(ctx context.Context, channel string) ([]Pin, error) {
	var r struct {
		Items []Pin `json:"items"`
	}
	err := c.call(ctx, pinsList, "", func(ctx context.Context, d door) error {
		_, _, err := d.slack.ListPinsContext(ctx, channel)
		return err
	}, &r)
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
}

type bookmarkReply struct {
	Bookmark Bookmark `json:"bookmark"`
}

// AddBookmark puts a link at the top of a channel; emoji may be empty.
func (c *Client) AddBookmark(ctx context.Context, channel, title, link, emoji string) (Bookmark, error) {
	var r bookmarkReply
	err := c.call(ctx, bookmarksAdd, "", func(ctx context.Context, d door) error {
		_, err := d.slack.AddBookmarkContext(ctx, channel, slack.AddBookmarkParameters{Title: title, Type: "link", Link: link, Emoji: emoji})
		return err
	}, &r)
	return r.Bookmark, err
}

// EditBookmark changes a bookmark; what is empty stays.
func (c *Client) EditBookmark(ctx context.Context, channel, id, title, link, emoji string) (Bookmark, error) {
	var r bookmarkReply
	values := url.Values{"channel_id": {channel}, "bookmark_id": {id}}
	for name, v := range map[string]string{"title": title, "link": link, "emoji": emoji} {
		if v != "" {
			values.Set(name, v)
		}
	}
	err := c.call(ctx, bookmarksEdit, "", form(values), &r)
	return r.Bookmark, err
}

// RemoveBookmark takes a bookmark away.
func (c *Client) RemoveBookmark(ctx context.Context, channel, id string) error {
	return c.call(ctx, bookmarksRemove, "", func(ctx context.Context, d door) error {
		return d.slack.RemoveBookmarkContext(ctx, channel, id)
	}, nil)
}

// Bookmarks returns a channel's bookmarks.
func (c *Client) Bookmarks(ctx context.Context, channel string) ([]Bookmark, error) {
	var r struct {
		Bookmarks []Bookmark `json:"bookmarks"`
	}
	err := c.call(ctx, bookmarksList, "", func(ctx context.Context, d door) error {
		_, err := d.slack.ListBookmarksContext(ctx, channel)
		return err
	}, &r)
	return r.Bookmarks, err
}
