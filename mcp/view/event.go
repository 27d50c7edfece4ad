// Package view is how an assistant sees what came from Slack and from other senders:
// events, messages, people, conversations, files.
//
// All of it was written by others, so a result that holds views says so once, at its top ([Mark]),
// and what has an author says where it came from ([Provenance]) unless that is a plain colleague.
// Every text in it went through [Clean]. Nothing of it is ever put into a description,
// an instruction or an error.
//
// It promises that secrets that an event's body holds are not in a view (see
// event.Sanitize), and that under lockdown no text of an author who is not known to
// belong to the workspace is: every view is made by a [Reading], which asks a [Judge] about
// each text's own author, and of payloads shows what a list of fields allows. It does not
// judge what a text says: a marker tells a model whose words it reads, it cannot make the
// model heed it.
package view

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// Missing tells the reader of a page that events are missing from it: because the store is damaged, or
// because it is not known whether the reader may see them. It is "" when none is.
func Missing(p event.Page) string {
	note := ""
	if p.Unreadable != 0 {
		note = fmt.Sprintf("The store is damaged: %d of its events cannot be read and are in no list. The operator can see this in the server's health and repair it.", p.Unreadable)
	}
	if p.Unjudged {
		note = strings.TrimSpace(note + " Of some conversations Slack has not said yet whether you may see them: their events are left out. Ask again in a minute.")
	}
	return note
}

// ListQuestion is what the cursors of a list of events are bound to: which events it is about, and the order.
func ListQuestion(q *event.Query) []string {
	f := &q.Filter
	source := f.Source
	if f.Channel+f.Thread != "" {
		source = event.SourceSlack // where else
	}
	query := ""
	if f.Text != nil {
		query = f.Text.Query
	}
	question := []string{"slack_list_events", source, f.Channel, f.Thread, f.User, query, strconv.Itoa(int(q.Order))}
	for _, p := range f.Patterns {
		question = append(question, p.String())
	}
	return question
}

// An Event is one received event as an assistant sees it.
type Event struct {
	EventID     string            `json:"event_id"`
	Source      string            `json:"source,omitempty" doc:"slack when absent"`
	Type        string            `json:"type,omitempty" doc:"message when absent"`
	Subtype     string            `json:"subtype,omitempty"`
	Types       []string          `json:"types,omitempty" doc:"both, of a message that mentions the app"`
	Team        string            `json:"team,omitempty"`
	Time        string            `json:"time,omitempty" doc:"in a list without the day where it is that of the row above"`
	Channel     string            `json:"channel,omitempty"`
	ChannelName string            `json:"channel_name,omitempty"`
	ChannelType string            `json:"channel_type,omitempty"`
	User        string            `json:"user,omitempty"`
	UserName    string            `json:"user_name,omitempty"`
	TS          string            `json:"ts,omitempty" doc:"of the message that the event is, or is about"`
	ThreadTS    string            `json:"thread_ts,omitempty"`
	Text        string            `json:"text,omitempty"`
	Files       []FileRef         `json:"files,omitempty" opaque:"1" doc:"id, name, mimetype, size"`
	More        string            `json:"more,omitempty" doc:"not in text; detailed has it"`
	Provenance  Provenance        `json:"provenance,omitzero" opaque:"1" doc:"kind, external, same_team, guest; absent: a full member of our own workspace"`
	HappenedAt  string            `json:"happened_at,omitempty"`
	ReceivedAt  string            `json:"received_at,omitempty"`
	URI         string            `json:"uri,omitempty" doc:"resource with the whole event"`
	Flags       Flags             `json:"flags,omitempty"`
	Headers     map[string]string `json:"headers,omitempty" doc:"of the delivery, those that its source keeps"`
	Payload     json.RawMessage   `json:"payload,omitempty"`
}

// EventOptions say how much of an event is shown.
type EventOptions struct {
	// MaxText bounds the text, in characters; 0 is [MaxText].
	MaxText int
	// Concise leaves out what follows from the event's id, its sender and its time.
	Concise bool
	// Payload adds the body, unless it is longer than MaxPayload bytes, or was four times as
	// long before it was cleaned (0 is no bound): the whole of it or, under lockdown, what
	// passes of it.
	Payload    bool
	MaxPayload int
}

