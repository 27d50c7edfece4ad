package config

import (
	"bytes"
	"io"
	"net/url"
	"regexp"
	"strings"
)

// A scrubber takes secrets out of log lines on their way to a writer. It looks at whole
// lines, as slog's handlers write them: one search of the bytes costs less than a look at
// each attribute, and nothing is missed for being nested.
type scrubber struct {
	to    io.Writer
	known *knownSecrets
}

// Scrubbed returns a writer that takes the configured secrets, those that Learn was told,
// and whatever looks like a token, out of each text before it passes it on to w. A secret
// that is split over two writes is not seen: write whole lines. It is not safe for
// concurrent use.
func (c Config) Scrubbed(w io.Writer) io.Writer { return newScrubber(c, w) }

func newScrubber(c Config, to io.Writer) *scrubber {
	s := &scrubber{to: to, known: c.known}
	if s.known == nil {
		s.known = &knownSecrets{}
	}
	s.known.settle(settingsSecrets(c))
	return s
}

// revealed lists the secret texts inside a value of Config.
func revealed(value any) []string {
	switch v := value.(type) {
	case Secret:
		return []string{v.Reveal()}
	case Secrets:
		return v.Reveal()
	case SecretURL:
		return urlSecrets(v)
	case []Token:
		var texts []string
		for _, token := range v {
			texts = append(texts, token.Secret.Reveal())
		}
		return texts
	}
	return nil
}

// urlSecrets lists what of an engine's address must not be seen: it, when it has a
// password, and the password.
func urlSecrets(address SecretURL) []string {
	var texts []string
	for one := range strings.SplitSeq(address.Reveal(), ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.User == nil {
			continue
		}
		texts = append(texts, strings.TrimSpace(one), u.User.String())
		if password, ok := u.User.Password(); ok {
			texts = append(texts, password)
		}
	}
	return texts
}

// Write passes one line on, scrubbed. It reports the length of what it was given.
func (s *scrubber) Write(line []byte) (int, error) {
	clean := s.known.matcher().redact(line)
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
	if _, err := s.to.Write(clean); err != nil {
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

// What a line may hold, so that the regular expressions run for few lines only.
const (
	aToken = 1 << iota
	aBearer
	aName
)

// telling marks the bytes at which suspicions stops.
var telling = [256]bool{'x': true, ' ': true, '"': true, '=': true}

// suspicions looks at a line once. It may suspect the innocent, never the reverse.
func suspicions(line []byte) (found int) {
	for i, c := range line {
		if telling[c] { // few do
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
