package nats

import (
	"encoding/hex"
	"errors"
	"strings"
)

// subject writes a key as a subject: each segment a token, so that a prefix can be asked
// for. What a token cannot have is an underscore and two hexadecimal digits, an empty
// segment a lone underscore.
func subject(key string) string {
	segments := strings.Split(key, "/")
	for i, s := range segments {
		segments[i] = token(s)
	}
	return strings.Join(segments, ".")
}

func token(segment string) string {
	if segment == "" {
		return "_"
	}
	var b strings.Builder
	for _, c := range []byte(segment) {
		switch c {
		case '_', '.', ':':
			b.WriteByte('_')
			b.WriteString(hex.EncodeToString([]byte{c}))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

var errSubject = errors.New("a key of the bucket is not ours")

// keyOf is the reverse of subject.
func keyOf(subject string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(subject); i++ {
		switch c := subject[i]; {
		case c == '.':
			b.WriteByte('/')
		case c != '_':
			b.WriteByte(c)
		case i+1 == len(subject) || subject[i+1] == '.': // an empty segment
		default:
			if i+3 > len(subject) {
				return "", errSubject
			}
			v, err := hex.DecodeString(subject[i+1 : i+3])
			if err != nil {
				return "", errSubject
			}
			b.Write(v)
			i += 2
		}
	}
	return b.String(), nil
}

// filter is a subject that all keys with a prefix have, and others too.
func filter(prefix string) string {
	whole := strings.LastIndexByte(prefix, '/')
	if whole < 0 {
		return ">"
	}
	return subject(prefix[:whole]) + ".>"
}
