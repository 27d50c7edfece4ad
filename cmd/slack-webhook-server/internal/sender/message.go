package sender

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Message describes an event to make up.
type Message struct {
	// Type is the event's type, or type/subtype; "url_verification" makes Slack's
	// challenge. Empty is "message".
	Type string
	Text string
	// Channel, User and Team are Slack's ids.
	Channel, User, Team string
}

// Payload returns the body that Slack would post for the message at an instant, with
// an event id that no other payload has, and that id.
func (m Message) Payload(at time.Time) (body []byte, id string, err error) {
	kind, subtype, _ := strings.Cut(m.Type, "/")
	if kind == "url_verification" {
		body, err = json.Marshal(map[string]string{"type": kind, "challenge": rand.Text(), "token": verificationToken})
		return body, "", err
	}
	id = "Ev" + rand.Text()[:12]
	body, err = json.Marshal(envelope{
		Token: verificationToken, TeamID: m.Team, AppID: "A0SENDER00", Event: m.event(kind, subtype, at),
		Type: "event_callback", ID: id, Time: at.Unix(),
	})
	return body, id, err
}

// verificationToken is a field that Slack deprecated and still sends.
const verificationToken = "sent-by-hand"

type envelope struct {
	Token  string         `json:"token"`
	TeamID string         `json:"team_id"`
	AppID  string         `json:"api_app_id"`
	Event  map[string]any `json:"event"`
	Type   string         `json:"type"`
	ID     string         `json:"event_id"`
	Time   int64          `json:"event_time"`
}

// event is the inner event, in the shape of its type.
func (m Message) event(kind, subtype string, at time.Time) map[string]any {
	ts := fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)
	e := map[string]any{"type": kind, "user": m.User, "event_ts": ts}
	if subtype != "" {
		e["subtype"] = subtype
	}
	switch kind {
	case "reaction_added", "reaction_removed":
		e["reaction"] = m.Text
		e["item"] = map[string]string{"type": "message", "channel": m.Channel, "ts": ts}
	case "message":
		e["channel_type"] = channelType(m.Channel)
		fallthrough
	default:
		e["channel"], e["text"], e["ts"] = m.Channel, m.Text, ts
	}
	return e
}

// channelType is what Slack says of a conversation with an id of this letter.
func channelType(channel string) string {
	switch {
	case strings.HasPrefix(channel, "D"):
		return "im"
	case strings.HasPrefix(channel, "G"):
		return "group"
	}
	return "channel"
}
