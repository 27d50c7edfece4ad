// Package words turns Slack's JSON of a message into the words that a person sees who looks at it:
// its text, what its blocks and attachments add to that, and the files that it carries.
//
// The words are written in Slack's own markup (docs.slack.dev/messaging/formatting-message-text):
// mentions are <@U…>, <#C…> and <!subteam^S…>, links <url|label>, and the characters &, < and >
// of a text are escaped. What has no markup stands in brackets: [button: Approve],
// [image: a chart], [file F…: plan.pdf, application/pdf, 20 KB].
//
// A message may hold texts of several authors. Each is a [Part] of its own, so that
// who reads them can judge each by who wrote it. All of it is untrusted and bounded: whatever a
// message holds, its words are at most [MaxBytes] bytes, and reading them takes time in
// proportion to the message.
package words

import (
	"encoding/json"
	"slices"
	"strings"
)

// Bounds of one message.
const (
	// MaxBytes is how many bytes of words one message has at most; the marks of lines come to it.
	MaxBytes = 200_000
	maxDepth = 24     // of blocks in blocks
	maxNodes = 20_000 // values that are looked at
	maxList  = 100    // attachments, files
)

// A Message is what is read of a message. Blocks and Attachments are Slack's JSON; what is not
// valid in them is left out.
type Message struct {
	Text        string          `json:"text"`
	Blocks      json.RawMessage `json:"blocks"`
	Attachments json.RawMessage `json:"attachments"`
	Files       []File          `json:"files"`
}

// Read reads a message from Slack's JSON. What Slack writes otherwise than documented is as if it
// were absent.
func Read(raw []byte) *Message {
	m := &Message{}
	_ = json.Unmarshal(raw, m) // the members that can be read are
	return m
}

// A Part is a piece of a message that has an author of its own.
type Part struct {
	// Lines is what it says. Where another one than the message's author said it, each line begins
	// with "> ".
	Lines []string
	// Attachment is what Slack, or an app, put below the message's own words; nil is those.
	Attachment *Attachment
	// Foreign reports that within the part stands something that another one may have written, such as
	// the name of a call. [Message.Authored] leaves it out.
	Foreign bool
	// More reports that the part holds what the lines do not show.
	More bool
}

// Parts takes a message apart, in the order in which it is read. Its files are not among them.
func (m *Message) Parts() []Part { return m.parts(false) }

// Authored is Parts without what within a part may be another one's than its author's: names of
// calls and of what is mentioned, and of a message that was shared all but what it says itself.
// What the package does not know is left out, too.
func (m *Message) Authored() []Part { return m.parts(true) }

func (m *Message) parts(authored bool) []Part {
	r := &reader{authored: authored, left: MaxBytes, nodes: maxNodes}
	var parts []Part
	own := r.part(nil, func() []string { return r.merge(r.take(m.Text), decode(m.Blocks)) })
	if len(own.Lines) > 0 || own.Foreign || own.More {
		parts = append(parts, own)
	}
	for _, at := range r.attachments(m.Attachments) {
		if at.isAssistantLine() {
			continue
		}
		p := r.part(at, func() []string { return r.attachment(at) })
		if at.Quotes() || at.Fetched() {
			p.Lines = quote(p.Lines)
		}
		parts = append(parts, p)
	}
	return parts
}

// part reads one part.
func (r *reader) part(at *Attachment, lines func() []string) Part {
	r.foreign, r.more = false, false
	p := Part{Attachment: at, Lines: lines()}
	p.Foreign, p.More = r.foreign, r.more
	return p
}

// String is all that a message says, with a line for each of its files.
func (m *Message) String() string {
	var all []string
	for _, p := range m.Parts() {
		all = append(all, p.Lines...)
	}
	for i := range m.Files[:min(len(m.Files), maxList)] {
		all = append(all, m.Files[i].String())
	}
	s, _ := cut(strings.Join(all, "\n"), MaxBytes)
	return s
}

// SolelyBy reports whether all that String returns is of the message's author, whose user id is
// user: it quotes nobody, previews nothing, and carries nobody else's file.
func (m *Message) SolelyBy(user string) bool {
	for _, p := range m.Parts() {
		if p.Attachment != nil || p.Foreign {
			return false
		}
	}
	for i := range m.Files {
		if m.Files[i].User != user || user == "" {
			return false
		}
	}
	return true
}

// quote marks each line as another one's: what a message brings with it must not read as if its
// author had said it.
func quote(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	return []string{"> " + strings.Join(strings.FieldsFunc(strings.Join(lines, "\n"), isBreak), "\n> ")}
}

// isBreak reports a character that ends a line.
func isBreak(r rune) bool { return strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) }

// placeholders are what Slack writes in place of a text.
var placeholders = []string{"[no preview available]", "this content can't be displayed", "this message can't be displayed", "this message contains interactive elements"}

// isPlaceholder reports a text that Slack put where there is none.
func isPlaceholder(s string) bool {
	s = strings.TrimSuffix(strings.ToLower(strings.ReplaceAll(strings.TrimSpace(s), "’", "'")), ".")
	return s == "" || slices.Contains(placeholders, s)
}
