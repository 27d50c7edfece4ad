package slackapi

import (
	"context"
	"errors"
	"strings"

	"github.com/slack-go/slack"
)

// A ListQuery asks for a part of the workspace's conversations.
type ListQuery struct {
	// Types are public_channel, private_channel, mpim and im; none is public_channel.
	Types           []string
	ExcludeArchived bool
	Limit           int // of the page, at most 1,000; 0 is Slack's default, 100
	Cursor          string
}

func (q ListQuery) pairs() []string {
	return []string{"types", strings.Join(q.Types, ","), "exclude_archived", when(q.ExcludeArchived, "true"), "limit", number(q.Limit), "cursor", q.Cursor}
}

type channelReply struct {
	Channel Channel `json:"channel"`
}

type channelsReply struct {
	Channels []Channel `json:"channels"`
	cursor
}

// ConversationInfo returns one conversation with the number of its members.
func (c *Client) ConversationInfo(ctx context.Context, channel string) (Channel, error) {
	if channel == "" {
		return Channel{}, refused("conversations.info", errors.New("the channel is missing"))
	}
	r, err := reply[channelReply](c.http.Do(c.form(ctx, "conversations.info", "channel", channel, "include_num_members", "true")))
	return r.Channel, err
}

// ConversationList returns a page of the conversations that the token can see.
func (c *Client) ConversationList(ctx context.Context, q ListQuery) (ChannelPage, error) {
	r, err := reply[channelsReply](c.http.Do(c.form(ctx, "conversations.list", q.pairs()...)))
	return ChannelPage{Channels: r.Channels, NextCursor: r.next()}, err
}

// A MemberPage is a part of a channel's members.
type MemberPage struct {
	Members    []string `json:"members"`
	NextCursor string   `json:"next_cursor,omitempty"`
}

// Members returns a page of a channel's members, by their ids; limit 0 is 100.
func (c *Client) Members(ctx context.Context, channel, cursorAt string, limit int) (MemberPage, error) {
	ids, next, err := c.slack.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: channel, Cursor: cursorAt, Limit: limit})
	return MemberPage{Members: ids, NextCursor: next}, failure("conversations.members", err)
}

// UserConversations returns a page of the conversations that a user is in, as far as
// the token can see them; an empty user is the token's own.
func (c *Client) UserConversations(ctx context.Context, userID string, q ListQuery) (ChannelPage, error) {
	r, err := reply[channelsReply](c.http.Do(c.form(ctx, "users.conversations", append(q.pairs(), "user", userID)...)))
	return ChannelPage{Channels: r.Channels, NextCursor: r.next()}, err
}
