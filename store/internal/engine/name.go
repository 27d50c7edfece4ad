package engine

import (
	"fmt"
	"strings"
)

// FileName turns a text into a part of a file name, one to one.
func FileName(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
			b.WriteByte(c)
		default:
			// Capitals too: some file systems do not tell them from small letters.
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}
