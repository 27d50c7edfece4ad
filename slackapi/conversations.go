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
