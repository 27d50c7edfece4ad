package slackapi

import (
	"context"
	"net/url"
	"strings"

	"github.com/slack-go/slack"
)

// EmojiList returns the workspace's own emoji: name to image URL, or to "alias:name".
// Slack's standard emoji are not among them.
func (c *Client) EmojiList(ctx context.Context) (map[string]string, error) {
	var r struct {
		Emoji map[string]string `json:"emoji"`
	}
	err := c.call(ctx, emojiList, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetEmojiContext(ctx)
		return err
	}, &r)
	return r.Emoji, err
}

// AddReaction puts an emoji, named with or without colons, on a message. A reaction
// that is there already is a [Conflict] with code already_reacted.
func (c *Client) AddReaction(ctx context.Context, channel, ts, emoji string) error {
	return c.call(ctx, reactionsAdd, "", func(ctx context.Context, d door) error {
		return d.slack.AddReactionContext(ctx, emojiName(emoji), slack.NewRefToMessage(channel, ts))
	}, nil)
}

// RemoveReaction takes the bot's own emoji off a message. One that is not there is a
// [Conflict] with code no_reaction.
func (c *Client) RemoveReaction(ctx context.Context, channel, ts, emoji string) error {
	return c.call(ctx, reactionsRemove, "", func(ctx context.Context, d door) error {
		return d.slack.RemoveReactionContext(ctx, emojiName(emoji), slack.NewRefToMessage(channel, ts))
	}, nil)
}

// Reactions returns a message with all its reactions and their users.
func (c *Client) Reactions(ctx context.Context, channel, ts string) (Message, error) {
	var r struct {
		Message Message `json:"message"`
	}
	err := c.call(ctx, reactionsGet, "", form(url.Values{
		"channel": {channel}, "timestamp": {ts}, "full": {"true"},
	}), &r)
	r.Message.Channel = channel
	return r.Message, err
}

func emojiName(s string) string { return strings.Trim(s, ":") }
