package webhook

import (
	"errors"

	"slackmcp/webhook/event"
)

// illFormed ends a delivery whose body cannot be read. The reason is one of few words.
func (v *delivery) illFormed(err error) (o Outcome, reason string) {
	v.reply = problem("ill-formed body", err.Error())
	switch {
	case errors.Is(err, event.ErrEmpty):
		reason = "empty"
	case errors.Is(err, event.ErrNotUTF8):
		reason = "not_utf8"
	case errors.Is(err, event.ErrNotObject):
		reason = "not_object"
	case errors.Is(err, event.ErrTooDeep):
		reason = "too_deep"
	default:
		reason = "not_json"
	}
	return IllFormed, reason
}
