package view

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"slackmcp/webhook/event"
)

// An Event is one received event as an assistant sees it.
type Event struct {
	Untrusted   bool            `json:"untrusted"`
	EventID     string          `json:"event_id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subtype     string          `json:"subtype,omitempty"`
	Team        string          `json:"team,omitempty"`
	Channel     string          `json:"channel,omitempty"`
	ChannelType string          `json:"channel_type,omitempty"`
	User        string          `json:"user,omitempty"`
	TS          string          `json:"ts,omitempty" doc:"of the message that the event is"`
	ThreadTS    string          `json:"thread_ts,omitempty"`
	Text        string          `json:"text,omitempty"`
	Provenance  Provenance      `json:"provenance"`
	HappenedAt  string          `json:"happened_at,omitempty"`
	ReceivedAt  string          `json:"received_at"`
	URI         string          `json:"uri" doc:"resource with the whole event"`
	Flags       Flags           `json:"flags,omitempty"`
	Payload     json.RawMessage `json:"payload,omitempty"`
}

// EventOptions say how much of an event is shown.
type EventOptions struct {
	// Lockdown withholds the words of authors who are not known to be of the workspace.
	Lockdown bool
	// MaxText bounds the text, in characters; 0 is [MaxText].
	MaxText int
	// Payload adds the whole body, unless it is longer than MaxPayload bytes (0 is no
	// bound).
	Payload    bool
	MaxPayload int
}

// NewEvent shows an event. What cannot be read of its body is left out: an event is
// never refused.
func NewEvent(e *event.Event, o EventOptions) Event {
	v := Event{
		Untrusted: true, Source: e.Source, URI: EventURI(e.Source, e.ID),
		ReceivedAt: Time(e.ReceivedAt), HappenedAt: Time(e.At),
	}
	// Senders choose ids as they please; the URI finds the event all the same.
	v.EventID, v.Team, v.Channel = v.Flags.Name(e.ID), v.Flags.Name(e.Team), v.Flags.Name(e.Channel)
	v.User, v.ThreadTS = v.Flags.Name(e.User), v.Flags.Name(e.Thread)
	v.Type, v.Subtype = v.Flags.Name(e.Kind.Type), v.Flags.Name(e.Kind.Subtype)
	v.ChannelType = v.Flags.Name(e.ChannelType)
	if e.Filled() {
		v.Flags.Add(FlagFilled)
	}
	text := v.origin(e)
	if o.Lockdown && !v.Provenance.Inside() {
		if text != "" || o.Payload {
			v.Flags.Add(FlagWithheld)
		}
		return v
	}
	if o.MaxText == 0 {
		o.MaxText = MaxText
	}
	v.Text = v.Flags.Text(text, o.MaxText)
	if o.Payload {
		v.payload(e, o.MaxPayload)
	}
	return v
}

// origin reads who wrote the event and returns its text, uncleaned.
func (v *Event) origin(e *event.Event) string {
	if e.Source == event.SourceGaps {
		v.Provenance = Provenance{Author: e.Source, Kind: KindSystem, Verified: true}
		return gapText(e)
	}
	if e.Source != event.SourceSlack {
		v.Provenance = Provenance{Author: e.Source, Kind: KindService, External: true, Verified: true}
		return ""
	}
	var o origin
	if e.Encoding == event.JSON {
		_ = json.Unmarshal(e.Raw, &o) // what Slack writes otherwise is as if it were absent
	}
	inner, err := event.InnerJSON(e)
	var a author
	if err == nil {
		_ = json.Unmarshal(inner, &a) // likewise
	}
	if e.Encoding == event.Form || o.TeamID == "" {
		o.TeamID = e.Team
	}
	if m := a.Message; m != nil && e.Kind.Subtype == "message_changed" {
		// The words are those of the message that was changed.
		v.TS = m.TS
		v.Provenance = provenance(e, &o, m)
		return m.Text
	}
	v.Provenance = provenance(e, &o, &a)
	if e.Kind.Type == "message" || e.Kind.Type == "app_mention" {
		v.TS = a.TS
	}
	if a.Command != "" && a.Text != "" {
		return a.Command + " " + a.Text
	}
	return a.Text
}

// gapText says what an event of a gap tells.
func gapText(e *event.Event) string {
	g, ok := e.Gap()
	if !ok {
		return ""
	}
	return "Events of Slack's may have been missed from " + Time(g.From) + " to " + Time(g.To) + " (" + g.Kind + "): see " + GapsURI
}

func (v *Event) payload(e *event.Event, limit int) {
	p, err := v.Flags.Payload(e)
	switch {
	case err != nil:
	case limit > 0 && len(p) > limit:
		v.Flags.Add(FlagTruncated)
	default:
		v.Payload = p
	}
}

// GapsURI is the resource of the times in which events may have been missed.
const GapsURI = "slack://gaps"

// EventURI is the resource of one event.
func EventURI(source, id string) string {
	if source == event.SourceSlack {
		return "slack://events/" + Escape(id)
	}
	return "webhook://" + Escape(source) + "/events/" + Escape(id)
}

// Time writes an instant as RFC 3339 in UTC, the zero time as "".
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// ParseEventURI reads what [EventURI] wrote.
func ParseEventURI(uri string) (source, id string, ok bool) {
	if rest, found := strings.CutPrefix(uri, "slack://events/"); found {
		id, err := url.PathUnescape(rest)
		return event.SourceSlack, id, err == nil && id != ""
	}
	rest, found := strings.CutPrefix(uri, "webhook://")
	if !found {
		return "", "", false
	}
	source, id, found = strings.Cut(rest, "/events/")
	if !found {
		return "", "", false
	}
	source, err1 := url.PathUnescape(source)
	id, err2 := url.PathUnescape(id)
	return source, id, err1 == nil && err2 == nil && source != "" && id != ""
}

// Escape writes a value as one step of an address: all but RFC 3986's unreserved
// characters are escaped, as templates of addresses expect.
func Escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + string(digits[c>>4]) + string(digits[c&15]))
	}
	return b.String()
}
