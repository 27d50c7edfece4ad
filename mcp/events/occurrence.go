package events

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"slackmcp/mcp/view"
	"slackmcp/webhook/event"
)

// An Occurrence is one event of a type, as it goes over the wire.
type Occurrence struct {
	EventID   string `json:"eventId"`
	Name      string `json:"name"`
	Timestamp string `json:"timestamp"`
	Data      any    `json:"data"`
	// Cursor stands behind the event; absent where the answer has one for all.
	Cursor string `json:"cursor,omitempty"`
}

// occurrence returns what a selection makes of an event, or false when it asks for
// others.
func (s *Selection) occurrence(e *event.Event) (Occurrence, bool) {
	seen := look(e, s.lockdown)
	data, ok := s.build(seen)
	if !ok {
		return Occurrence{}, false
	}
	at := e.At
	if at.IsZero() {
		at = e.ReceivedAt
	}
	return Occurrence{
		EventID: occurrenceID(e), Name: s.Name, Timestamp: at.UTC().Format(time.RFC3339Nano),
		Data: data, Cursor: string(e.Position),
	}, true
}

// maxID bounds an id, which goes into a header.
const maxID = 128

// occurrenceID is the sender's own id of the delivery: Slack's as it is, another's
// behind the name of its source. What a header cannot carry is replaced by its hash.
func occurrenceID(e *event.Event) string {
	id := e.ID
	if e.Source != event.SourceSlack {
		id = view.Escape(e.Source) + ":" + id
	}
	if len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
