package event

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Sanitize returns what may be shown of an event's Raw bytes: every member whose value
// would let a reader act in the name of an app or a person is left out, at any depth, in
// forms and in the payload of a form too. All else is as it was, byte for byte: numbers
// keep their digits, and space stays. It returns raw itself when there is nothing to leave
// out.
//
// Members are left out by their names; secretNames lists them. The text of a message is
// not changed. Errors are those of DecodeSlack without ErrNotObject: a body that cannot be
// read cannot be shown.
func Sanitize(raw []byte, enc Encoding) ([]byte, error) {
	if enc == Form {
		return sanitizeForm(raw)
	}
	return sanitizeJSON(raw)
}

// Whole returns the body that the operator's own programs are given: rules, commands, receivers. It
// is the body as it came, with everything that its sender calls a token, a secret or a password; only
// what Slack posts, to this app or to another one, is without the credentials of apps. To show an
// event, use [Sanitize]. Errors are those of Sanitize.
func (e *Event) Whole() ([]byte, error) {
	if e.Source == SourceSlack || e.ofSlackApp() {
		return Sanitize(e.Raw, e.Encoding)
	}
	return e.Raw, nil
}

// ofSlackApp reports whether a body is what Slack posts to an app: all of them name it.
func (e *Event) ofSlackApp() bool {
	app := Path{steps: []string{"api_app_id"}}
	body := e.Raw
	if e.Encoding == Form {
		if _, ok := FormValue(e.Raw, "api_app_id"); ok {
			return true
		}
		body, _ = FormValue(e.Raw, "payload")
	}
	_, ok := app.Find(body)
	return ok
}

func sanitizeJSON(raw []byte) ([]byte, error) {
	if _, err := read(raw, nothing); err != nil {
		return nil, err
	}
	s := sanitizer{text: raw, d: newDecoder(raw)}
	s.value()
	if len(s.cuts) == 0 {
		return raw, nil
	}
	clean, from := make([]byte, 0, len(raw)), 0
	for _, c := range s.cuts {
		clean = append(clean, raw[from:c.start]...)
		from = c.end
	}
	return append(clean, raw[from:]...), nil
}

// A sanitizer walks over a valid JSON text and notes which parts of it are to be left out.
type sanitizer struct {
	text []byte
	d    *jsontext.Decoder
	cuts []cut // in the order of the text
}

type cut struct{ start, end int }

// value reads the next value. The text is known to be valid, so that no read fails.
func (s *sanitizer) value() {
	kind := s.d.PeekKind()
	if kind != '{' && kind != '[' {
		_, _ = s.d.ReadValue()
		return
	}
	_, _ = s.d.ReadToken()
	if kind == '{' {
		s.members()
	}
	for kind == '[' && s.d.PeekKind() != ']' {
		s.value()
	}
	_, _ = s.d.ReadToken()
}

// members reads the members of an object. The secret members that come first are left out
// with the comma behind them, and every later one with the comma before it.
func (s *sanitizer) members() {
	kept, first, end := false, -1, 0
	for s.d.PeekKind() == '"' {
		name, _ := readValue(s.d, s.text)
		start, before := int(s.d.InputOffset())-len(name), end
		secret := isSecret(unquote(name))
		switch {
		case secret:
			_, _ = s.d.ReadValue()
		case first >= 0:
			s.cuts, first = append(s.cuts, cut{first, start}), -1
			s.value()
		default:
			s.value()
		}
		end = int(s.d.InputOffset())
		switch {
		case !secret:
			kept = true
		case kept:
			comma := before + bytes.IndexByte(s.text[before:], ',')
			s.cuts = append(s.cuts, cut{comma, end})
		case first < 0:
			first = start
		}
	}
	if first >= 0 {
		s.cuts = append(s.cuts, cut{first, end})
	}
}

// sanitizeForm leaves out the pairs with secret names, and the secret members of payload.
func sanitizeForm(raw []byte) ([]byte, error) {
	if err := readable(raw); err != nil {
		return nil, err
	}
	clean := make([]byte, 0, len(raw))
	changed := false
	for pair := range bytes.SplitSeq(raw, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		switch n := formDecode(name); {
		case isSecret(n):
			changed = true
			continue
		case string(n) == "payload":
			payload := formDecode(value)
			// A payload that is no JSON is another sender's, and a value like any other.
			if shown, err := Sanitize(payload, JSON); err == nil && len(shown) != len(payload) {
				changed = true
				pair = []byte("payload=" + url.QueryEscape(string(shown)))
			}
		}
		if len(clean) > 0 {
			clean = append(clean, '&')
		}
		clean = append(clean, pair...)
	}
	if !changed {
		return raw, nil
	}
	return clean, nil
}

// secretNames are the members whose value lets a reader act: credentials, and Slack's
// short-lived handles, which need no token (response_url, trigger_id, interactivity_pointer).
// Names are compared in lower case without "_" and "-".
var secretNames = map[string]bool{
	"responseurl":          true,
	"triggerid":            true,
	"interactivitypointer": true,
	"authorization":        true,
	"password":             true,
	"passwd":               true,
	"secret":               true,
	"clientsecret":         true,
	"signingsecret":        true,
	"webhooksecret":        true,
	"apikey":               true,
	"privatekey":           true,
	"bearer":               true,
	"cookie":               true,
	"setcookie":            true,
}

// isSecret reports whether a member of this name is left out of every view. In addition to
// secretNames these are all names that end in "token": token, bot_access_token, refreshToken.
// tokens_revoked's "tokens" are user ids and stay.
func isSecret(name []byte) bool {
	const longest = 64
	if len(name) > longest {
		return false
	}
	var buf [longest]byte
	n := buf[:0]
	for _, c := range name {
		switch {
		case c == '_' || c == '-':
		case 'A' <= c && c <= 'Z':
			n = append(n, c+'a'-'A')
		default:
			n = append(n, c)
		}
	}
	return secretNames[string(n)] || strings.HasSuffix(string(n), "token")
}