// Event shows an event. What cannot be read of its body is left out: an event is
// never refused.
func (r *Reading) Event(e *event.Event, o EventOptions) Event {
	id := r.eventID(e.ID)
	v := Event{
		Source: e.Source, URI: EventURI(e.Source, id),
		ReceivedAt: Time(e.ReceivedAt), HappenedAt: Time(e.At),
	}
	if v.Time = r.Clock(e.At); v.Time == "" {
		v.Time = r.Clock(e.ReceivedAt)
	}
	// Senders choose ids as they please; without lockdown the URI finds the event all the same.
	v.EventID, v.Team, v.Channel = v.Flags.Name(id), r.ID(e.Team, &v.Flags), r.ID(e.Channel, &v.Flags)
	v.User, v.ThreadTS = r.ID(e.User, &v.Flags), r.ID(e.Thread, &v.Flags)
	v.Type, v.Subtype = r.ID(e.Kind.Type, &v.Flags), r.ID(e.Kind.Subtype, &v.Flags)
	v.ChannelType = r.ID(e.ChannelType, &v.Flags)
	if e.Filled() {
		v.Flags.Add(FlagFilled)
	}
	switch e.Source {
	case event.SourceSlack:
		r.happened(&v, e, o)
	case event.SourceGaps:
		v.Provenance = Provenance{Author: e.Source, Kind: KindSystem, Verified: true}
		v.Text = v.Flags.Text(gapText(e), cmp.Or(o.MaxText, MaxText))
		v.payload(e, o)
	default:
		v.Provenance = Provenance{Author: e.Source, Kind: KindService, External: true, Verified: true}
		if r.Lockdown() && o.Payload {
			v.Flags.Add(FlagWithheld)
		} else {
			v.payload(e, o)
			v.headers(e, o)
		}
	}
	if v.ThreadTS = threadOf(v.TS, v.ThreadTS); o.Concise {
		v.trim()
	}
	return v
}

// headers puts in the headers that the source keeps, beside a payload.
func (v *Event) headers(e *event.Event, o EventOptions) {
	if !o.Payload || e.Headers == "" {
		return
	}
	v.Headers = map[string]string{}
	for name, value := range e.Headers.All() {
		v.Headers[name] = v.Flags.Text(value, event.MaxHeaderValue)
	}
}

// trim leaves out what a reader does without.
func (v *Event) trim() {
	v.Provenance.by(v.User, v.Source)
	v.Team, v.ChannelType, v.URI, v.HappenedAt, v.ReceivedAt = "", "", "", "", ""
	if v.Source == event.SourceSlack {
		v.Source = ""
	}
	if v.Subtype == "bot_message" {
		v.Subtype = ""
	}
	if v.Type == typeMessage && v.Source == "" {
		v.Type = ""
	}
}

