package page

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"slackmcp/internal/emoji"
)

// A Span is a piece of a text, as the template page.text shows it. It is data: whatever stands in it, html/template
// escapes it.
type Span struct {
	// Kind is text, break, bold, italic, strike, code, pre, quote, link or mention.
	Kind string
	Text string
	// Href is a link's address, of http, https or mailto.
	Href string
	// Inner is what bold, italic, strike, quote and link enclose.
	Inner []Span
}

// Names says how what is mentioned is called: kind is '@' for people, '#' for channels, '!' for groups and
// everybody; label is what the text itself calls it, which its author chose. The name is without @ and #.
type Names func(kind byte, id, label string) string

// maxDepth is how deep bold, italic and strike may nest.
const maxDepth = 4

// Mrkdwn reads a text as Slack keeps it. It knows Slack's marks, links, mentions and the names of standard emoji, and
// shows everything else as it is written. names nil leaves ids.
func Mrkdwn(text string, names Names) []Span {
	m := mrkdwn{names: names}
	var out []Span
	for {
		before, rest, found := strings.Cut(text, "```")
		inside, after, closed := strings.Cut(rest, "```")
		if !found || !closed || inside == "" {
			return append(out, m.lines(text)...)
		}
		out = append(out, m.lines(strings.TrimSuffix(before, "\n"))...)
		out = append(out, Span{Kind: "pre", Text: plain(strings.Trim(inside, "\n"))})
		text = strings.TrimPrefix(after, "\n")
	}
}

// Plain is a text as Slack keeps it, without marks: its entities are characters, and its standard emoji too.
func Plain(text string) string {
	var b strings.Builder
	for _, s := range withEmoji(nil, plain(text)) {
		b.WriteString(s.Text)
	}
	return b.String()
}

type mrkdwn struct{ names Names }

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

func plain(s string) string { return entities.Replace(s) }

// lines shows lines, and those that begin with > as a quote.
func (m mrkdwn) lines(text string) (out []Span) {
	if text == "" {
		return nil
	}
	var quoted []Span
	for i, line := range strings.Split(text, "\n") {
		said, quote := strings.CutPrefix(line, "&gt;")
		if !quote {
			said, quote = strings.CutPrefix(line, ">")
		}
		spans := m.inline(strings.TrimPrefix(said, " "), 0)
		if !quote {
			spans = m.inline(line, 0)
		}
		switch {
		case quote && quoted != nil:
			quoted = append(append(quoted, Span{Kind: "break"}), spans...)
		case quote:
			quoted = append([]Span{}, spans...)
		default:
			if quoted != nil {
				out = append(out, Span{Kind: "quote", Inner: quoted})
			} else if i > 0 {
				out = append(out, Span{Kind: "break"})
			}
			quoted, out = nil, append(out, spans...)
		}
	}
	if quoted != nil {
		out = append(out, Span{Kind: "quote", Inner: quoted})
	}
	return out
}

var marks = map[byte]string{'*': "bold", '_': "italic", '~': "strike", '`': "code", '<': "token"}

// inline reads one line.
func (m mrkdwn) inline(s string, depth int) (out []Span) {
	from := 0
	without := map[byte]bool{} // marks that nothing closes any more
	flush := func(to int) {
		if to > from {
			out = withEmoji(out, plain(s[from:to]))
		}
	}
	for i := 0; i < len(s); {
		if without[s[i]] || !begins(s, i, depth) {
			i++
			continue
		}
		end := closing(s, i)
		if end < 0 {
			without[s[i]] = true
			i++
			continue
		}
		flush(i)
		out = append(out, m.piece(s[i], s[i+1:end], depth))
		i = end + 1
		from = i
	}
	flush(len(s))
	return out
}

// piece is what a mark and the end of it enclose.
func (m mrkdwn) piece(mark byte, inside string, depth int) Span {
	switch mark {
	case '<':
		return m.token(inside)
	case '`':
		return Span{Kind: "code", Text: plain(inside)}
	}
	return Span{Kind: marks[mark], Inner: m.inline(inside, depth+1)}
}

// begins reports that the mark at i may begin something: a word begins after it, and none ends before it.
func begins(s string, i, depth int) bool {
	switch {
	case s[i] == '<':
		return true
	case marks[s[i]] == "" || depth == maxDepth:
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	return (i == 0 || !inWord(before)) && i+1 < len(s) && s[i+1] != ' ' && s[i+1] != s[i]
}

// closing is where what begins at i is closed, or -1.
func closing(s string, i int) int {
	if s[i] == '<' {
		if end := strings.IndexByte(s[i:], '>'); end >= 0 {
			return i + end
		}
		return -1
	}
	for j := i + 2; j < len(s); j++ {
		if s[j] != s[i] || s[j-1] == ' ' && s[i] != '`' {
			continue
		}
		if next, size := utf8.DecodeRuneInString(s[j+1:]); size == 0 || !inWord(next) {
			return j
		}
	}
	return -1
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// token is what stands in angle brackets: a mention or a link.
func (m mrkdwn) token(s string) Span {
	target, label, _ := strings.Cut(s, "|")
	if target != "" && strings.IndexByte("@#!", target[0]) >= 0 {
		return m.mention(target[0], target[1:], plain(label))
	}
	inner := []Span{{Kind: "text", Text: plain(target)}}
	if label != "" {
		inner = withEmoji(nil, plain(label))
	}
	href := plain(target)
	if !Linkable(href) {
		return Span{Kind: "text", Text: "<" + plain(s) + ">"}
	}
	return Span{Kind: "link", Href: href, Inner: inner}
}

// Linkable reports whether a page may link to an address: absolute, of http, https or mailto.
func Linkable(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "mailto" && u.Opaque != "" || (u.Scheme == "http" || u.Scheme == "https") && u.Host != "")
}

func (m mrkdwn) mention(kind byte, id, label string) Span {
	name := label
	if m.names != nil {
		name = m.names(kind, id, label)
	}
	if name == "" {
		name = id
	}
	sign := "@"
	if kind == '#' {
		sign = "#"
	}
	if date, isDate := strings.CutPrefix(id, "date^"); kind == '!' && isDate {
		if label == "" {
			label = date
		}
		return Span{Kind: "text", Text: label}
	}
	return Span{Kind: "mention", Text: sign + strings.TrimLeft(name, "@#")}
}

// withEmoji appends a text with the names of standard emoji as their characters.
func withEmoji(out []Span, text string) []Span {
	var b strings.Builder
	for text != "" {
		before, rest, found := strings.Cut(text, ":")
		b.WriteString(before)
		if !found {
			break
		}
		text = rest
		name, length := emojiName(rest)
		if character, ok := emoji.Character(name); ok {
			b.WriteString(character)
			text = rest[length:]
		} else {
			b.WriteByte(':')
		}
	}
	return append(out, Span{Kind: "text", Text: b.String()})
}

// emojiName is the name at the beginning of a text, with the skin tone that follows it as a name of its own.
func emojiName(s string) (name string, length int) {
	end := strings.IndexFunc(s[:min(len(s), 100)], func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("_-+'", r)
	})
	if end <= 0 || s[end] != ':' {
		return "", 0
	}
	name, length = s[:end], end+1
	if rest, ok := strings.CutPrefix(s[length:], ":skin-tone-"); ok && len(rest) > 1 && rest[1] == ':' {
		return name + "::skin-tone-" + rest[:1], length + len(":skin-tone-2:")
	}
	return name, length
}
