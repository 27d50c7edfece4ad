package visibility

import (
	"encoding/json"

	"slackmcp/webhook/event"
)

// Trim returns an event with no more of its body than what decides who may see it, to be kept and judged
// again: some hundred bytes, whatever the event has.
func Trim(e *event.Event) event.Event {
	kept := *e
	f := read(e)
	if kept.Raw, kept.Headers = nil, ""; f == (facts{}) {
		return kept
	}
	body := map[string]any{"file_id": f.file, "user": map[string]string{"team_id": f.actorTeam}}
	if f.forAll {
		body["container"] = map[string]any{"type": "message", "is_ephemeral": false}
	}
	if raw, err := json.Marshal(body); err == nil {
		kept.Raw, kept.Encoding = raw, event.JSON
	}
	return kept
}
