package slackapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/slack-go/slack"
)

// A Channel is a conversation: a public or private channel, a direct message or a
// group direct message.
type Channel struct {
	ID                 string   `json:"id"`
	Name               string   `json:"name,omitempty"` // empty for a direct message
	NameNormalized     string   `json:"name_normalized,omitempty"`
	Created            int64    `json:"created,omitempty"` // Unix seconds
	Creator            string   `json:"creator,omitempty"`
	User               string   `json:"user,omitempty"` // the other side of a direct message
	IsChannel          bool     `json:"is_channel"`
	IsGroup            bool     `json:"is_group"`
	IsIM               bool     `json:"is_im"`
	IsMPIM             bool     `json:"is_mpim"`
	IsPrivate          bool     `json:"is_private"`
	IsArchived         bool     `json:"is_archived"`
	IsGeneral          bool     `json:"is_general"`
	IsMember           bool     `json:"is_member"` // of the token's owner
	IsOpen             bool     `json:"is_open,omitempty"`
	IsShared           bool     `json:"is_shared"`
	IsExtShared        bool     `json:"is_ext_shared"` // with another organisation
	IsOrgShared        bool     `json:"is_org_shared"`
	IsPendingExtShared bool     `json:"is_pending_ext_shared"`
	IsReadOnly         bool     `json:"is_read_only,omitempty"`
	NumMembers         int      `json:"num_members,omitempty"`
	UnreadCount        int      `json:"unread_count,omitempty"`         // a user token's only
	UnreadCountDisplay int      `json:"unread_count_display,omitempty"` // a user token's only
	LastRead           string   `json:"last_read,omitempty"`
	Latest             *Message `json:"latest,omitempty"`
	Updated            int64    `json:"updated,omitempty"` // Unix milliseconds
	ContextTeamID      string   `json:"context_team_id,omitempty"`
	Topic              Note     `json:"topic"`
	Purpose            Note     `json:"purpose"`
	PreviousNames      []string `json:"previous_names,omitempty"`
	Canvas             *Canvas  `json:"canvas,omitempty"`
}

// A Note is a channel's topic or purpose.
type Note struct {
	Value   string `json:"value"`
	Creator string `json:"creator,omitempty"`
	LastSet int64  `json:"last_set,omitempty"` // Unix seconds
}

// A Canvas is a channel's own canvas.
type Canvas struct {
	FileID  string `json:"file_id"`
	IsEmpty bool   `json:"is_empty"`
}

// A ChannelPage is a part of a list of conversations. A page may be empty and yet
// have a NextCursor: Slack filters after it has cut the page.
type ChannelPage struct {
	Channels   []Channel `json:"channels"`
	NextCursor string    `json:"next_cursor,omitempty"`
}

// UnmarshalJSON reads a channel as Slack sends it, where the canvas is below
// "properties", and as this package writes it.
func (c *Channel) UnmarshalJSON(data []byte) error {
	type plain Channel
	in := struct {
		*plain
		Properties struct {
			Canvas *Canvas `json:"canvas"`
		} `json:"properties"`
	}{plain: (*plain)(c)}
	err := lenient(data, &in)
	if c.Canvas == nil {
		c.Canvas = in.Properties.Canvas
	}
	return err
}

// A ListQuery asks for a part of the workspace's conversations.
type ListQuery struct {
	// Types are public_channel, private_channel, mpim and im; none is public_channel.
	Types           []string
	ExcludeArchived bool
	Limit           int // of the page, at most 1,000; 0 is Slack's default, 100
	Cursor          string
}

func (q ListQuery) pairs(at place) []string {
	return []string{
		"types", strings.Join(q.Types, ","), "exclude_archived", when(q.ExcludeArchived, "true"), "limit", number(q.Limit),
		"cursor", at.cursor, "team_id", at.team,
	}
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
	at, err := c.placeOf(ctx, q.Cursor)
	if err != nil || at.over() {
		return ChannelPage{}, err
	}
	for {
		r, err := reply[channelsReply](c.http.Do(c.form(ctx, "conversations.list", q.pairs(at)...)))
		if !at.again(ctx, &err) {
			return ChannelPage{Channels: r.Channels, NextCursor: at.next(r.next())}, err
		}
	}
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
	at, err := c.placeOf(ctx, q.Cursor)
	if err != nil || at.over() {
		return ChannelPage{}, err
	}
	for {
		r, err := reply[channelsReply](c.http.Do(c.form(ctx, "users.conversations", append(q.pairs(at), "user", userID)...)))
		if !at.again(ctx, &err) {
			return ChannelPage{Channels: r.Channels, NextCursor: at.next(r.next())}, err
		}
	}
}

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
