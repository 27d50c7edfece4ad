package webhook

import (
	"errors"

	"slackmcp/webhook/event"
)

// illFormed ends a request whose signed body cannot be read.
func illFormed(err error) decoded {
	return decoded{outcome: IllFormed, reason: illFormedReason(err), reply: problem("ill-formed body", err.Error())}
}

// illFormedReason returns the reason as one of few words.
func illFormedReason(err error) string {
	switch {
	case errors.Is(err, event.ErrEmpty):
		return "empty"
	case errors.Is(err, event.ErrNotUTF8):
		return "not_utf8"
	case errors.Is(err, event.ErrNotObject):
		return "not_object"
	case errors.Is(err, event.ErrTooDeep):
		return "too_deep"
	}
	return "not_json"
}
