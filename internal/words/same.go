package words

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// merge joins a text with the blocks beside it. Slack shows the blocks, and the text where they cannot
// be shown; many senders write the same in both. So what one says that the other says, too, stands
// once: the text is kept where it says all, the blocks where they do, and else the text with the
// blocks that add to it.
func (r *reader) merge(text string, v any) []string {
	each := r.blocks(v)
	if isPlaceholder(text) {
		return slices.Concat(each...)
	}
	if len(each) == 0 {
		return []string{text}
	}
	said, blocks := newSayings(text), slices.Concat(each...)
	adding := slices.DeleteFunc(slices.Clone(each), func(lines []string) bool { return said.hold(lines) })
	switch {
	case len(adding) == 0:
		return []string{text}
	case newSayings(strings.Join(blocks, "\n")).hold([]string{text}):
		return blocks
	}
	return append([]string{text}, slices.Concat(adding...)...)
}

// Sayings are the words of a text in their order, without what does not change what it says.
type sayings struct {
	words string // each between two separators
	text  string
	left  int // lines that may still be looked for, which bounds the time
}

const (
	separator = "\x00"
	maxLines  = 2000
)

func newSayings(s string) *sayings { return &sayings{words: bare(s), text: s, left: maxLines} }

// hold reports that the sayings have each line of a text, and each address in it.
func (s *sayings) hold(lines []string) bool {
	for line := range strings.SplitSeq(strings.Join(lines, "\n"), "\n") {
		if s.left--; s.left < 0 {
			return false
		}
		if !s.holdLine(line) {
			return false
		}
	}
	return true
}

func (s *sayings) holdLine(line string) bool {
	words := bare(line)
	if words == separator { // emoji and marks alone
		return strings.Contains(s.text, strings.TrimSpace(line))
	}
	for _, found := range address.FindAllStringSubmatch(line, -1) {
		if !strings.Contains(s.text, found[1]) {
			return false
		}
	}
	return strings.Contains(s.words, words) || s.holdCut(words, line)
}

// holdCut reports that the sayings have a line whose end a sender has cut off.
func (s *sayings) holdCut(words, line string) bool {
	line = strings.TrimSpace(line)
	if !strings.HasSuffix(line, "…") && !strings.HasSuffix(line, "...") {
		return false
	}
	return strings.Contains(s.words, strings.TrimSuffix(words, separator))
}

var (
	// address finds the links of a text that have a label; without one, the link is among the words.
	address = regexp.MustCompile(`<((?:https?|mailto|tel):[^<>|]*)\|[^<>]*>`)
	// markup finds what stands in angle brackets.
	markup = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)
	// marks are what makes a text bold and the like, and begins an item of a list.
	marks = strings.NewReplacer("*", "", "_", "", "~", "", "`", "", "•", " ", "◦", " ", "▪", " ", "&lt;", "<", "&gt;", ">", "&amp;", "&", separator, "")
)

// bare returns the words of a text, each between two separators: without styles, emoji that are characters,
// labels of mentions, and punctuation at a word's edges that changes no word.
func bare(s string) string {
	s = markup.ReplaceAllStringFunc(s, func(m string) string {
		of := markup.FindStringSubmatch(m)
		if mention := strings.ContainsAny(of[1][:min(1, len(of[1]))], "@#!"); !mention || strings.HasPrefix(of[1], "!date") {
			if of[2] != "" {
				return of[2]
			}
		}
		return of[1]
	})
	var b strings.Builder
	b.WriteString(separator)
	for word := range strings.FieldsSeq(marks.Replace(s)) {
		if word = strings.Trim(trimmed(strings.Map(withoutEmoji, word)), "<>|"); word != "" {
			b.WriteString(word + separator)
		}
	}
	return b.String()
}

// trimmed is a word without the punctuation at its edges, but for what makes another word of it: the sign
// of a number, a percent sign, a question mark.
func trimmed(word string) string {
	inner := strings.TrimFunc(word, unicode.IsPunct)
	if inner == "" {
		return ""
	}
	before, after, _ := strings.Cut(word, inner)
	if strings.HasSuffix(before, "-") && '0' <= inner[0] && inner[0] <= '9' {
		inner = "-" + inner
	}
	for _, mark := range []string{"%", "?"} {
		if strings.Contains(after, mark) {
			inner += mark
		}
	}
	return inner
}

// withoutEmoji leaves out pictures, and what joins them.
func withoutEmoji(r rune) rune {
	if r >= 0x80 && unicode.In(r, unicode.So, unicode.Sk, unicode.Mn, unicode.Cf, unicode.Variation_Selector) {
		return -1
	}
	return r
}
