package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str moves over a string whose opening quote is at pos. It looks at eight bytes at
// a time for those that end a string or need care: the quote, the backslash and
// control characters.
func (s *scanner) str() (span, error) {
	s.pos++
	start, kind := s.pos, plain
	b := s.b
	for i := start; ; {
		for len(b)-i >= 8 {
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return span{}, ErrNotJSON
		}
		switch c := b[i]; {
		case c == '"':
			s.pos = i + 1
			return spanOf(start, i, kind), nil
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return span{}, ErrNotJSON
			}
			kind = escaped
			i += n
		case c < ' ':
			return span{}, ErrNotJSON
		default:
			i++
		}
	}
}

// special marks with its highest bit each of eight bytes that is a quote, a backslash
// or below the space. The lowest mark is right; a byte above one may be marked wrongly,
// by the borrow of the subtraction.
func special(w uint64) uint64 {
	quote, slash := w^(ones*'"'), w^(ones*'\\')
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
}

// escapeLen returns the length of the escape that b begins with, or 0 when it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

// text returns what a span says: a string unescaped, a number as it is written. It
// points into the scanner's text, or into scratch when there were escapes to resolve.
func (s *scanner) text(v span, scratch []byte) []byte {
	raw := s.b[v.start:v.end]
	if v.kind != escaped {
		return raw
	}
	return unescape(scratch[:0], raw)
}

// unescape appends a valid string's inside with its escapes resolved. Half of a
// surrogate pair becomes U+FFFD, as in encoding/json.
func unescape(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		if b[i] != '\\' {
			dst = append(dst, b[i])
			i++
			continue
		}
		if b[i+1] != 'u' {
			dst = append(dst, unescaped(b[i+1]))
			i += 2
			continue
		}
		r, _ := hex4(b[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			full := rune(utf8.RuneError)
			if len(b)-i >= 6 && b[i] == '\\' && b[i+1] == 'u' {
				low, _ := hex4(b[i+2:])
				full = utf16.DecodeRune(r, low)
			}
			if full != utf8.RuneError {
				i += 6
			}
			r = full
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		v, ok := unhex(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(v)
	}
	return r, true
}

// unhex returns the value of a hexadecimal digit.
func unhex(c byte) (v byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
