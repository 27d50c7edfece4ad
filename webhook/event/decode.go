package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// An Envelope is what DecodeSlack reads: the event, and the fields of the outer object that
// decide how it is answered.
type Envelope struct {
	// Event has no ReceivedAt, Position and Retry, which are not in the body.
	Event
	// Type is the outer type: event_callback, url_verification, app_rate_limited, the
	// type of an interaction, slash_command; or empty.
	Type string
	// Challenge is the text with which a url_verification is to be answered.
	Challenge string
}

// DecodeSlack reads the envelope of what Slack posts, and checks that the body is one JSON
// object. It refuses nothing else: any object is an event, {} too. The names of members
// are compared exactly, and of members with the same name the last one counts. A number
// where Slack documents a string is taken as it is written.
//
// In a Form the object is in the field payload (interactivity); without one the form
// itself is the event (a slash command).
//
// The event's Raw is body itself; its other fields are copies. Errors: ErrEmpty,
// ErrNotUTF8, ErrNotJSON, ErrNotObject, ErrTooDeep.
func DecodeSlack(body []byte, enc Encoding) (Envelope, error) {
	if enc == Form {
		return decodeForm(body)
	}
	env, err := decodeObject(body)
	if err != nil {
		return Envelope{}, err
	}
	env.seal(body, JSON)
	return env, nil
}

// seal fills in the fields that every event of Slack has.
func (e *Envelope) seal(body []byte, enc Encoding) {
	e.Source, e.Raw, e.Encoding = SourceSlack, body, enc
	if e.ID == "" {
		e.ID = DerivedID(SourceSlack, body)
	}
	if e.Kind.Type == "" {
		e.Kind.Type = Unknown
	}
}

// DerivedID returns the id of a delivery that names none: a hash of its source and
// body, so that the same body of the same source is the same delivery.
func DerivedID(source string, body []byte) string {
	h := sha256.New()
	_, _ = io.WriteString(h, source) // a hash never fails
	h.Write([]byte{0})               // no source has a NUL: "a"+"bc" is not "ab"+"c"
	h.Write(body)
	var sum [sha256.Size]byte
	return "sha256-" + hex.EncodeToString(h.Sum(sum[:0]))
}

// decodeObject reads one JSON object.
func decodeObject(body []byte) (Envelope, error) {
	v, err := read(body, ofEnvelope)
	if err != nil {
		return Envelope{}, err
	}
	if v.Kind() != '{' {
		return Envelope{}, ErrNotObject
	}
	root := v.members
	inner := root.object("event")
	var env Envelope
	env.Type = string(root.text("type"))
	if challenge := root.get("challenge"); challenge.Kind() == '"' {
		env.Challenge = string(unquote(challenge.Value))
	}
	env.ID = string(root.text("event_id"))
	for _, at := range [...][]byte{ // The first has microseconds.
		inner.text("event_ts"), inner.text("ts"), root.text("action_ts"), root.text("event_time"), root.text("minute_rate_limited"),
	} {
		if env.At = seconds(at); !env.At.IsZero() {
			break
		}
	}
	env.ChannelType = string(inner.text("channel_type"))
	callback := env.Type == "event_callback"
	env.Kind.Type = env.Type
	if callback {
		env.Kind = Kind{Type: string(inner.text("type")), Subtype: string(inner.text("subtype"))}
	}
	env.locate(root, inner, callback)
	return env, nil
}

// ofEnvelope says what decodeObject reads of a body: fields of the outer object, of the
// event, and of objects within these.
func ofEnvelope(name []byte) bool {
	switch string(name) {
	case "type", "subtype", "challenge", "event_id", "api_app_id", "app_id", "event_type", "id", "is_bot", // fields
		"event_time", "minute_rate_limited", "ts", "event_ts", "action_ts", "message_ts", "thread_ts",
		"team_id", "channel_id", "new_channel_id", "channel_type", "user_id", "actor_id", "creator", "created_by", "updated_by",
		"team", "channel", "user", "actor", "accepting_user", "approving_user", "declining_user", "inviting_user", // ids, or objects that have one
		"event", "item", "assistant_thread", "message", "previous_message", "container", "bot_profile", "metadata", "subteam", "invite", "app_request", "invite_request", // objects
		"authorizations", "requester_ids", "0": // and the first of these
		return true
	}
	return false
}

