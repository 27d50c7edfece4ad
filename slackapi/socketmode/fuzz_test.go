package socketmode_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf8"

	"slackmcp/slackapi/socketmode"
)

// FuzzMessage holds what a connection makes of any bytes against what JSON says: a message
// is taken exactly when it is one, its parts are those of the sender, no error quotes it,
// and the acknowledgement of a delivery names that delivery and nothing else.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","num_connections":1,"connection_info":{"app_id":"A1"},"debug_info":{"host":"applink","approximate_connection_time":18060}}`,
		`{"type":"disconnect","reason":"refresh_requested","debug_info":{"host":"applink"}}`,
		`{"type":"events_api","envelope_id":"e1","accepts_response_payload":false,"retry_attempt":1,"retry_reason":"timeout","payload":{"type":"event_callback"}}`,
		``, `null`, `[]`, `{}`, `{"envelope_id":""}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, disconnects, reason, err := socketmode.ParseMessage(data)
		if err != nil {
			if want := fmt.Sprintf("%d bytes are not a message of socket mode", len(data)); err.Error() != want {
				t.Errorf("error %q, want %q", err, want)
			}
			if e.ID != "" || disconnects {
				t.Errorf("what is no message is a delivery %q, or the end of a connection", e.ID)
			}
			return
		}
		wantParts(t, data, e, disconnects, reason)
		if e.ID != "" {
			wantAcknowledged(t, e)
		}
	})
}

// wantParts compares with what a general decoder finds.
func wantParts(t *testing.T, data []byte, e socketmode.Envelope, disconnects bool, reason string) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatalf("%q is taken: %v", data, err)
	}
	for name, got := range map[string]string{"envelope_id": e.ID, "retry_reason": e.RetryReason, "reason": reason, "type": e.Type} {
		var want string
		if raw, there := members[name]; there {
			if json.Unmarshal(raw, &want) != nil {
				want = "" // another type counts as absent
			}
		}
		if got != want {
			t.Errorf("%s of %q is %q, want %q", name, data, got, want)
		}
	}
	if disconnects != (e.Type == "disconnect") {
		t.Errorf("%q ends a connection: %v", data, disconnects)
	}
	if string(e.Payload) != string(members["payload"]) {
		t.Errorf("the payload of %q is %q, want its bytes", data, e.Payload)
	}
}

// wantAcknowledged reads back the acknowledgement, without and with an answer.
func wantAcknowledged(t *testing.T, e socketmode.Envelope) {
	t.Helper()
	for _, answer := range []json.RawMessage{nil, json.RawMessage(`{"text":"<&>"}`)} {
		ack, err := socketmode.Acknowledgement(e.ID, answer)
		if err != nil {
			t.Fatalf("acknowledge %q: %v", e.ID, err)
		}
		var sent map[string]json.RawMessage
		if err := json.Unmarshal(ack, &sent); err != nil {
			t.Fatalf("%q is no JSON: %v", ack, err)
		}
		var id string
		if err := json.Unmarshal(sent["envelope_id"], &id); err != nil || id != e.ID || !utf8.Valid(ack) {
			t.Errorf("%q acknowledges %q, want %q", ack, id, e.ID)
		}
		if _, there := sent["payload"]; there != (answer != nil) || len(sent) != 1 && answer == nil || len(sent) != 2 && answer != nil {
			t.Errorf("%q holds more or less than it should", ack)
		}
	}
}