// eventID is an event's id as it is shown. Lockdown shows the hash of one that may be a sentence;
// such an event is found in lists alone.
func (r *Reading) eventID(id string) string {
	if !r.Lockdown() || identifier.MatchString(strings.NewReplacer("+", "", "=", "").Replace(id)) { // both stand in Base64
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ID shows an id, a type or another word for programs: who chose it may have filled it with words
// for people, which lockdown withholds.
func (r *Reading) ID(s string, f *Flags) string {
	if r.Lockdown() && !identifier.MatchString(s) {
		f.Add(FlagWithheld)
		return ""
	}
	return f.Name(s)
}

// happened puts in what an event of Slack's says.
func (r *Reading) happened(v *Event, e *event.Event, o EventOptions) {
	h := open(e)
	subject, a, s := h.subject(e)
	var passes bool
	v.Provenance, passes = r.author(a, &s)
	v.Provenance.Author = r.ID(v.Provenance.Author, &v.Flags)
	if v.UserName = r.personName(e.User, &v.Flags); v.UserName != "" {
		r.naming.authors[e.User] = true
	} else if e.User == "" && isMessage(e) && passes {
		v.UserName = r.signature(subject, &v.Flags)
	}
	v.ChannelName = r.placeName(e.Channel, &v.Flags)
	if v.Provenance.Kind == KindUnknown && !isMessage(e) {
		v.Provenance.Kind = KindSystem
		v.Provenance.SameTeam, v.Provenance.External = s.sides("")
	}
	v.Provenance.Another = v.Provenance.Kind == KindPerson && v.Provenance.Author != v.User
	var said, more string
	if tell := r.telling(h, e, &v.Flags); isMessage(e) {
		v.TS = subject.TS
		said, more = r.words(subject, &a, passes, &s, &v.Flags)
		said += tell.announced(subject)
		v.Files = r.fileRefs(subject.Files, &v.Flags)
	} else {
		v.TS = tell.messageTS()
		said = r.text(h, tell, passes, &v.Flags)
	}
	v.Text = v.Flags.Text(r.Mentions(said, &v.Flags), cmp.Or(o.MaxText, MaxText))
	switch {
	case !o.Payload:
		v.More = more
	case o.tooLong(e):
		v.Flags.Add(FlagTruncated)
	case r.Lockdown():
		v.bounded(r.rebuilt(e, h, &v.Flags), o.MaxPayload)
	default:
		v.payload(e, o)
	}
}

// Passes reports whether the words of the one who wrote an event's message, or caused the event,
// are shown.
func (r *Reading) Passes(e *event.Event) bool {
	_, a, s := open(e).subject(e)
	_, passes := r.author(a, &s)
	return passes
}

// isMessage reports an event that tells of a message.
func isMessage(e *event.Event) bool { return e.Kind.Type == "message" || e.Kind.Type == "app_mention" }

// text is what passes of the words of an event that is no message: a command, what is told of it, or
// of an unknown type the text that it has.
func (r *Reading) text(h *happening, tell *telling, passes bool, f *Flags) string {
	switch told := tell.words(); {
	case h.Command != "" && h.Words == "":
		return r.ID(h.Command, f)
	case h.Command != "" && passes:
		return h.Command + " " + h.Words
	case h.Command != "":
		f.Add(FlagWithheld)
		return r.ID(h.Command, f)
	case told != "" || r.Lockdown():
		return told // a field of the name text is listed for no other type
	}
	return wordsOf(&h.message).String()
}

// A happening is what an event of Slack's tells: of a message, or of what a user did.
type happening struct {
	Command string            `json:"command"`
	Words   string            `json:"text"`
	Actor   json.RawMessage   `json:"user"` // an id, or in some events the whole user
	Changed *slackapi.Message `json:"message"`
	Former  *slackapi.Message `json:"previous_message"`
	// Original is the message of an attachment's button.
	Original *slackapi.Message `json:"original_message"`
	Deleted  string            `json:"deleted_ts"`
	FileID   string            `json:"file_id"` // of what happened to a file

	raw     []byte
	message slackapi.Message // the event itself, as a message
	deleted *slackapi.Message
	scene   scene
}

// open reads an event of Slack's. What Slack writes otherwise than documented is as if it were
// absent.
func open(e *event.Event) *happening {
	h := &happening{}
	raw, err := event.InnerJSON(e)
	if err != nil {
		raw = nil
	}
	h.raw, h.scene = raw, sceneOf(e, raw)
	_ = json.Unmarshal(raw, h)
	_ = json.Unmarshal(raw, &h.message)
	h.message.User, h.message.Channel = e.User, e.Channel
	for _, m := range []*slackapi.Message{h.Changed, h.Former, h.Original, h.message.Root} {
		if m != nil {
			m.Channel = e.Channel
		}
	}
	return h
}

// actor is who caused the event.
func (h *happening) actor(e *event.Event) author {
	a := authorOf(&h.message)
	a.self = e.FromSelf
	var user struct {
		Team string `json:"team_id"`
	}
	if _ = json.Unmarshal(h.Actor, &user); user.Team != "" { // an id has no team
		a.team = user.Team // an interaction's "team" is where it happened
	}
	return a
}

// subject is the message that an event is about, with its author: of a change the message as it is
// now, of a deletion the one that is gone. Where an event is about no message, it is what
// the one who caused it did.
func (h *happening) subject(e *event.Event) (*slackapi.Message, author, scene) {
	m, s := h.Changed, h.scene.quoted()
	switch {
	case e.Kind.Type == "message" && m != nil:
	case e.Kind.Subtype == "message_deleted":
		if m, s.former = h.Former, true; m == nil {
			m = &slackapi.Message{}
		}
		m.TS = cmp.Or(h.Deleted, m.TS)
		h.deleted = m
	default:
		if isMessage(e) {
			return &h.message, h.actor(e), h.scene
		}
		h.message.Subtype = ""
		a := h.actor(e)
		if a.ts, a.files = "", nil; h.FileID != "" {
			a.files = []slackapi.File{{ID: h.FileID}}
		}
		return &h.message, a, h.scene
	}
	a := authorOf(m)
	a.self = e.FromSelf
	return m, a, s
}

// gapText describes the gap of an event.
func gapText(e *event.Event) string {
	g, ok := e.Gap()
	if !ok {
		return ""
	}
	return "Events of Slack's may have been missed from " + Time(g.From) + " to " + Time(g.To) + " (" + g.Kind + "): see " + GapsURI
}

// payload puts in the whole body.
func (v *Event) payload(e *event.Event, o EventOptions) {
	if !o.Payload {
		return
	}
	if o.tooLong(e) {
		v.Flags.Add(FlagTruncated)
		return
	}
	if p, err := v.Flags.Payload(e); err == nil {
		v.bounded(p, o.MaxPayload)
	}
}

// wrapping is how many times as long as its payload a body may be, with space, secrets and
// the escapes of a form.
const wrapping = 4

// tooLong reports a body that is not worth decoding, which takes many times its length: its
// payload would be too long.
func (o *EventOptions) tooLong(e *event.Event) bool {
	return o.MaxPayload > 0 && len(e.Raw) > wrapping*o.MaxPayload
}

// bounded puts a payload in that is not too long.
func (v *Event) bounded(p json.RawMessage, limit int) {
	if limit > 0 && len(p) > limit {
		v.Flags.Add(FlagTruncated)
		return
	}
	v.Payload = p
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
