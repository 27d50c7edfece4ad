package logging

import (
	"bytes"
	"strings"
)

// withoutFields takes out the values of fields whose names promise a secret: of a member in JSON, and of name=value in
// text. What it returns is as whole as what it was given: JSON stays JSON, and a value ends at the latest where the
// quoted text that it stands in ends.
func withoutFields(line []byte) []byte {
	var clean []byte
	end := 0        // line[:end] is in clean, or was taken out
	quoted := false // line[i] stands in a quoted text
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '"':
			quoted = !quoted
		case '=':
		case '\\':
			if !quoted {
				continue
			}
		default:
			continue
		}
		if from, to, instead := secretValue(line, i, quoted); to > from {
			clean = append(append(clean, line[end:from]...), instead...)
			end = to
			i = to - 1
		} else if line[i] == '\\' {
			i++ // what is escaped ends no quoted text
		}
	}
	return append(clean, line[end:]...)
}

// secretValue finds the value of a name that may end before i, where =, a quote or an escaped one may stand, and what
// is to stand in its place. There is none where from is to.
func secretValue(line []byte, i int, quoted bool) (from, to int, instead string) {
	if !endsInSecret(line[:i]) {
		return 0, 0, ""
	}
	if line[i] == '=' {
		return i + 1, i + 1 + valueLength(sameText(line[i+1:], quoted), quoted), Redacted
	}
	quote := `"`
	if quoted { // JSON that is quoted in JSON
		quote = `\"`
	}
	rest, isQuote := bytes.CutPrefix(line[i:], []byte(quote))
	rest, isMember := bytes.CutPrefix(bytes.TrimLeft(rest, space), []byte(":"))
	if !isQuote || !isMember {
		return 0, 0, ""
	}
	rest = bytes.TrimLeft(rest, space)
	from = len(line) - len(rest)
	if quoted {
		rest = sameText(rest, true)
	}
	return from, from + valueLength(rest, quoted), quote + Redacted + quote
}

const space = " \t\r\n"

// sameText is what of the bytes belongs to the quoted text that they begin in, or else to the line.
func sameText(b []byte, quoted bool) []byte {
	if !quoted {
		line, _, _ := bytes.Cut(b, []byte("\n"))
		return line
	}
	return b[:quoteEnd(b)]
}

// quoteEnd is where the quoted text ends in which the bytes begin: at its last quote, or with the bytes.
func quoteEnd(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(b)
}

// valueLength is the length of the value that the bytes begin with: a quoted text, a list or an object, or a word.
// quoted says that all of it stands in a quoted text, where a quote is escaped.
func valueLength(b []byte, quoted bool) int {
	switch {
	case len(b) == 0:
		return 0
	case !quoted && b[0] == '"':
		return min(1+quoteEnd(b[1:])+1, len(b))
	case quoted && bytes.HasPrefix(b, []byte(`\"`)):
		if n := bytes.Index(b[2:], []byte(`\"`)); n >= 0 {
			return 2 + n + 2
		}
		return 2 + wordLength(b[2:], quoted)
	case b[0] == '[' || b[0] == '{':
		if n := closedLength(b); n > 0 {
			return n
		}
		return 1 + wordLength(b[1:], quoted)
	}
	return wordLength(b, quoted)
}

// closedLength is the length of the list or object that the bytes begin with; 0 where nothing closes it.
func closedLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			i += 1 + quoteEnd(b[i+1:])
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// wordLength is the length of the word that the bytes begin with. In a quoted text an escape is taken whole, or ends
// the word where it stands for a space or a quote.
func wordLength(b []byte, quoted bool) int {
	i := 0
	for i < len(b) && strings.IndexByte(space+`",{}[]`, b[i]) < 0 {
		if quoted && b[i] == '\\' {
			if i+1 == len(b) || strings.IndexByte(`"nrt`, b[i+1]) >= 0 {
				return i
			}
			i++
		}
		i++
	}
	return i
}
