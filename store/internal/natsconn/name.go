package natsconn

import (
	"fmt"
	"strings"
)

// Escape writes a text with the characters that JetStream takes in every kind of name.
// Two texts never become one: what is escaped, the underscore too, is an underscore and
// two hexadecimal digits.
func Escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}
