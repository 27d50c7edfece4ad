package logging

import (
	"bytes"
	"io"
	"regexp"
)

// A filter takes secrets out of log lines on their way to a writer. It looks at whole
// lines, as slog's handlers write them: one search of the bytes costs less than a look at
// each attribute, and nothing is missed for being nested.
type filter struct {
	to      io.Writer
	secrets *Secrets
}

// Filter returns a writer that takes the known secrets, and whatever looks like a token,
// out of each text before it passes the text on to w. A secret that is split over two
// writes is not seen: write whole lines. The writer is not safe for concurrent use.
func (s *Secrets) Filter(w io.Writer) io.Writer { return filter{w, s} }

// Write passes one line on without secrets. It reports the length of what it was given.
func (f filter) Write(line []byte) (int, error) {
	clean := f.secrets.matcher().redact(line)
	look := suspicions(clean)
	if look&aToken != 0 {
		clean = slackToken.ReplaceAll(clean, []byte(Redacted))
	}
	if look&aBearer != 0 {
		clean = bearerWord.ReplaceAll(clean, []byte("${1} "+Redacted))
	}
	if look&aName != 0 {
		clean = secretField.ReplaceAll(clean, []byte(`${1}"`+Redacted+`"`))
	}
	if _, err := f.to.Write(clean); err != nil {
		return 0, err
	}
	return len(line), nil
}

var (
	slackToken = regexp.MustCompile(`\b(?:xoxe\.)?(?:xox[a-z]|xapp)-[A-Za-z0-9-]{6,}`)
	bearerWord = regexp.MustCompile(`(?i)\b(bearer) +[A-Za-z0-9._~+/=-]{8,}`)
	// secretField is an attribute whose name promises a secret, in JSON or in text, with
	// its value: quoted, a flat list or object, or a word.
	secretField = regexp.MustCompile(`((?:"|\b)(?:[a-z0-9_.]*[_.])?(?:token|secret|password|authorization|cookie|signature)(?:":|=))` +
		`(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^{}]*\}|[^\s",{}\[\]]+)`)
)

// What a line may hold. The regular expressions run only for lines that may hold a match.
const (
	aToken = 1 << iota
	aBearer
	aName
)

// suspicious marks the bytes before or at which a token, a bearer or a name can end.
var suspicious = [256]bool{'x': true, ' ': true, '"': true, '=': true}

// suspicions looks at a line once and returns what the line may hold. It may return too
// much, never too little.
func suspicions(line []byte) (found int) {
	for i, c := range line {
		if suspicious[c] { // few bytes are
			found |= suspicionAt(line, i)
		}
	}
	return found
}

func suspicionAt(line []byte, i int) int {
	switch line[i] {
	case 'x':
		if rest := line[i:]; len(rest) > 5 && (rest[1] == 'o' && rest[2] == 'x' || string(rest[1:5]) == "app-") {
			return aToken
		}
	case ' ':
		if endsInBearer(line[:i]) {
			return aBearer
		}
	case '"', '=':
		if endsInSecret(line[:i]) {
			return aName
		}
	}
	return 0
}

func endsInBearer(b []byte) bool {
	n := len(b)
	return n >= 6 && b[n-1]|0x20 == 'r' && b[n-2]|0x20 == 'e' && b[n-3]|0x20 == 'r'
}

// endsInSecret reports whether a name that promises a secret has just ended.
func endsInSecret(b []byte) bool {
	if len(b) < 5 {
		return false
	}
	switch b[len(b)-1] {
	case 'n':
		return bytes.HasSuffix(b, []byte("token")) || bytes.HasSuffix(b, []byte("authorization"))
	case 't':
		return bytes.HasSuffix(b, []byte("secret"))
	case 'd':
		return bytes.HasSuffix(b, []byte("password"))
	case 'e':
		return bytes.HasSuffix(b, []byte("cookie")) || bytes.HasSuffix(b, []byte("signature"))
	}
	return false
}
