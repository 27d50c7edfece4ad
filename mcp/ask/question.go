// Package ask lets an assistant ask people a question with buttons.
//
// What was asked stands in the state store, in a row that is written before the message is
// posted: who asked, what the buttons say, who may answer and until when. A button holds
// the row's id and its own number, and nothing that decides anything. A click counts if it
// comes from the message that was posted, as it was posted, and from a person who was
// asked; the first one that counts ends the question, and whichever process looks reads
// the same end from the row.
package ask

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"slackmcp/slackapi"
)

// Slack's bounds of what a question is made of
// (docs.slack.dev/reference/block-kit/blocks/actions-block).
const (
	MaxChoices = 25
	MaxChoice  = 75   // characters
	MaxText    = 3000 // characters
	// MaxWho is how many people a question names at most.
	MaxWho = 50
)

// The ids of a question's blocks and buttons. All begin with [slackapi.ReservedID].
const (
	actionPrefix  = slackapi.ReservedID + ":"
	questionBlock = slackapi.ReservedID + "_question"
	buttonsBlock  = slackapi.ReservedID
	noteBlock     = slackapi.ReservedID + "_note"
)

// A Question is what people are asked.
type Question struct {
	Channel, ThreadTS string
	// Text is in Slack's mrkdwn.
	Text    string
	Choices []string
	// Who are the ids of the users whose answer counts; empty are all full members of the
	// workspace. A bot's never counts.
	Who []string
	// For says in plain words for whom the bot asks; empty is for itself.
	For string
}

// Message is the message that asks, with buttons that hold the id of a row.
func (q Question) Message(id string) (slackapi.Post, error) {
	buttons := make([]object, len(q.Choices))
	for i, choice := range q.Choices {
		buttons[i] = object{
			"type": "button", "action_id": actionPrefix + strconv.Itoa(i), "value": button(id, i),
			"text": object{"type": "plain_text", "text": choice, "emoji": true},
		}
	}
	blocks := []object{section(q.Text)}
	var notes []object
	if q.For != "" {
		notes = append(notes, plain(q.For))
	}
	if len(q.Who) > 0 {
		notes = append(notes, object{"type": "mrkdwn", "text": "Answers of " + mentions(q.Who) + " count."})
	}
	if len(notes) > 0 {
		blocks = append(blocks, note(notes...))
	}
	blocks = append(blocks, object{"type": "actions", "block_id": buttonsBlock, "elements": buttons})
	raw, err := json.Marshal(blocks)
	if err != nil {
		return slackapi.Post{}, fmt.Errorf("encode the question: %w", err)
	}
	return slackapi.Post{Channel: q.Channel, ThreadTS: q.ThreadTS, Text: q.Text, Blocks: raw, Question: true}, nil
}

type object map[string]any

func section(text string) object {
	return object{"type": "section", "block_id": questionBlock, "text": object{"type": "mrkdwn", "text": text}}
}

// note is a line in small letters.
func note(texts ...object) object {
	return object{"type": "context", "block_id": noteBlock, "elements": texts}
}

// plain is a text in which nothing is markup, nor a mention.
func plain(text string) object { return object{"type": "plain_text", "text": text, "emoji": false} }

// button is the value of a button: the row, and which of its choices.
func button(id string, choice int) string { return id + "." + strconv.Itoa(choice) }

// parseButton reads a button's value, and reports whether it is one of this build's.
func parseButton(value string) (id string, choice int, ok bool) {
	id, number, _ := strings.Cut(value, ".")
	choice, err := strconv.Atoi(number)
	return id, choice, err == nil && isID(id) && button(id, choice) == value
}

func mentions(users []string) string {
	list := make([]string, len(users))
	for i, u := range users {
		list[i] = "<@" + u + ">"
	}
	return strings.Join(list, ", ")
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "\u2217")

// escape keeps a label from being read as markup.
func escape(s string) string { return escaper.Replace(s) }
