package socketmode

import (
	"encoding/json"
	"fmt"
)

// A message is what Slack sends: hello, disconnect, or an envelope.
type message struct {
	Type         string          `json:"type"`
	EnvelopeID   string          `json:"envelope_id"`
	Payload      json.RawMessage `json:"payload"`
	Accepts      bool            `json:"accepts_response_payload"`
	RetryAttempt int             `json:"retry_attempt"`
	RetryReason  string          `json:"retry_reason"`

	// Of a disconnect.
	Reason string `json:"reason"`
	// Of a hello.
	Connections int `json:"num_connections"`
	DebugInfo   struct {
		Host string `json:"host"`
		// Seconds until Slack renews the connection.
		Lifetime int `json:"approximate_connection_time"`
	} `json:"debug_info"`
}

const (
	typeHello      = "hello"
	typeDisconnect = "disconnect"
)

func parse(data []byte) (message, error) {
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		// The error could quote what was sent.
		return message{}, fmt.Errorf("%d bytes are not a message of socket mode", len(data))
	}
	return m, nil
}

// envelope is the delivery that a message is.
func (m message) envelope() Envelope {
	return Envelope{
		ID: m.EnvelopeID, Type: m.Type, Payload: m.Payload, AcceptsAnswer: m.Accepts,
		RetryAttempt: m.RetryAttempt, RetryReason: m.RetryReason,
	}
}

// acknowledgement is what Slack is told of an envelope that arrived.
func acknowledgement(id string, answer json.RawMessage) ([]byte, error) {
	return json.Marshal(struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload,omitempty"`
	}{id, answer})
}
