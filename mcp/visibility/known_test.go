package visibility

import (
	"strings"
	"testing"

	"slackmcp/webhook/event"
)

// What is kept of an event decides as the event does, however long its body is.
func TestTrim(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for kind, raw := range map[string]string{
		"block_actions":   `{"type":"block_actions","user":{"id":"U1","team_id":"T1"},"container":{"type":"message","is_ephemeral":false},"message":{"text":"` + long + `"}}`,
		"view_submission": `{"type":"view_submission","user":{"id":"U1","team_id":"T2"},"view":{"title":"` + long + `"}}`,
		"file_change":     `{"type":"event_callback","event":{"type":"file_change","file_id":"F1","file":{"id":"F1","title":"` + long + `"}}}`,
		"message":         `{"type":"event_callback","event":{"type":"message","text":"` + long + `"}}`,
	} {
		e := event.Event{Source: event.SourceSlack, Kind: event.Kind{Type: kind}, Raw: []byte(raw), Encoding: event.JSON, Headers: "A: b"}
		kept := Trim(&e)
		if read(&kept) != read(&e) || kept.Kind != e.Kind {
			t.Errorf("%s: %+v decides, of the event %+v does", kind, read(&kept), read(&e))
		}
		if len(kept.Raw) > 300 || kept.Headers != "" {
			t.Errorf("%s: %d bytes are kept", kind, len(kept.Raw))
		}
	}
}
