// Package markup reads a text that is about to be sent: where people and channels are called by
// their names, with @ and #, and whether it is Markdown.
package markup

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Name is what follows an @ or a # where it may call somebody.
type Name struct {
	// Sign is '@' or '#'.
	Sign byte
	// At is where the sign stands, in bytes.
	At int
	// Readings are what the name may be, without the sign, the longest first: how many words
	// belong to it, and whether a full stop does, is known to who knows the names. All of them
	// begin behind the sign.
	Readings []string
}

const (
	maxWords = 4  // of a name
	maxWord  = 80 // bytes of a word of a name
)

// Names finds the names in a text of Slack's markup, in order. It finds none in code, quotes,
// links, addresses, and what stands in <>, as Slack's own mentions do.
func Names(text string) (all []Name) {
	skip := opaque(text)
	for at := 0; at < len(text); at++ {
		if len(skip) > 0 && at >= skip[0].from {
			at, skip = max(at, skip[0].to)-1, skip[1:]
			continue
		}
		if c := text[at]; (c == '@' || c == '#') && begins(text[:at]) {
			end := len(text)
			if len(skip) > 0 {
				end = skip[0].from
			}
			n := Name{Sign: c, At: at}
			if n.Readings = readings(text[at+1:end], c == '@'); len(n.Readings) > 0 {
				all = append(all, n)
			}
		}
	}
	return all
}

// begins reports that a name may begin behind a text: not within a word, an address or a path.
func begins(before string) bool {
	r, size := utf8.DecodeLastRuneInString(before)
	if r == '_' { // begins a text in italics, or ends a word
		r, _ = utf8.DecodeLastRuneInString(before[:len(before)-size])
	}
	return size == 0 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(`_./\@#&=+:$%-`, r)
}

// readings are what the name at the beginning of a text may be.
func readings(text string, words bool) (all []string) {
	ends := wordEnds(text)
	if len(ends) == 0 || goesOn(text[ends[0]:]) {
		return nil
	}
	if !words {
		ends = ends[:1]
	}
	for _, end := range slices.Backward(ends) {
		name := text[:end]
		all = append(all, name)
		for _, bare := range []string{strings.TrimRight(name, "._-'’"), strings.TrimSuffix(name, "'s"), strings.TrimSuffix(name, "’s")} {
			if bare != name && bare != "" {
				all = append(all, bare)
			}
		}
	}
	return all
}

// wordEnds is where the words end that a text begins with, one space between them, in bytes.
func wordEnds(text string) (ends []int) {
	for end := 0; len(ends) < maxWords; end++ {
		n := word(text[end:])
		if n == 0 || n > maxWord {
			break
		}
		end += n
		ends = append(ends, end)
		if end == len(text) || text[end] != ' ' {
			break
		}
	}
	return ends
}

// word is how many bytes the word of a name has that a text begins with; 0 for none.
func word(text string) int {
	first, _ := utf8.DecodeRuneInString(text)
	if !unicode.IsLetter(first) && !unicode.IsDigit(first) {
		return 0
	}
	n := strings.IndexFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-'’", r)
	})
	if n < 0 {
		return len(text)
	}
	return n
}

// goesOn reports that what follows a word shows it to be no name: a path, an address, a call.
func goesOn(after string) bool {
	return after != "" && strings.ContainsRune("@(=", rune(after[0])) ||
		len(after) > 1 && after[0] == '/' && word(after[1:]) > 0
}

// A span is a part of a text, in bytes.
type span struct{ from, to int }

var (
	address = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+`)
	marked  = regexp.MustCompile(`<[^\s<>][^<>\n]*>`)
	fenced  = regexp.MustCompile(`(?ms)^ {0,3}~~~[^~\n]*\n.*?^ {0,3}~~~[ \t]*$`) // code in Markdown
	link    = regexp.MustCompile(`!?\[[^\]\n]*\](?:\([^)\n]*\)|\[[^\]\n]*\]|:[ \t]*\S+)`)
)

// opaque are the parts of a text in which no name calls anybody, in order and apart.
func opaque(text string) []span {
	spans := append(code(text), quotes(text)...)
	for _, pattern := range []*regexp.Regexp{address, marked, fenced, link} {
		for _, m := range pattern.FindAllStringIndex(text, -1) {
			spans = append(spans, span{m[0], m[1]})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var apart []span
	for _, s := range spans {
		if last := len(apart) - 1; last >= 0 && s.from <= apart[last].to {
			apart[last].to = max(apart[last].to, s.to)
			continue
		}
		apart = append(apart, s)
	}
	return apart
}

// code finds what stands between backticks. Three that nothing closes make code of the rest.
func code(text string) (all []span) {
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '`')
		if i < 0 {
			return all
		}
		from := at + i
		n := ticks(text[from:])
		end := closing(text[from+n:], n)
		switch {
		case end >= 0:
			at = from + n + end + n
		case n >= 3:
			at = len(text)
		default:
			at = from + n
			continue
		}
		all = append(all, span{from, at})
	}
}

// ticks is how many backticks a text begins with.
func ticks(text string) int { return len(text) - len(strings.TrimLeft(text, "`")) }

// closing finds as many backticks as opened: within the line, where that were one or two.
func closing(text string, n int) int {
	if line := strings.IndexByte(text, '\n'); n < 3 && line >= 0 {
		text = text[:line]
	}
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '`')
		if i < 0 {
			return -1
		}
		at += i
		m := ticks(text[at:])
		if m == n || n >= 3 && m > n {
			return at
		}
		at += m
	}
}

// quotes finds the lines that are quoted. In Slack's markup >>> quotes the rest; in Markdown the
// lines of a paragraph belong to the quote that it began in.
func quotes(text string) (all []span) {
	at, inside := 0, false
	for line := range strings.Lines(text) {
		begin := strings.ReplaceAll(strings.TrimLeft(line, " \t"), "&gt;", ">")
		switch {
		case strings.HasPrefix(begin, ">>>"):
			return append(all, span{at, len(text)})
		case begin != "" && begin[0] == '>':
			inside = true
		case strings.TrimSpace(line) == "":
			inside = false
		}
		if inside {
			all = append(all, span{at, at + len(line)})
		}
		at += len(line)
	}
	return all
}

// markdown is what Markdown has and Slack's markup has not, or shows as it stands.
var markdown = regexp.MustCompile(`(?m:(?:^|[^\pL\pN*])\*\*[^\s*](?:[^*\n]*[^\s*])?\*\*(?:[^\pL\pN*]|$))` + // bold
	`|~~[^\s~][^~\n]*~~` + // crossed out
	`|\[[^\]\n]+\]\((?:https?://|mailto:)[^)\s]+\)` + // a link
	`|(?m:^ {0,3}#{1,6} +\S)` + // a heading
	`|(?m:^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$)`) // the second line of a table

// slacks is what Slack's markup has and Markdown has not.
var slacks = regexp.MustCompile(`<(?:[a-z][a-z0-9+.-]*:[^<>|\n]*\|[^<>\n]*|!date\^[^<>\n]*)>`)

// Markdown reports whether a text has what Markdown has and Slack's markup has not, and whether
// it has what only Slack's markup has: then neither shows all of it as it is meant.
func Markdown(text string) (is, mixed bool) {
	var plain strings.Builder
	at := 0
	for _, s := range code(text) {
		plain.WriteString(text[at:s.from] + "`")
		at = s.to
	}
	plain.WriteString(text[at:])
	is = markdown.MatchString(plain.String())
	return is, is && slacks.MatchString(plain.String())
}
