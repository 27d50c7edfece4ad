package slackapi

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/slack-go/slack"
)

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
