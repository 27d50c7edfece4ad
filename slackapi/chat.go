package slackapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/slack-go/slack"
)

// A Post is a message to be posted.
type Post struct {
	// Channel is a channel's id, or a user's for a direct message.
	Channel string
	// Text is the message in Slack's mrkdwn, or what notifications show when there
	// are Blocks. It is sent as it is: who wants <, > and & literally escapes them.
	Text string
	// Blocks is a JSON array of Block Kit blocks, sent as it is.
	Blocks json.RawMessage
	// Markdown is standard Markdown (at most 12,000 characters) in place of Text and Blocks.
	Markdown string
	// ThreadTS makes it a reply; Broadcast shows the reply in the channel as well.
	ThreadTS  string
	Broadcast bool
	// UnfurlLinks and UnfurlMedia let Slack fetch the URLs in the text. They are off
	// by default: fetching a URL tells its owner whatever the URL holds.
	UnfurlLinks, UnfurlMedia bool
	// Plain turns Slack's mrkdwn off.
	Plain bool
	// Username, IconEmoji and IconURL need the scope chat:write.customize.
	Username, IconEmoji, IconURL string
	// Metadata is a JSON object {event_type, event_payload}.
	Metadata json.RawMessage
}

// Posted is where a message went.
type Posted struct {
	Channel string  `json:"channel"`
	TS      string  `json:"ts"`
	Message Message `json:"message"`
}

// PostMessage posts a message. It is sent once: after an [Ambiguous] error it may be
// there.
func (c *Client) PostMessage(ctx context.Context, p Post) (Posted, error) {
	var r Posted
	options, err := p.options()
	if err != nil {
		return r, refused(chatPostMessage, err)
	}
	err = c.call(ctx, chatPostMessage, p.Channel, func(ctx context.Context, d door) error {
		_, _, _, err := d.slack.SendMessageContext(ctx, p.Channel, options...)
		return err
	}, &r)
	r.Message.Channel = r.Channel
	return r, err
}

// options are the post in slack-go's words.
func (p Post) options() ([]slack.MsgOption, error) {
	content, err := content(p.Text, p.Markdown, p.Blocks)
	if err != nil {
		return nil, err
	}
	options := append(content, unfurl(p.UnfurlLinks, p.UnfurlMedia))
	if p.ThreadTS != "" {
		options = append(options, slack.MsgOptionTS(p.ThreadTS))
	}
	if p.Broadcast {
		options = append(options, slack.MsgOptionBroadcast())
	}
	if p.Plain {
		options = append(options, slack.MsgOptionDisableMarkdown())
	}
	if p.Username != "" {
		options = append(options, slack.MsgOptionUsername(p.Username))
	}
	if p.IconEmoji != "" {
		options = append(options, slack.MsgOptionIconEmoji(p.IconEmoji))
	}
	if p.IconURL != "" {
		options = append(options, slack.MsgOptionIconURL(p.IconURL))
	}
	if len(p.Metadata) > 0 {
		var m slack.SlackMetadata
		if err := json.Unmarshal(p.Metadata, &m); err != nil {
			return nil, errors.New("metadata is not an object with event_type and event_payload")
		}
		options = append(options, slack.MsgOptionMetadata(m))
	}
	return options, nil
}

// content is what a message says. Blocks pass through slack-go untouched: its own
// types would refuse an element that they do not know.
func content(text, markdown string, blocks json.RawMessage) ([]slack.MsgOption, error) {
	var options []slack.MsgOption
	if text != "" {
		options = append(options, slack.MsgOptionText(text, false))
	}
	if markdown != "" {
		options = append(options, slack.MsgOptionMarkdownText(markdown))
	}
	if len(blocks) == 0 {
		return options, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(blocks, &raw); err != nil {
		return nil, errors.New("blocks is not an array of objects")
	}
	set := make([]slack.Block, len(raw))
	for i, r := range raw {
		b, err := slack.BlockFromJSON(string(r))
		if err != nil {
			return nil, fmt.Errorf("block %d is not an object with a type", i)
		}
		set[i] = b
	}
	return append(options, slack.MsgOptionBlocks(set...)), nil
}

func unfurl(links, media bool) slack.MsgOption {
	var options []slack.MsgOption
	if links {
		options = append(options, slack.MsgOptionEnableLinkUnfurl())
	} else {
		options = append(options, slack.MsgOptionDisableLinkUnfurl())
	}
	if !media {
		options = append(options, slack.MsgOptionDisableMediaUnfurl())
	}
	return slack.MsgOptionCompose(options...)
}

// refused is an argument that is wrong before anything is sent.
func refused(m method, err error) *Error {
	return &Error{Method: m.name, Code: CodeBadRequest, Kind: InvalidArgument, err: err}
}