// locate fills in where an event happened and who caused it. Each field has several
// places in Slack's envelopes; the first of them that has a text counts.
func (e *Envelope) locate(root, inner object, callback bool) {
	item, assistant := inner.object("item"), inner.object("assistant_thread")
	changed, deleted := inner.object("message"), inner.object("previous_message")
	container, clicked := root.object("container"), root.object("message")
	auth := root.get("authorizations").members.object("0")

	e.Team = first(root.text("team_id"), root.id("team"), auth.text("team_id"))
	e.Channel = first(inner.id("channel"), inner.text("channel_id"), inner.text("new_channel_id"), item.text("channel"),
		assistant.text("channel_id"), root.id("channel"), container.text("channel_id"))
	e.User = first(inner.id("user"), inner.text("user_id"), changed.text("user"), deleted.text("user"),
		assistant.text("user_id"), root.id("user"))
	if e.User == "" {
		e.User = doer(inner)
	}
	if callback && (e.Kind.Type == "message" || e.Kind.Type == "app_mention") {
		// A message that was changed is in the thread of its present text; the ts of the
		// notice itself names no thread.
		e.Thread = first(inner.text("thread_ts"), changed.text("thread_ts"), changed.text("ts"),
			deleted.text("thread_ts"), deleted.text("ts"), inner.text("ts"))
	} else {
		// A reaction, a pin or a click belongs to the message that it was done to. Slack
		// does not say whether that message is in a thread. A reader that waits for a
		// reaction to a message which it knows finds it by that message's own ts.
		marked := item.object("message") // of a pin or a star
		e.Thread = first(inner.text("thread_ts"), item.text("thread_ts"), item.text("ts"), marked.text("thread_ts"), marked.text("ts"),
			assistant.text("thread_ts"), instant(inner.text("message_ts")), container.text("thread_ts"),
			clicked.text("thread_ts"), container.text("message_ts"), clicked.text("ts"), root.text("message_ts"))
	}
	e.FromSelf = callback && fromSelf(root.text("api_app_id"), auth, inner, changed, deleted)
}

// doer returns who caused an event that names its user otherwise than most events do.
func doer(inner object) string {
	group, invite := inner.object("subteam"), inner.object("invite")
	return first(inner.text("actor_id"), inner.id("actor"), inner.object("channel").text("creator"),
		group.text("updated_by"), group.text("created_by"),
		inner.id("accepting_user"), inner.id("approving_user"), inner.id("declining_user"), invite.id("inviting_user"),
		inner.object("app_request").id("user"), inner.object("invite_request").get("requester_ids").members.text("0"))
}

// instant returns a ts, and nothing in place of another text: of a link that is not posted
// yet Slack names the composer in place of a message.
func instant(ts []byte) []byte {
	if len(bytes.Trim(ts, "0123456789.")) > 0 {
		return nil
	}
	return ts
}

// first returns a copy of the first text that is not empty.
func first(texts ...[]byte) string {
	for _, text := range texts {
		if len(text) > 0 {
			return string(text)
		}
	}
	return ""
}

// id returns the field of a member that is an id, or an object which has one.
func (o object) id(name string) []byte {
	if v := o.get(name); v.Kind() == '{' {
		return v.members.text("id")
	}
	return o.text(name)
}

// fromSelf reports whether our own app caused the event. Slack reports that our bot joined
// or left a channel as the bot's doing, although the person did it who invited or removed
// the bot; an app wants to know of it, so it is never the app's own.
func fromSelf(app []byte, auth, inner, changed, deleted object) bool {
	switch string(inner.text("type")) {
	case "member_joined_channel", "member_left_channel":
		return false
	}
	var bot []byte
	if auth.get("is_bot").Kind() == 't' {
		bot = auth.text("user_id")
	}
	is := func(id, known []byte) bool { return len(known) > 0 && bytes.Equal(id, known) }
	for _, message := range [...]object{inner, changed, deleted} {
		by := [...][]byte{message.text("app_id"), message.object("bot_profile").text("app_id")}
		if is(by[0], app) || is(by[1], app) || is(message.text("user"), bot) || marked(message, len(by[0])+len(by[1]) > 0 && len(app) > 0) {
			return true
		}
	}
	return is(inner.id("user"), bot) || is(inner.text("user_id"), bot)
}

// AssistantMark is the type of the metadata of what this program posts in a person's name.
const AssistantMark = "slack_webhook_server_assistant"

// marked reports the mark of an assistant on a message in a person's name that no other app is known to
// have written. Apps alone can put metadata on a message: no person's words have the mark by accident, and an
// app that forges it makes only what it wrote itself count less.
func marked(message object, foreign bool) bool {
	return !foreign && len(message.text("user")) > 0 && string(message.object("metadata").text("event_type")) == AssistantMark
}

// seconds reads a Unix time as Slack writes it, "1595926230.009600" or 1595926230;
// for everything else it returns the zero time.
func seconds(s []byte) time.Time {
	const longest = 11 // digits; the year 5138 is far enough
	var sec, nano, scale int64
	for i, c := range s {
		switch {
		case c == '.' && scale == 0 && i > 0:
			scale = 1_000_000_000
		case c < '0' || c > '9', scale == 0 && i >= longest, scale == 1:
			return time.Time{}
		case scale == 0:
			sec = sec*10 + int64(c-'0')
		default:
			scale /= 10
			nano += int64(c-'0') * scale
		}
	}
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, nano).UTC()
}

