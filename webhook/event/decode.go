package event

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

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
	root, err := read(body)
	if err != nil {
		return Envelope{}, err
	}
	if jsontext.Value(body).Kind() != '{' {
		return Envelope{}, ErrNotObject
	}
	inner := root.object("event")
	var env Envelope
	env.Type = root.text("type")
	if challenge := root.get("challenge"); challenge.Kind() == '"' {
		env.Challenge = string(unquote(challenge))
	}
	env.ID = root.text("event_id")
	for _, at := range [...]string{ // The first has microseconds.
		inner.text("event_ts"), inner.text("ts"), root.text("action_ts"), root.text("event_time"), root.text("minute_rate_limited"),
	} {
		if env.At = seconds(at); !env.At.IsZero() {
			break
		}
	}
	env.ChannelType = inner.text("channel_type")
	callback := env.Type == "event_callback"
	env.Kind.Type = env.Type
	if callback {
		env.Kind = Kind{Type: inner.text("type"), Subtype: inner.text("subtype")}
	}
	env.locate(root, inner, callback)
	return env, nil
}

// locate fills in where an event happened and who caused it. Each field has several
// places in Slack's envelopes; the first of them that has a text counts.
func (e *Envelope) locate(root, inner object, callback bool) {
	item, assistant := inner.object("item"), inner.object("assistant_thread")
	changed, deleted := inner.object("message"), inner.object("previous_message")
	container, clicked := root.object("container"), root.object("message")
	auth := parse(element(root.get("authorizations"), "0"))

	e.Team = cmp.Or(root.text("team_id"), root.id("team"), auth.text("team_id"))
	e.Channel = cmp.Or(inner.id("channel"), inner.text("channel_id"), item.text("channel"),
		assistant.text("channel_id"), root.id("channel"), container.text("channel_id"))
	e.User = cmp.Or(inner.id("user"), inner.text("user_id"), changed.text("user"), deleted.text("user"),
		assistant.text("user_id"), root.id("user"))
	if callback && (e.Kind.Type == "message" || e.Kind.Type == "app_mention") {
		// A message that was changed is in the thread of its present text; the ts of the
		// notice itself names no thread.
		e.Thread = cmp.Or(inner.text("thread_ts"), changed.text("thread_ts"), changed.text("ts"),
			deleted.text("thread_ts"), deleted.text("ts"), inner.text("ts"))
	} else {
		// A reaction, a pin or a click belongs to the message that it was done to. Slack
		// does not say whether that message is in a thread. A reader that waits for a
		// reaction to a message which it knows finds it by that message's own ts.
		e.Thread = cmp.Or(inner.text("thread_ts"), item.text("thread_ts"), item.text("ts"),
			assistant.text("thread_ts"), inner.text("message_ts"), container.text("thread_ts"),
			clicked.text("thread_ts"), container.text("message_ts"), clicked.text("ts"), root.text("message_ts"))
	}
	e.FromSelf = callback && fromSelf(root.text("api_app_id"), auth, inner, changed, deleted)
}

// id returns the field of a member that is an id, or an object which has one.
func (o object) id(name string) string {
	v := o.get(name)
	if v.Kind() == '{' {
		return parse(v).text("id")
	}
	return o.text(name)
}

// fromSelf reports whether our own app caused the event. Slack reports that our bot joined
// or left a channel as the bot's doing, although the person did it who invited or removed
// the bot; an app wants to know of it, so it is never the app's own.
func fromSelf(app string, auth, inner, changed, deleted object) bool {
	switch inner.text("type") {
	case "member_joined_channel", "member_left_channel":
		return false
	}
	bot := ""
	if auth.get("is_bot").Kind() == 't' {
		bot = auth.text("user_id")
	}
	for _, message := range [...]object{inner, changed, deleted} {
		if app != "" && (message.text("app_id") == app || message.object("bot_profile").text("app_id") == app) {
			return true
		}
		if bot != "" && message.text("user") == bot {
			return true
		}
	}
	return bot != "" && (inner.id("user") == bot || inner.text("user_id") == bot)
}

// seconds reads a Unix time as Slack writes it, "1595926230.009600" or 1595926230;
// for everything else it returns the zero time.
func seconds(s string) time.Time {
	const longest = 11 // digits; the year 5138 is far enough
	var sec, nano, scale int64
	for i, c := range []byte(s) {
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
	fields := parse(body)
	for _, name := range []string{"command", "text", "user_id", "user_name", "channel_id", "channel_name", "team_id", "thread_ts"} {
		if v := fields.get(name); v != nil && v.Kind() != '"' && v.Kind() != 'n' {
			return env, fmt.Errorf("%w: a field of the command is no text", ErrNotJSON)
		}
	}
	env.Type, env.Kind = SlashCommand, Kind{Type: SlashCommand}
	env.Team, env.Channel, env.User, env.Thread = fields.text("team_id"), fields.text("channel_id"), fields.text("user_id"), fields.text("thread_ts")
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
	for name, value := range pairs(body) {
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
	for n, v := range pairs(form) {
		if string(n) == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// pairs iterates over the decoded names and values of a form, in their order. Bytes that
// are no valid escape stay as they are: every text is a form.
func pairs(form []byte) iter.Seq2[[]byte, []byte] {
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
