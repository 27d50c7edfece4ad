package slackapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// changed reads the answer of a method that changes a channel.
func changed(resp *http.Response, err error) (Channel, error) {
	r, err := reply[channelReply](resp, err)
	return r.Channel, err
}

// CreateChannel makes a public or private channel.
func (c *Client) CreateChannel(ctx context.Context, name string, private bool) (Channel, error) {
	return changed(c.http.Do(c.form(ctx, "conversations.create", "name", name, "is_private", strconv.FormatBool(private))))
}

// JoinChannel makes the bot a member of a public channel; it succeeds where it is one
// already.
func (c *Client) JoinChannel(ctx context.Context, channel string) (Channel, error) {
	return changed(c.http.Do(c.form(ctx, "conversations.join", "channel", channel)))
}

// LeaveChannel ends the bot's membership; it succeeds where it is no member.
func (c *Client) LeaveChannel(ctx context.Context, channel string) error {
	_, err := c.slack.LeaveConversationContext(ctx, channel)
	return failure("conversations.leave", err)
}

// Invite makes users members of a channel. When one of them cannot be invited, none is.
func (c *Client) Invite(ctx context.Context, channel string, users ...string) (Channel, error) {
	return changed(c.http.Do(c.form(ctx, "conversations.invite", "channel", channel, "users", strings.Join(users, ","))))
}

// Kick ends a user's membership of a channel.
func (c *Client) Kick(ctx context.Context, channel, userID string) error {
	return failure("conversations.kick", c.slack.KickUserFromConversationContext(ctx, channel, userID))
}

// SetTopic sets a channel's topic, of at most 250 characters; an empty one clears it.
func (c *Client) SetTopic(ctx context.Context, channel, topic string) (Channel, error) {
	return changed(c.http.Do(c.post(ctx, "conversations.setTopic", url.Values{"channel": {channel}, "topic": {topic}})))
}

// SetPurpose sets what a channel is for, in at most 250 characters; an empty text clears it.
func (c *Client) SetPurpose(ctx context.Context, channel, purpose string) (Channel, error) {
	return changed(c.http.Do(c.post(ctx, "conversations.setPurpose", url.Values{"channel": {channel}, "purpose": {purpose}})))
}

// RenameChannel renames a channel that the bot created.
func (c *Client) RenameChannel(ctx context.Context, channel, name string) (Channel, error) {
	return changed(c.http.Do(c.form(ctx, "conversations.rename", "channel", channel, "name", name)))
}

// ArchiveChannel closes a channel.
func (c *Client) ArchiveChannel(ctx context.Context, channel string) error {
	return failure("conversations.archive", c.slack.ArchiveConversationContext(ctx, channel))
}

// UnarchiveChannel opens a channel again.
func (c *Client) UnarchiveChannel(ctx context.Context, channel string) error {
	return failure("conversations.unarchive", c.slack.UnArchiveConversationContext(ctx, channel))
}

// OpenDM finds or makes the direct message with a user, or the group message with
// up to eight.
func (c *Client) OpenDM(ctx context.Context, users ...string) (Channel, error) {
	return changed(c.http.Do(c.form(ctx, "conversations.open", "users", strings.Join(users, ","), "return_im", "true")))
}

// MarkRead moves the mark of what was read. It is the token owner's mark: of use with
// [Client.AsUser].
func (c *Client) MarkRead(ctx context.Context, channel, ts string) error {
	return failure("conversations.mark", c.slack.MarkConversationContext(ctx, channel, ts))
}