// DecodeCommand reads a slash command that came as a JSON object of its fields: Socket Mode
// sends it so, where HTTP sends a form. Errors are those of [DecodeSlack].
func DecodeCommand(body []byte) (Envelope, error) {
	env, err := DecodeSlack(body, JSON)
	if err != nil {
		return env, err
	}
	texts := []string{"command", "text", "user_id", "user_name", "channel_id", "channel_name", "team_id", "thread_ts"}
	fields := parse(body, func(name []byte) bool { return slices.Contains(texts, string(name)) })
	for _, name := range texts {
		if v := fields.get(name); v.Value != nil && v.Kind() != '"' && v.Kind() != 'n' {
			return env, fmt.Errorf("%w: a field of the command is no text", ErrNotJSON)
		}
	}
	env.Type, env.Kind = SlashCommand, Kind{Type: SlashCommand}
	env.Team, env.Channel = string(fields.text("team_id")), string(fields.text("channel_id"))
	env.User, env.Thread = string(fields.text("user_id")), string(fields.text("thread_ts"))
	return env, nil
}

// SlashCommand is the Kind's type of a slash command: its form names none.
const SlashCommand = "slash_command"

// decodeForm reads what Slack posts as a form: an interaction's object in payload, or
// a slash command's fields.
func decodeForm(body []byte) (Envelope, error) {
	if err := readable(body); err != nil {
		return Envelope{}, err
	}
	var env Envelope
	if payload, ok := FormValue(body, "payload"); ok {
		var err error
		if env, err = decodeObject(payload); err != nil {
			return Envelope{}, err
		}
		env.seal(body, Form)
		return env, nil
	}
	for name, value := range Pairs(body) {
		switch v := field(value); string(name) {
		case "command":
			env.Type = SlashCommand
			env.Kind.Type = SlashCommand
		case "team_id":
			env.Team = v
		case "channel_id":
			env.Channel = v
		case "user_id":
			env.User = v
		case "thread_ts":
			env.Thread = v
		}
	}
	env.seal(body, Form)
	return env, nil
}

func field(b []byte) string {
	if len(b) > maxField {
		return ""
	}
	return string(b)
}

// FormValue returns the last value that a form has under a name, decoded.
func FormValue(form []byte, name string) (value []byte, ok bool) {
	for n, v := range Pairs(form) {
		if string(n) == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// Pairs iterates over the decoded names and values of a form, in their order. Bytes that
// are no valid escape stay as they are: every text is a form.
func Pairs(form []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for pair := range bytes.SplitSeq(form, []byte("&")) {
			if len(pair) == 0 {
				continue
			}
			name, value, _ := bytes.Cut(pair, []byte("="))
			if !yield(formDecode(name), formDecode(value)) {
				return
			}
		}
	}
}

// formDecode resolves the escapes of a name or a value. It returns b itself when
// there are none.
func formDecode(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '+') < 0 {
		return b
	}
	dst := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch c, ok := percent(b[i:]); {
		case ok:
			dst = append(dst, c)
			i += 2
		case b[i] == '+':
			dst = append(dst, ' ')
		default:
			dst = append(dst, b[i])
		}
	}
	return dst
}

// percent returns the byte of the escape that b begins with.
func percent(b []byte) (c byte, ok bool) {
	if len(b) < 3 || b[0] != '%' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b[1:3]), 16, 8)
	return byte(v), err == nil
}

// What the functions of this package refuse to read. The errors hold no part of the body.
var (
	// ErrEmpty says that the body has no bytes but white space.
	ErrEmpty = errors.New("body is empty")
	// ErrNotUTF8 says that the body is not UTF-8, which RFC 8259 asks for.
	ErrNotUTF8 = errors.New("body is not UTF-8")
	// ErrNotJSON says that the body is not one JSON value.
	ErrNotJSON = errors.New("body is not JSON")
	// ErrNotObject says that the body is JSON, but no object.
	ErrNotObject = errors.New("body is not a JSON object")
	// ErrTooDeep says that arrays and objects are nested more than 10,000 deep, which is
	// also the most that encoding/json reads.
	ErrTooDeep = errors.New("body is nested too deep")
)

// newDecoder returns a decoder that reads a text where it lies and never writes to it. Two
// members may have the same name, and a string may have half of a surrogate pair: both are
// valid in RFC 8259.
func newDecoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// readable returns ErrEmpty or ErrNotUTF8 for a body that is neither JSON nor a form.
func readable(body []byte) error {
	if len(body) > 0 && !utf8.Valid(body) {
		return ErrNotUTF8
	}
	if len(bytes.Trim(body, " \t\r\n")) == 0 {
		return ErrEmpty
	}
	return nil
}

