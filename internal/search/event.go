package search

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	seen "slackmcp/internal/words"
	"slackmcp/webhook/event"
)

// Filter returns the part of a filter that takes the events which say what a query asks for, for a reader who sees
// all of an event. The error is Parse's.
func Filter(query string) (*event.Text, error) {
	q, err := Parse(query)
	if err != nil {
		return nil, err
	}
	return &event.Text{Query: query, Says: q.Finds}, nil
}

// Finds reports whether an event says what is asked for.
func (q Query) Finds(e *event.Event) bool { return q.May(e) && q.Match(TextOf(e)) }

// May reports whether an event has the words, wherever they stand in it. Where it has not, nothing that is shown of
// the event is found.
func (q Query) May(e *event.Event) bool {
	missing := q.Terms()
	for s := range texts(e) {
		for w := range words(s) {
			missing = slices.DeleteFunc(missing, func(t Term) bool {
				return t.Word == w || t.Prefix && strings.HasPrefix(w, t.Word)
			})
		}
		if len(missing) == 0 {
			return true
		}
	}
	return false
}

// Words yields the words of an event, wherever they stand in it; some more than once. Each is good until the next one.
func Words(e *event.Event) iter.Seq[[]byte] {
	return func(yield func(word []byte) bool) {
		var buf [64]byte
		var first []byte
		scan(e, func(s []byte) bool {
			switch {
			case bytes.Equal(s, first): // a block often says what the text says
				return true
			case len(first) < len(s):
				first = append(first[:0], s...)
			}
			plain, more := asciiWords(s, buf[:0], yield)
			if plain {
				return more
			}
			for w := range words(string(s)) {
				if !yield([]byte(w)) {
					return false
				}
			}
			return true
		})
	}
}

// TextOf is what of an event is searched, in one text: of a message all that a person sees who looks at it, its text,
// blocks, attachments and files; of a slash command what was typed; of other senders all texts and numbers of the
// body that may be shown.
func TextOf(e *event.Event) string {
	if e.Source != event.SourceSlack {
		body, err := event.Sanitize(e.Raw, e.Encoding)
		if err != nil {
			return ""
		}
		shown := *e
		shown.Raw = body
		return strings.Join(slices.Collect(texts(&shown)), "\n")
	}
	raw, err := event.InnerJSON(e)
	if err != nil {
		return ""
	}
	var in struct {
		Command string          `json:"command"`
		Text    string          `json:"text"`
		Changed json.RawMessage `json:"message"`
		Former  json.RawMessage `json:"previous_message"`
	}
	_ = json.Unmarshal(raw, &in) // the members that can be read are
	switch {
	case in.Command != "":
		return in.Command + " " + in.Text
	case e.Kind.Subtype == "message_deleted":
		raw = in.Former
	case e.Kind.Type == "message" && in.Changed != nil:
		raw = in.Changed
	}
	return Unmarked(seen.Read(raw).String())
}

// Unmarked is a text of Slack's markup as it is read: of what has a label, the label.
func Unmarked(s string) string {
	if !strings.ContainsAny(s, "<&") {
		return s
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "<")
		b.WriteString(before)
		if !found {
			break
		}
		inner, after, closed := strings.Cut(rest, ">")
		if !closed {
			b.WriteString(" " + rest)
			break
		}
		target, label, labelled := strings.Cut(inner, "|")
		if !labelled || label == "" {
			label = target
		}
		b.WriteString(" " + label + " ")
		s = after
	}
	return seen.Unescape(b.String())
}

// unread are the members of Slack's events in which no text stands that anybody is shown: ids, types and addresses.
var unread = map[string]bool{
	"type": true, "subtype": true, "ts": true, "event_ts": true, "thread_ts": true, "client_msg_id": true, "block_id": true,
	"team": true, "user_team": true, "source_team": true, "channel": true, "channel_type": true, "app_id": true, "bot_id": true,
	"token": true, "team_id": true, "api_app_id": true, "event_id": true, "event_context": true, "context_team_id": true,
	"user": true, "parent_user_id": true, "style": true, "permalink": true, "permalink_public": true, "url_private": true,
	"url_private_download": true, "icons": true, "edited": true, "color": true,
}

// texts yields the texts and, of other senders, the numbers in an event. What follows something that is no JSON is
// left out.
func texts(e *event.Event) iter.Seq[string] {
	return func(yield func(string) bool) {
		scan(e, func(s []byte) bool { return yield(string(s)) })
	}
}

// scan calls yield with what texts yields, until it returns false. What it is called with is good for the call.
func scan(e *event.Event, yield func([]byte) bool) {
	s := scanner{raw: e.Raw, slack: e.Source == event.SourceSlack, yield: yield}
	if e.Encoding == event.Form {
		var err error
		if s.raw, err = event.InnerJSON(e); err != nil {
			return
		}
	}
	for i := 0; i >= 0 && i < len(s.raw); {
		switch c := s.raw[i]; {
		case c == '"':
			i = s.text(i)
		case !s.slack && (c == '-' || '0' <= c && c <= '9'):
			i = s.number(i)
		default:
			s.passed = s.passed && c != '{' && c != '['
			i++
		}
	}
}

// A scanner walks over JSON that was found to be valid when it was received.
type scanner struct {
	raw    []byte
	slack  bool
	passed bool // the value that follows is of a member that is unread
	yield  func([]byte) bool
}

// text reads the string that begins at a place, and returns where to go on; -1 is nowhere.
func (s *scanner) text(at int) int {
	end := closing(s.raw, at+1)
	if end < 0 {
		return -1
	}
	inner := s.raw[at+1 : end]
	if isName(s.raw[end+1:]) {
		s.passed = s.slack && unread[string(inner)]
		return end + 1
	}
	if !s.passed && !s.yield(unquoted(inner)) {
		return -1
	}
	s.passed = false
	return end + 1
}

// number reads the number that begins at a place, as text does a string.
func (s *scanner) number(at int) int {
	end := at + 1
	for end < len(s.raw) && strings.IndexByte("0123456789+-.eE", s.raw[end]) >= 0 {
		end++
	}
	if !s.yield(s.raw[at:end]) {
		return -1
	}
	return end
}

// closing returns where a string ends that begins at a place, or -1.
func closing(raw []byte, at int) int {
	for i := at; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// isName reports whether what stands behind a string makes it a member's name.
func isName(behind []byte) bool {
	for _, c := range behind {
		switch c {
		case ' ', '\t', '\n', '\r':
		default:
			return c == ':'
		}
	}
	return false
}

// unquoted is the text of what stands between the quotes of a JSON string.
func unquoted(inner []byte) []byte {
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var text string
	if json.Unmarshal(slices.Concat([]byte{'"'}, inner, []byte{'"'}), &text) != nil {
		return inner
	}
	return []byte(text)
}
