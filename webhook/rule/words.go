package rule

import (
	"encoding/json"

	"slackmcp/internal/words"
	"slackmcp/webhook/event"
)

// placeText is the place of a condition, and the field of a template, that is all that a message of
// Slack's says; see said.
const placeText = "text"

// said is what a person sees who looks at the message of an event of Slack's: its text, what its blocks
// and attachments add to it, and its files. Of a change it is the message as it is now, of a
// deletion it is empty. solely reports that all of it is of the message's author: it quotes nobody and
// shows no preview. ok is false where the event tells of no message.
func said(e *event.Event) (text string, solely, ok bool) {
	if e.Source != event.SourceSlack || e.Encoding != event.JSON || e.Kind.Type != "message" && e.Kind.Type != "app_mention" {
		return "", true, false
	}
	raw, err := event.InnerJSON(e)
	if err != nil {
		return "", true, true
	}
	// What Slack writes otherwise than documented is as if it were absent.
	var m struct {
		User    string          `json:"user"`
		Message json.RawMessage `json:"message"`
	}
	_ = json.Unmarshal(raw, &m)
	switch e.Kind.Subtype {
	case "message_deleted":
		return "", true, true
	case "message_changed":
		raw, m.User = m.Message, ""
		_ = json.Unmarshal(raw, &m)
	}
	read := words.Read(raw)
	return read.String(), read.SolelyBy(m.User), true
}
