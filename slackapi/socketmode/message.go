package socketmode

import (
	"encoding/json"
	"fmt"
)

// A message is what Slack sends: hello, disconnect, or an envelope.
type message struct {
	Type         string
	EnvelopeID   string
	Payload      json.RawMessage
	Accepts      bool
	RetryAttempt int
	RetryReason  string

	// Reason is that of a disconnect.
	Reason string
	// Connections and what follows are those of a hello, for the log.
	Connections int
	Host        string
	Lifetime    int // seconds until Slack renews the connection
}

// The types that are no envelope's, and the reasons of a disconnect.
const (
	typeHello      = "hello"
	typeDisconnect = "disconnect"

	reasonDisabled = "link_disabled"
	reasonTooMany  = "too_many_websockets"
	reasonWarning  = "warning"
	reasonRefresh  = "refresh_requested"
)

// parse reads a message, which is a JSON object. Slack adds fields and changes the types of
// those that only inform, so that a field of another type than the one expected counts as
// absent: it must not cost the delivery that stands beside it.
func parse(data []byte) (message, error) {
	var f fields
	if err := json.Unmarshal(data, &f); err != nil {
		// The error could quote what was sent.
		return message{}, fmt.Errorf("%d bytes are not a message of socket mode", len(data))
	}
	debug := field[fields](f, "debug_info")
	return message{
		Type: field[string](f, "type"), EnvelopeID: field[string](f, "envelope_id"), Payload: f["payload"],
		Accepts:      field[bool](f, "accepts_response_payload"),
		RetryAttempt: field[int](f, "retry_attempt"), RetryReason: field[string](f, "retry_reason"),
		Reason:      field[string](f, "reason"),
		Connections: field[int](f, "num_connections"),
		Host:        field[string](debug, "host"), Lifetime: field[int](debug, "approximate_connection_time"),
	}, nil
}

// fields are the members of a JSON object.
type fields map[string]json.RawMessage

// field returns the member of that name, or T's zero value when it is absent or of
// another type.
func field[T any](f fields, name string) T {
	var v T
	if raw, ok := f[name]; !ok || json.Unmarshal(raw, &v) != nil {
		var none T
		return none
	}
	return v
}

// envelope is the delivery that a message is.
func (m message) envelope() Envelope {
	return Envelope{
		ID: m.EnvelopeID, Type: m.Type, Payload: m.Payload, AcceptsAnswer: m.Accepts,
		RetryAttempt: m.RetryAttempt, RetryReason: m.RetryReason,
	}
}

// acknowledgement returns the message that acknowledges an envelope.
func acknowledgement(id string, answer json.RawMessage) ([]byte, error) {
	return json.Marshal(struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload,omitempty"`
	}{id, answer})
}
