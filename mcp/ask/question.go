// Package ask lets an assistant ask people a question with buttons.
//
// Nothing is kept of a question but the message itself: its buttons hold what was asked,
// who may answer, and from where in the log of events the answer is to be looked for. An
// answer is a click that Slack posts and the store keeps, so it is found by whichever
// process looks, before, during or after a wait, and the first click that counts is the
// same one for all of them.
package ask

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// Slack's bounds of what a question is made of
// (docs.slack.dev/reference/block-kit/blocks/actions-block).
const (
	MaxChoices = 25
	MaxChoice  = 75   // characters
	MaxText    = 3000 // characters
	// MaxWho keeps a button's value within Slack's 2,000 characters.
	MaxWho = 50
)

const (
	actionPrefix  = "slack_ask:"
	questionBlock = "slack_ask_question"
)

// A Question is what people are asked.
type Question struct {
	Channel, ThreadTS string
	// Text is in Slack's mrkdwn.
	Text    string
	Choices []string
	// Who are the ids of the users whose answer counts; empty is any user.
	Who []string
}

// terms are the value of a button; they come back with the click on it.
type terms struct {
	Choice string         `json:"choice"`
	Who    []string       `json:"who,omitempty"`
	After  event.Position `json:"after,omitempty"`
}

// Post is the message that asks. Clicks on it are events behind after.
func (q Question) Post(after event.Position) (slackapi.Post, error) {
	buttons := make([]object, len(q.Choices))
	for i, choice := range q.Choices {
		value, err := json.Marshal(terms{choice, q.Who, after})
		if err != nil {
			return slackapi.Post{}, fmt.Errorf("encode a button: %w", err)
		}
		buttons[i] = object{
			"type": "button", "action_id": actionPrefix + strconv.Itoa(i), "value": string(value),
			"text": object{"type": "plain_text", "text": choice, "emoji": true},
		}
	}
	blocks := []object{{"type": "section", "block_id": questionBlock, "text": object{"type": "mrkdwn", "text": q.Text}}}
	if len(q.Who) > 0 {
		blocks = append(blocks, note("Answers of "+mentions(q.Who)+" count."))
	}
	blocks = append(blocks, object{"type": "actions", "block_id": "slack_ask", "elements": buttons})
	raw, err := json.Marshal(blocks)
	if err != nil {
		return slackapi.Post{}, fmt.Errorf("encode the question: %w", err)
	}
	return slackapi.Post{Channel: q.Channel, ThreadTS: q.ThreadTS, Text: q.Text, Blocks: raw}, nil
}

type object map[string]any

// note is a line in small letters.
func note(text string) object {
	return object{"type": "context", "elements": []object{{"type": "mrkdwn", "text": text}}}
}

func mentions(users []string) string {
	list := make([]string, len(users))
	for i, u := range users {
		list[i] = "<@" + u + ">"
	}
	return strings.Join(list, ", ")
}

// An ID names a question that was asked.
type ID struct {
	Channel, TS string
	// After is where in the log the clicks on it begin.
	After event.Position
}

// fromStart stands for the empty position.
const fromStart = "start"

// String is what [ParseID] reads.
func (id ID) String() string {
	after := string(id.After)
	if after == "" {
		after = fromStart
	}
	return id.Channel + ":" + id.TS + ":" + after
}

// ParseID reads an ID, and reports whether it is one.
func ParseID(s string) (ID, bool) {
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return ID{}, false
	}
	id := ID{Channel: parts[0], TS: parts[1]}
	if parts[2] == fromStart {
		return id, true
	}
	id.After = event.Position(parts[2])
	_, ok := id.After.Seq()
	return id, ok
}
