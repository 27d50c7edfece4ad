package slackapi

import (
	"encoding/json"

	"slackmcp/internal/words"
)

// AssistantMark is the type of the metadata of every message that is posted, scheduled or changed with a
// person's token: a program wrote it, in that person's name. Slack shows an event's receiver the type and
// keeps the rest of the metadata back, so that all there is to know is in the type. Nobody but an app can
// put metadata on a message, and a mark that another app forges only makes words count less.
const AssistantMark = "slack_webhook_server_assistant"

// AssistantLine is what [Options.AssistantLine] lets Slack show below such a message. It is the same
// for everybody: readers know it by its words and leave it out.
const AssistantLine = words.AssistantLine

var (
	assistantMetadata = encoded(map[string]any{"event_type": AssistantMark, "event_payload": map[string]any{"author": "assistant"}})
	// The line stands in an attachment, which goes with a text, with Markdown and with any number of blocks.
	assistantAttachment = below(AssistantLine)
)

// below is the attachment that shows a line below a message, in which nothing is markup.
func below(line string) string {
	return encoded([]any{map[string]any{
		"fallback": line,
		"blocks": []any{map[string]any{
			"type": "context", "elements": []any{map[string]any{"type": "plain_text", "text": line, "emoji": false}},
		}},
	}})
}

// encoded is a value of this package's own as JSON.
func encoded(v any) string {
	raw, _ := json.Marshal(v) // maps and texts always encode
	return string(raw)
}

// Personal reports that the client calls with a person's token: what it posts is in that person's name.
func (c *Client) Personal() bool { return c == c.user }

// mark is the metadata of what the client posts: the caller's, or that an assistant wrote it.
func (c *Client) mark(metadata json.RawMessage) string {
	if c.Personal() {
		return assistantMetadata
	}
	return string(metadata)
}

// beside are the attachments of what the client posts: those of the caller, or the line that says
// that an assistant wrote it.
func (c *Client) beside(attachments json.RawMessage) string {
	if c.Personal() && c.opt.AssistantLine {
		return assistantAttachment
	}
	return string(attachments)
}
