package socketmode_test

import (
	"encoding/json"
	"testing"

	"slackmcp/slackapi/socketmode"
)

// TestAFieldOfAnotherTypeCostsNoMessage sends each message with each of its informing fields
// in every other type of JSON.
func TestAFieldOfAnotherTypeCostsNoMessage(t *testing.T) {
	t.Parallel()
	const payload = `{"event_id":"Ev1","type":"event_callback"}` // as it is encoded again
	others := []any{nil, true, "1", 1, 18060.5, 1e300, []any{1}, map[string]any{"a": 1}}
	for name, base := range map[string]string{
		"hello":      `{"type":"hello","num_connections":1,"connection_info":{"app_id":"A1"},"debug_info":{"host":"applink","approximate_connection_time":18060}}`,
		"disconnect": `{"type":"disconnect","reason":"warning","debug_info":{"host":"applink"}}`,
		"events_api": `{"type":"events_api","envelope_id":"e1","accepts_response_payload":false,"retry_attempt":1,"retry_reason":"timeout","payload":` + payload + `}`,
	} {
		var members map[string]any
		if err := json.Unmarshal([]byte(base), &members); err != nil {
			t.Fatal(err)
		}
		for field, kept := range members {
			if field == "type" || field == "envelope_id" || field == "payload" || field == "reason" {
				continue // without these there is no message of the kind
			}
			for _, other := range others {
				members[field] = other
				wantMessage(t, name, payload, marshal(t, members))
			}
			members[field] = kept
		}
	}
	for _, inner := range []string{"host", "approximate_connection_time"} {
		for _, other := range others {
			data := marshal(t, map[string]any{"type": "hello", "num_connections": 2, "debug_info": map[string]any{inner: other}})
			if hello, connections, _, _, err := socketmode.ParseHello(data); err != nil || !hello || connections != 2 {
				t.Errorf("%s: hello %v of %d connections, %v", data, hello, connections, err)
			}
		}
	}
	if hello, connections, host, lifetime, err := socketmode.ParseHello([]byte(`{"type":"hello","num_connections":3,"debug_info":{"host":"h","approximate_connection_time":60}}`)); !hello || connections != 3 || host != "h" || lifetime != 60 || err != nil {
		t.Errorf("a whole hello is %v of %d connections on %q for %d s, %v", hello, connections, host, lifetime, err)
	}
}

func wantMessage(t *testing.T, kind, payload string, data []byte) {
	t.Helper()
	e, disconnects, reason, err := socketmode.ParseMessage(data)
	hello, _, _, _, _ := socketmode.ParseHello(data)
	switch {
	case err != nil:
		t.Errorf("%s: %v", data, err)
	case kind == "hello" && !hello:
		t.Errorf("%s is no hello", data)
	case kind == "disconnect" && (!disconnects || reason != "warning"):
		t.Errorf("%s ends no connection, or for the reason %q", data, reason)
	case kind == "events_api" && (e.ID != "e1" || e.Type != kind || string(e.Payload) != payload):
		t.Errorf("%s is the delivery %q of %q with %s", data, e.ID, e.Type, e.Payload)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
