// Package plain makes the text of others harmless to a terminal.
package plain

import (
	"strings"
	"unicode"
)

// most bounds a text, in bytes.
const most = 2000

// Text is s on one line, valid, without control and format characters, and of bounded
// length.
func Text(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !Printable(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// Printable reports a rune that only shows itself.
func Printable(r rune) bool { return unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) }
