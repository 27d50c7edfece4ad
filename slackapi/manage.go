package slackapi

import (
	"context"
	"net/url"
	"strings"

	"github.com/slack-go/slack"
)

// channelCall is a call that changes a channel and answers with it.
func (c *Client) channelCall(ctx context.Context, m method, ask func(context.Context, *slack.Client) error) (Channel, error) {
	var r channelReply
	err := c.call(ctx, m, "", func(ctx context.Context, d door) error { return ask(ctx, d.slack) }, &r)
	return r.Channel, err
}

// CreateChannel makes a public or private channel.
func (c *Client) CreateChannel(ctx context.Context, name string, private bool) (Channel, error) {
	return c.channelCall(ctx, conversationsCreate, func(ctx context.Context, s *slack.Client) error {
		_, err := s.CreateConversationContext(ctx, slack.CreateConversationParams{ChannelName: name, IsPrivate: private})
		return err
	})
}

// JoinChannel makes the bot a member of a public channel; it succeeds where it is one
// already.
func (c *Client) JoinChannel(ctx context.Context, channel string) (Channel, error) {
	return c.channelCall(ctx, conversationsJoin, func(ctx context.Context, s *slack.Client) error {
		_, _, _, err := s.JoinConversationContext(ctx, channel)
		return err
	})
}

// LeaveChannel ends the bot's membership; it succeeds where it is no member.
func (c *Client) LeaveChannel(ctx context.Context, channel string) error {
	return c.call(ctx, conversationsLeave, "", func(ctx context.Context, d door) error {
		_, err := d.slack.LeaveConversationContext(ctx, channel)
		return err
	}, nil)
}

// Invite makes users members of a channel. When one of them cannot be invited, none is.
func (c *Client) Invite(ctx context.Context, channel string, users ...string) (Channel, error) {
	return c.channelCall(ctx, conversationsInvite, func(ctx context.Context, s *slack.Client) error {
		_, err := s.InviteUsersToConversationContext(ctx, channel, users...)
		return err
	})
}

// Kick ends a user's membership of a channel.
func (c *Client) Kick(ctx context.Context, channel, userID string) error {
	return c.call(ctx, conversationsKick, "", func(ctx context.Context, d door) error {
		return d.slack.KickUserFromConversationContext(ctx, channel, userID)
	}, nil)
}

// SetTopic sets a channel's topic, of at most 250 characters.
func (c *Client) SetTopic(ctx context.Context, channel, topic string) (Channel, error) {
	return c.channelCall(ctx, conversationsSetTopic, func(ctx context.Context, s *slack.Client) error {
		_, err := s.SetTopicOfConversationContext(ctx, channel, topic)
		return err
	})
}

// SetPurpose sets what a channel is for, in at most 250 characters.
func (c *Client) SetPurpose(ctx context.Context, channel, purpose string) (Channel, error) {
	return c.channelCall(ctx, conversationsSetPurpose, func(ctx context.Context, s *slack.Client) error {
		_, err := s.SetPurposeOfConversationContext(ctx, channel, purpose)
		return err
	})
}

// RenameChannel renames a channel that the bot created.
func (c *Client) RenameChannel(ctx context.Context, channel, name string) (Channel, error) {
	return c.channelCall(ctx, conversationsRename, func(ctx context.Context, s *slack.Client) error {
		_, err := s.RenameConversationContext(ctx, channel, name)
		return err
	})
}

// ArchiveChannel closes a channel.
func (c *Client) ArchiveChannel(ctx context.Context, channel string) error {
	return c.call(ctx, conversationsArchive, "", func(ctx context.Context, d door) error {
		return d.slack.ArchiveConversationContext(ctx, channel)
	}, nil)
}

// UnarchiveChannel opens a channel again.
func (c *Client) UnarchiveChannel(ctx context.Context, channel string) error {
	return c.call(ctx, conversationsUnarchive, "", func(ctx context.Context, d door) error {
		return d.slack.UnArchiveConversationContext(ctx, channel)
	}, nil)
}

// OpenDM finds or makes the direct message with a user, or the group message with
// up to eight.
func (c *Client) OpenDM(ctx context.Context, users ...string) (Channel, error) {
	var r channelReply
	err := c.call(ctx, conversationsOpen, "", form(url.Values{"users": {strings.Join(users, ",")}, "return_im": {"true"}}), &r)
	return r.Channel, err
}

// MarkRead moves the mark of what was read. It is the token owner's mark: of use with
// [Client.AsUser].
func (c *Client) MarkRead(ctx context.Context, channel, ts string) error {
	return c.call(ctx, conversationsMark, "", func(ctx context.Context, d door) error {
		return d.slack.MarkConversationContext(ctx, channel, ts)
	}, nil)
}
