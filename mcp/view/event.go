// Package view is how an assistant sees what came from Slack and from other senders:
// events, messages, people, conversations, files.
//
// All of it was written by others, so each view is an object that says
// "untrusted": true and, for what has an author, where it came from ([Provenance]).
// Every text in it went through [Clean]. Nothing of it is ever put into a description,
// an instruction or an error.
//
// It promises that secrets that an event's body holds are not in a view (see
// event.Sanitize), and that under lockdown no text of an author who is not known to
// belong to the workspace is. It does not judge what a text says: a marker tells a
// model whose words it reads, it cannot make the model heed it.
package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
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
	own := o.home()
	if own.isZero() {
		var i interactionOrigin
		_ = json.Unmarshal(inner, &i) // likewise
		own = newHome(cmp.Or(i.Enterprise.ID, i.Team.EnterpriseID), cmp.Or(i.Team.ID, e.Team))
	}
	if m := a.Message; m != nil && e.Kind.Subtype == "message_changed" {
		// The words are those of the message that was changed.
		v.TS = m.TS
		v.Provenance = provenance(e, own, o.Shared, m)
		return m.Text
	}
	v.Provenance = provenance(e, own, o.Shared, &a)
	if e.Kind.Type == "message" || e.Kind.Type == "app_mention" {
		v.TS = a.TS
	}
	if a.Command != "" && a.Text != "" {
		return a.Command + " " + a.Text
	}
	return a.Text
}

// gapText describes the gap of an event.
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

// Payload returns an event's whole body as JSON that may be shown: without its
// secrets, and every text and name in it cleaned. Of a form that is
// the object in its payload field or, for a slash command, an object of its fields.
func (f *Flags) Payload(e *event.Event) (json.RawMessage, error) {
	raw, err := event.Sanitize(e.Raw, e.Encoding)
	if err != nil {
		return nil, fmt.Errorf("sanitize event: %w", err)
	}
	if e.Encoding == event.Form {
		if raw, err = event.InnerJSON(&event.Event{Encoding: event.Form, Raw: raw}); err != nil {
			return nil, fmt.Errorf("read form: %w", err)
		}
	}
	v, err := decodeJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	return encodeJSON(f.value(v))
}

// JSON cleans the texts and names of any JSON, such as a message's blocks. What is not
// JSON is left out.
func (f *Flags) JSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	v, err := decodeJSON(raw)
	if err != nil {
		return nil
	}
	out, err := encodeJSON(f.value(v))
	if err != nil {
		return nil
	}
	return out
}

func (f *Flags) value(v any) any {
	switch v := v.(type) {
	case string:
		return f.Text(v, MaxText)
	case []any:
		for i := range v {
			v[i] = f.value(v[i])
		}
	case map[string]any:
		for k, item := range v {
			item = f.value(item)
			if clean := f.Name(k); clean != k {
				delete(v, k)
				k = clean
			}
			v[k] = item
		}
	}
	return v
}

