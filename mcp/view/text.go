package view

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is how many characters of one text are shown: Slack's own limit of a
// message (docs.slack.dev/reference/methods/chat.postMessage).
const MaxText = 40_000

// Flags collects what was done to the texts of one view. The zero value is ready.
type Flags []string

// Text cleans a text, bounds it to limit characters, and notes what it did.
func (f *Flags) Text(s string, limit int) string {
	// Of a very long text more than is shown is not worth cleaning.
	s, long := cut(s, 4*limit)
	s, cleaned := Clean(s)
	if cleaned {
		f.Add(FlagCleaned)
	}
	s, truncated := cut(s, limit)
	if truncated || long {
		f.Add(FlagTruncated)
		s = strings.Clone(s) // the rest of the text is not kept with it
	}
	return s
}

// Name cleans a short text: a name, a title, a topic.
func (f *Flags) Name(s string) string { return f.Text(s, 1000) }

// Names cleans each of several.
func (f *Flags) Names(list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = f.Name(out[i])
	}
	return out
}

// Add notes a flag once.
func (f *Flags) Add(flag string) {
	if !slices.Contains(*f, flag) {
		*f = append(*f, flag)
	}
}

// What may have been done to a text before it is shown; see the Flags of a view.
const (
	// FlagCleaned says that characters that no reader sees were removed.
	FlagCleaned = "invisible_characters_removed"
	// FlagTruncated says that the text is longer than what is shown.
	FlagTruncated = "truncated"
	// FlagWithheld says that lockdown left the words of an outside author out.
	FlagWithheld = "withheld_by_lockdown"
	// FlagFilled says that the event was read from a channel's history, because its
	// delivery was missed.
	FlagFilled = "filled_from_history"
)

// Clean removes what a person who reads the text on a screen would not see, or would
// see elsewhere than it stands: control characters, bidirectional controls, Unicode
// tags, zero-width characters, fillers, and variation selectors that vary nothing. It
// reports whether it removed anything. Joiners stay where a script or an emoji needs
// them. Cleaning twice is cleaning once.
func Clean(s string) (string, bool) {
	if !strings.ContainsFunc(s, suspect) {
		return s, false
	}
	var b strings.Builder
	b.Grow(len(s))
	cleaned := false
	prev := rune(-1)
	for len(s) > 0 {
		r, size := first(s)
		s = s[size:]
		next := rune(-1)
		if len(s) > 0 {
			next, _ = first(s)
		}
		if suspect(r) && !belongs(prev, r, next) {
			cleaned = true
			continue
		}
		b.WriteRune(r)
		prev = r
	}
	return b.String(), cleaned
}

// first returns the first character of a text and how many bytes it takes; the two of a
// Windows line ending are one, a line feed.
func first(s string) (rune, int) {
	if strings.HasPrefix(s, "\r\n") {
		return '\n', 2
	}
	return utf8.DecodeRuneInString(s)
}

// suspect reports a character that is invisible by itself.
func suspect(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ', 0x7f <= r && r < 0xa0, r == '\u2028', r == '\u2029':
		return true
	case r < 0xad:
		return false
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return false // Arabic number signs and the like are format characters that one sees
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	textStyle          = '\ufe0e'
	emojiStyle         = '\ufe0f'
)

// joining are the scripts in which a joiner or its absence changes the letters.
var joining = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi,
	unicode.Gujarati, unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam,
	unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

// belongs reports that a suspect character does its proper work between its neighbours.
func belongs(prev, r, next rune) bool {
	switch {
	case r == '\r':
		return false
	case r == zeroWidthNonJoiner, r == zeroWidthJoiner && unicode.In(prev, joining...):
		return unicode.In(prev, joining...) && unicode.In(next, joining...)
	case r == zeroWidthJoiner:
		return isPictograph(prev) && isPictograph(next)
	case r == textStyle || r == emojiStyle:
		return isPictograph(prev) && prev != r || strings.ContainsRune("0123456789#*", prev) && next == '\u20e3'
	case unicode.Is(unicode.Variation_Selector, r):
		return unicode.In(prev, unicode.Han, unicode.Mongolian)
	}
	return false
}

// isPictograph reports a symbol, a skin tone or an emoji's style mark.
func isPictograph(r rune) bool {
	return r == emojiStyle || r >= 0x80 && unicode.In(r, unicode.So, unicode.Sk, unicode.Sm, unicode.Po)
}

// cut bounds a text to n characters.
func cut(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	count := 0
	for i := range s {
		if count == n {
			return s[:i], true
		}
		count++
	}
	return s, false
}
