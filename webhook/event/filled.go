package event

import (
	"fmt"
	"strings"
	"time"
)

// filledPrefix begins the ids of events that no delivery brought. Slack's begin with "Ev".
const filledPrefix = "filled-"

// FilledID is the id of an event that was made of a message in a channel's history,
// because its delivery was missed: typ is message or app_mention.
func FilledID(typ, channel, ts string) string {
	return filledPrefix + typ + "-" + channel + "-" + ts
}

// Filled reports whether the event was made of a channel's history, and not delivered.
func (e *Event) Filled() bool {
	return e.Source == SourceSlack && strings.HasPrefix(e.ID, filledPrefix)
}

// TS is an instant as Slack writes it, which for the delivery of a message is the
// message's ts.
func TS(t time.Time) string {
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
}
