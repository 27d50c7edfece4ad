package slackapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// ReservedID begins the action_id and block_id of the questions that this program asks. No
// other message that it posts, schedules, shows or updates may hold such an id, so that a
// button of a question is known to stand where it was asked.
const ReservedID = "slack_ask"

// errReserved says which ids belong to questions.
var errReserved = errors.New("ids that begin with " + ReservedID + " belong to the questions of slack_ask: choose other values of action_id and block_id")

// reserves reports whether a member of a JSON value, however deep, is a reserved id. It
// looks at each member as it is written: where a name stands twice, readers differ in
// which of the two they take.
func reserves(raw json.RawMessage) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	var open []level
	name := ""
	for {
		token, err := d.Token()
		if err != nil {
			return false // the end, or no JSON, which is refused elsewhere
		}
		at := &level{}
		if len(open) > 0 {
			at = &open[len(open)-1]
		}
		text, isText := token.(string)
		switch delim, _ := token.(json.Delim); {
		case delim == '{', delim == '[':
			at.valued = false
			open = append(open, level{object: delim == '{'})
		case delim == '}', delim == ']':
			open = open[:len(open)-1]
		case at.object && !at.valued:
			name, at.valued = text, true
		default:
			if at.object && isText && isID(name) && strings.HasPrefix(plain(text), ReservedID) {
				return true
			}
			at.valued = false
		}
	}
}

// A level is an array or an object that is being read; valued says that a value follows,
// whose name was read.
type level struct{ object, valued bool }

func isID(name string) bool {
	name = plain(name)
	return name == "action_id" || name == "block_id"
}

// plain is a text as a lenient reader compares it.
func plain(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
