package operator

import (
	"encoding/json"
	"strings"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// An Event is an event as programs read it. It holds no credential: the payload went
// through [event.Sanitize].
type Event struct {
	EventID     string         `json:"event_id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Subtype     string         `json:"subtype,omitempty"`
	Team        string         `json:"team,omitempty"`
	Channel     string         `json:"channel,omitempty"`
	ChannelType string         `json:"channel_type,omitempty"`
	User        string         `json:"user,omitempty"`
	ThreadTS    string         `json:"thread_ts,omitempty"`
	FromSelf    bool           `json:"from_self,omitempty"`
	HappenedAt  string         `json:"happened_at,omitempty"`
	ReceivedAt  string         `json:"received_at"`
	Position    event.Position `json:"position"`
	RetryNum    int            `json:"retry_num,omitempty"`
	// Payload is the body; of a form the string that it is.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// View shows an event.
func View(e *event.Event) Event {
	v := Event{
		EventID: e.ID, Source: e.Source, Type: e.Kind.Type, Subtype: e.Kind.Subtype, Team: e.Team,
		Channel: e.Channel, ChannelType: e.ChannelType, User: e.User, ThreadTS: e.Thread, FromSelf: e.FromSelf,
		HappenedAt: stamp(e.At), ReceivedAt: stamp(e.ReceivedAt), Position: e.Position, RetryNum: e.Retry.Num,
	}
	body, err := event.Sanitize(e.Raw, e.Encoding)
	if err != nil {
		return v // what cannot be read cannot be shown
	}
	if e.Encoding == event.JSON && json.Valid(body) {
		v.Payload = body
		return v
	}
	if text, err := json.Marshal(strings.ToValidUTF8(string(body), "\uFFFD")); err == nil {
		v.Payload = text
	}
	return v
}

// Views shows several.
func Views(list []event.Event) []Event {
	views := make([]Event, len(list))
	for i := range list {
		views[i] = View(&list[i])
	}
	return views
}

// A Letter is a dead letter as programs read it.
type Letter struct {
	Event

	Group    string `json:"group"`
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason"`
	DiedAt   string `json:"died_at"`
}

// ViewLetter shows a dead letter.
func ViewLetter(d *queue.DeadLetter) Letter {
	return Letter{Event: View(&d.Event), Group: d.Group, Attempts: d.Attempts, Reason: d.Reason, DiedAt: stamp(d.DiedAt)}
}

// Summary is what an event says in a few words: the text of a message, a command, a
// reaction; "" when it says nothing of the kind.
func Summary(e *event.Event) string {
	var said struct {
		Text, Command, Reaction, Name, Status string
		Message                               struct{ Text string }
	}
	raw, err := event.InnerJSON(e)
	if err != nil || json.Unmarshal(raw, &said) != nil {
		return ""
	}
	switch {
	case said.Command != "":
		return strings.TrimSpace(said.Command + " " + said.Text)
	case said.Text != "":
		return said.Text
	case said.Message.Text != "":
		return said.Message.Text
	case said.Reaction != "":
		return ":" + said.Reaction + ":"
	}
	return said.Status
}

// stamp writes an instant as RFC 3339 in UTC, and the zero time as "".
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