// read opens a body in one pass. Errors: ErrEmpty, ErrNotUTF8, ErrNotJSON, ErrTooDeep.
func read(body []byte, want wanted) (value, error) {
	if err := readable(body); err != nil {
		return value{}, err
	}
	d := newDecoder(body)
	v, err := open(d, body, want)
	if err != nil {
		if strings.Contains(err.Error(), "exceeded max depth") { // jsontext exports no error for it
			return value{}, ErrTooDeep
		}
		return value{}, ErrNotJSON
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return value{}, ErrNotJSON
	}
	return v, nil
}

// EncodingOf returns how the body of a source other than Slack is written: JSON when it is
// any JSON value, and otherwise Form, whatever its media type says. Errors: ErrEmpty,
// ErrNotUTF8, ErrTooDeep.
func EncodingOf(body []byte) (Encoding, error) {
	_, err := read(body, nothing)
	if errors.Is(err, ErrNotJSON) {
		return Form, nil
	}
	return JSON, err
}

// A value is a part of a text that was read without an error, and shares its bytes.
type value struct {
	jsontext.Value
	// members are the wanted ones of an object, in their order, and the wanted elements of
	// an array under their indices.
	members object
}

type object []member

type member struct {
	name []byte // without quotes and escapes
	value
}

// wanted says which members and elements are kept, by their names and indices.
type wanted func(name []byte) bool

func nothing([]byte) bool { return false }

// parse returns the wanted members of a valid JSON object, and none of any other value.
func parse(v jsontext.Value, want wanted) object {
	if v.Kind() != '{' {
		return nil
	}
	o, _ := open(newDecoder(v), v, want) // v was read without an error.
	return o.members
}

// open reads the next value of a text. What is wanted of an object or an array is opened in
// turn; the rest is only checked.
func open(d *jsontext.Decoder, text []byte, want wanted) (value, error) {
	kind := d.PeekKind()
	if kind != '{' && kind != '[' {
		v, err := readValue(d, text)
		return value{Value: v}, err
	}
	if _, err := d.ReadToken(); err != nil {
		return value{}, err
	}
	begin := d.InputOffset() - 1
	var kept object
	if kind == '{' {
		kept = make(object, 0, 8) // An envelope has about as many that are wanted.
	}
	for i := 0; more(d); i++ {
		name, err := nameOf(d, text, kind, i)
		if err != nil {
			return value{}, err
		}
		if !want(name) {
			_, err = d.ReadValue()
		} else {
			kept = append(kept, member{name: name})
			kept[len(kept)-1].value, err = open(d, text, want)
		}
		if err != nil {
			return value{}, err
		}
	}
	_, err := d.ReadToken()
	return value{text[begin:d.InputOffset()], kept}, err
}

// nameOf reads the name of the next member of an object; that of an array's element is its
// index.
func nameOf(d *jsontext.Decoder, text []byte, kind jsontext.Kind, i int) ([]byte, error) {
	if kind == '[' {
		return strconv.AppendInt(nil, int64(i), 10), nil
	}
	quoted, err := readValue(d, text)
	if err != nil {
		return nil, err
	}
	return unquote(quoted), nil
}

// more reports whether an object or an array has another member or element.
func more(d *jsontext.Decoder) bool {
	k := d.PeekKind()
	return k != '}' && k != ']' && k != jsontext.KindInvalid
}

// readValue reads the next value of a text and returns it as a part of the text, which
// stays valid when the decoder goes on.
func readValue(d *jsontext.Decoder, text []byte) (jsontext.Value, error) {
	v, err := d.ReadValue()
	end := int(d.InputOffset())
	return text[end-len(v) : end], err
}

// get returns the value of the last member with a name, or the zero value when there is none.
func (o object) get(name string) (last value) {
	for i := range o {
		if string(o[i].name) == name {
			last = o[i].value
		}
	}
	return last
}

// object returns the members of the object that a member is.
func (o object) object(name string) object {
	if v := o.get(name); v.Kind() == '{' {
		return v.members
	}
	return nil
}

// maxField is the length in bytes of the longest field that is taken from an envelope.
// Slack's ids have a dozen characters. A longer field counts as absent, so that the keys of
// a store stay small.
const maxField = 512

// text returns the text of a member that is a string, or a number as it is written. It returns
// nil for any other value and for a text that is longer than maxField.
func (o object) text(name string) []byte {
	v := o.get(name)
	text := []byte(v.Value)
	if v.Kind() == '"' {
		text = unquote(v.Value)
	} else if v.Kind() != '0' {
		return nil
	}
	if len(text) > maxField {
		return nil
	}
	return text
}

// unquote returns the text of a valid JSON string. It shares the bytes of the string when
// that has no escapes.
func unquote(s jsontext.Value) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, s) // The error only says that half a surrogate pair became U+FFFD.
	return text
}
