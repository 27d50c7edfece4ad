package search

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// words yields the words of a text, as they are compared.
func words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		text := fold(text)
		for len(text) > 0 {
			start, end, next := nextWord(text)
			if end == start || !yield(text[start:end]) {
				return
			}
			text = text[next:]
		}
	}
}

// nextWord finds the first word of a folded text, and where to go on; of none the end is the start.
func nextWord(s string) (start, end, next int) {
	start = -1
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case !inWord(r):
			if start >= 0 {
				return start, i, i
			}
		case spaceless(r):
			if start >= 0 {
				return start, i, i
			}
			return i, i + size, i + size
		case start < 0:
			start = i
		}
		i += size
	}
	if start < 0 {
		return 0, 0, len(s)
	}
	return start, len(s), len(s)
}

// asciiWords calls use with the words of a text of ASCII until it returns false; buf is overwritten with them. plain is false
// for another text, of which it has used some, and more once use returned false.
func asciiWords(s, buf []byte, use func([]byte) bool) (plain, more bool) {
	word := buf[:0]
	for _, c := range s {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			word = append(word, c)
		case 'A' <= c && c <= 'Z':
			word = append(word, c+'a'-'A')
		case c >= utf8.RuneSelf:
			return false, true
		case len(word) > 0:
			if !use(word) {
				return true, false
			}
			word = word[:0]
		}
	}
	return true, len(word) == 0 || use(word)
}

// inWord reports a character that words have.
func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r))
}

// spaceless reports a letter of a script that puts no spaces between words.
func spaceless(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// fold writes a text in the form in which texts are compared.
func fold(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return strings.ToLower(s)
	}
	apart := norm.NFKD.String(cases.Fold().String(norm.NFKC.String(s)))
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf && (isAccent(r) || unseen(r)) {
			return -1
		}
		return r
	}, apart))
}

// isAccent reports a mark that changes no letter into another one; those of Indic scripts and of kana do.
func isAccent(r rune) bool {
	return unicode.Is(unicode.Mn, r) && unicode.In(r, unicode.Inherited, unicode.Hebrew) && r != 0x3099 && r != 0x309a
}

// unseen reports a character that no reader sees, and that therefore parts no word.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
