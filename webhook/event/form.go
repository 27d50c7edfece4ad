package event

import (
	"bytes"
	"iter"
	"strconv"
)

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

// pairs iterates over the decoded names and values of a form, in their order. What is
// no valid escape stands for itself: a form cannot be wrong.
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