func decodeJSON(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func encodeJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// The kinds of authors.
const (
	KindPerson  = "person"
	KindBot     = "bot"     // another app
	KindSelf    = "self"    // our own app
	KindSystem  = "system"  // Slack itself, or this server
	KindService = "service" // a webhook sender that is not Slack
)

// Provenance says whose words a view holds, as far as Slack says. A text with
// neither External nor SameTeam is by an author of whom it is not known.
type Provenance struct {
	// Author is the id of a user or a bot, or the name of a webhook source.
	Author string `json:"author,omitempty"`
	Kind   string `json:"kind"`
	// External reports an author of another organisation.
	External bool `json:"external,omitempty"`
	// SameTeam reports an author of the workspace itself.
	SameTeam bool `json:"same_team,omitempty"`
	// Verified reports that the author's identity is Slack's word (or the sender's own,
	// by its signature) and not a claim of the text.
	Verified bool `json:"verified"`
}

// Inside reports that the words are our own, Slack's or this server's, or those of a person of the
// workspace: what lockdown lets through.
func (p Provenance) Inside() bool {
	return p.Kind == KindSelf || p.Kind == KindSystem || p.Kind == KindPerson && p.SameTeam
}

// origin is what an event's body says about where it happened. Field names are those of
// docs.slack.dev/apis/events-api and docs.slack.dev/reference/interaction-payloads.
type origin struct {
	TeamID         string `json:"team_id"`
	EnterpriseID   string `json:"enterprise_id"`
	Shared         *bool  `json:"is_ext_shared_channel"` // nil where Slack does not say
	Authorizations []struct {
		TeamID       string `json:"team_id"` // null where the app is installed in a whole organisation
		EnterpriseID string `json:"enterprise_id"`
	} `json:"authorizations"`
}

// interactionOrigin is what an interaction has in their place. Its team is null where the app is
// installed in a whole organisation.
type interactionOrigin struct {
	Team struct {
		ID           string `json:"id"`
		EnterpriseID string `json:"enterprise_id"`
	} `json:"team"`
	Enterprise struct {
		ID string `json:"id"`
	} `json:"enterprise"`
}

// A home is the workspaces and the organisation that are ours. The zero value is not known.
type home struct {
	teams        []string
	organisation string
}

func (h home) isZero() bool { return len(h.teams) == 0 && h.organisation == "" }

// has reports that a workspace or an organisation is ours.
func (h home) has(team string) bool {
	return team != "" && (slices.Contains(h.teams, team) || team == h.organisation)
}

// newHome leaves out what is empty.
func newHome(organisation string, teams ...string) home {
	return home{organisation: organisation, teams: slices.DeleteFunc(teams, func(t string) bool { return t == "" })}
}

// home is whose installation the event was sent for. Of an installation in a whole
// organisation the envelope's workspace is one of ours if the organisation is.
func (o *origin) home() home {
	if len(o.Authorizations) == 0 {
		return newHome(o.EnterpriseID, o.TeamID)
	}
	a := o.Authorizations[0]
	if a.TeamID == "" && a.EnterpriseID != "" && a.EnterpriseID == o.EnterpriseID {
		a.TeamID = o.TeamID
	}
	return newHome(a.EnterpriseID, a.TeamID)
}

// author is what the inner event says.
type author struct {
	User       any     `json:"user"` // an id, or in some events the whole user
	BotID      string  `json:"bot_id"`
	Subtype    string  `json:"subtype"`
	Team       any     `json:"team"`
	UserTeam   string  `json:"user_team"`
	SourceTeam string  `json:"source_team"`
	TS         string  `json:"ts"`
	Text       string  `json:"text"`
	Command    string  `json:"command"`
	Message    *author `json:"message"`
}

// team returns the author's workspace or organisation, "" when the event names none.
func (a *author) team() string {
	if u, ok := a.User.(map[string]any); ok && id(u["team_id"]) != "" {
		return id(u["team_id"]) // an interaction's "team" is where it happened
	}
	return cmp.Or(a.UserTeam, a.SourceTeam, id(a.Team))
}

// id reads what Slack writes as an id or as an object that has one.
func id(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		s, _ := v["id"].(string)
		return s
	}
	return ""
}

// provenance judges who wrote an event of Slack's.
func provenance(e *event.Event, h home, shared *bool, a *author) Provenance {
	p := Provenance{Author: e.User, Kind: KindPerson, Verified: true}
	switch {
	case e.FromSelf:
		p.Kind = KindSelf
	case a.BotID != "" || a.Subtype == "bot_message":
		p.Kind = KindBot
		if p.Author == "" {
			p.Author = a.BotID
		}
	case e.User == "":
		p.Kind = KindSystem
	}
	p.SameTeam, p.External = sides(a.team(), h, shared)
	return p
}

// sides compares an author's team with our own. An event of a channel that no other
// organisation shares can only be by one of us, whichever workspace of ours it names. shared
// is nil where that is not known.
func sides(team string, own home, shared *bool) (same, external bool) {
	switch {
	case shared != nil && !*shared, team == "" && shared == nil, own.has(team):
		return true, false
	case team == "", own.isZero():
		return false, false
	case own.organisation != "", strings.HasPrefix(team, "E"):
		return false, false // perhaps another workspace of our organisation, or our organisation itself
	}
	return false, true
}
