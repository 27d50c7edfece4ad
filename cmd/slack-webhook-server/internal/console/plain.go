package console

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"slackmcp/cmd/slack-webhook-server/internal/plain"
)

// Plain makes a text of others fit for one cell of a table: one line, without characters
// that would move the cursor, change colours or hide or turn around what stands there.
func Plain(text string) string {
	return strings.Join(strings.Fields(plain.Text(text)), " ")
}

// escapeJSON writes the control and format characters of a JSON text as \u escapes, in
// which it says the same. In JSON they can only stand inside strings.
func escapeJSON(b []byte) []byte {
	if !bytes.ContainsFunc(b, harmful) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\ufffd`...)
		case !harmful(r):
			out = append(out, b[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

// harmful reports a character that a terminal may act on, or that hides what is read;
// line ends between values are not.
func harmful(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ', r == utf8.RuneError, r == '\u2028', r == '\u2029':
		return true
	}
	return r >= 0x7f && unicode.In(r, unicode.Cc, unicode.Cf)
}
