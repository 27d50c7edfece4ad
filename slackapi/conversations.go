package slackapi

import (
	"context"

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

type channelReply struct {
	Channel Channel `json:"channel"`
}

type channelsReply struct {
	Channels []Channel `json:"channels"`
	cursor
}

// ConversationInfo returns one conversation with the number of its members.
func (c *Client) ConversationInfo(ctx context.Context, channel string) (Channel, error) {
	var r channelReply
	err := c.call(ctx, conversationsInfo, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel, IncludeNumMembers: true})
		return err
	}, &r)
	return r.Channel, err
}

// ConversationList returns a page of the conversations that the token can see.
func (c *Client) ConversationList(ctx context.Context, q ListQuery) (ChannelPage, error) {
	var r channelsReply
	err := c.call(ctx, conversationsList, "", func(ctx context.Context, d door) error {
		_, _, err := d.slack.GetConversationsContext(ctx, &slack.GetConversationsParameters{
			Cursor: q.Cursor, ExcludeArchived: q.ExcludeArchived, Limit: q.Limit, Types: q.Types,
		})
		return err
	}, &r)
	return ChannelPage{Channels: r.Channels, NextCursor: r.next()}, err
}

// A MemberPage is a part of a channel's members.
type MemberPage struct {
	Members    []string `json:"members"`
	NextCursor string   `json:"next_cursor,omitempty"`
}

// Members returns a page of a channel's members, by their ids; limit 0 is 100.
func (c *Client) Members(ctx context.Context, channel, cursorAt string, limit int) (MemberPage, error) {
	var r struct {
		Members []string `json:"members"`
		cursor
	}
	err := c.call(ctx, conversationsMembers, "", func(ctx context.Context, d door) error {
		_, _, err := d.slack.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: channel, Cursor: cursorAt, Limit: limit})
		return err
	}, &r)
	return MemberPage{Members: r.Members, NextCursor: r.next()}, err
}

// UserConversations returns a page of the conversations that a user is in, as far as
// the token can see them; an empty user is the token's own.
func (c *Client) UserConversations(ctx context.Context, userID string, q ListQuery) (ChannelPage, error) {
	var r channelsReply
	err := c.call(ctx, usersConversations, "", func(ctx context.Context, d door) error {
		_, _, err := d.slack.GetConversationsForUserContext(ctx, &slack.GetConversationsForUserParameters{
			UserID: userID, Cursor: q.Cursor, ExcludeArchived: q.ExcludeArchived, Limit: q.Limit, Types: q.Types,
		})
		return err
	}, &r)
	return ChannelPage{Channels: r.Channels, NextCursor: r.next()}, err
}
