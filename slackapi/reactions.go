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
