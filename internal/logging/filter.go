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
	if _, err := f.to.Write(f.secrets.redact(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// Redact returns a text without the known secrets and whatever looks like a token. It is for texts that are not
// encoded yet: what is HTML already would not stay whole.
func (s *Secrets) Redact(text string) string { return string(s.redact([]byte(text))) }

func (s *Secrets) redact(line []byte) []byte {
	clean := s.matcher().redact(line)
	look := suspicions(clean)
	if look&aToken != 0 {
		clean = slackToken.ReplaceAll(clean, []byte(Redacted))
	}
	if look&aBearer != 0 {
		clean = bearerWord.ReplaceAll(clean, []byte("${1} "+Redacted))
	}
	if look&aName != 0 {
		clean = withoutFields(clean)
	}
	return clean
}

// Neither wants the beginning of a word: in JSON a new line before it is \n.
var (
	slackToken = regexp.MustCompile(`(?:xoxe\.)?(?:xox[a-z]|xapp)-[A-Za-z0-9-]{6,}`)
	bearerWord = regexp.MustCompile(`(?i)(bearer) +[A-Za-z0-9._~+/=-]{8,}`)
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
		if endsInSecret(bytes.TrimSuffix(line[:i], []byte(`\`))) { // the quote may be escaped
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
		return endsInWord(b, "token") || endsInWord(b, "authorization")
	case 't':
		return endsInWord(b, "secret")
	case 'd':
		return endsInWord(b, "password")
	case 'e':
		return endsInWord(b, "cookie") || endsInWord(b, "signature")
	}
	return false
}

// endsInWord reports whether the bytes end in a word, before which there is no letter and no digit but those of an
// escape such as \n or \u0026.
func endsInWord(b []byte, word string) bool {
	before, found := bytes.CutSuffix(b, []byte(word))
	n := len(before)
	if !found || n == 0 {
		return found
	}
	c := before[n-1]
	return (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') ||
		n >= 2 && before[n-2] == '\\' || n >= 6 && before[n-6] == '\\' && before[n-5] == 'u'
}
