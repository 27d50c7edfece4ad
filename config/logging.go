package config

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// NewLogger makes the program's logger, which writes to w: JSON lines, or text when
// LOG_FORMAT says so or terminal is true and LOG_FORMAT says nothing. Durations are
// nanoseconds in JSON, and as Go writes them in text. Every line passes a filter that
// takes out the configured secrets and whatever looks like a token; it is the last
// line of defence and no leave to log secrets.
func NewLogger(c Config, w io.Writer, terminal bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Log.Level}
	w = newScrubber(c, w)
	if c.Log.Format == LogText || c.Log.Format != LogJSON && terminal {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// A scrubber takes secrets out of log lines on their way to a writer. It looks at whole
// lines, as slog's handlers write them: a few searches for fixed bytes cost less than a
// look at each attribute, and nothing is missed for being nested.
type scrubber struct {
	to    io.Writer
	known [][]byte // the secrets, also as JSON writes them
}

// minScrubbed is the length below which a secret is no rare text: taking it out would
// maim the log and tell the secret by its holes.
const minScrubbed = 8

func newScrubber(c Config, to io.Writer) *scrubber {
	s := &scrubber{to: to}
	for _, setting := range table {
		for _, text := range revealed(setting.bind.get(&c)) {
			if len(text) < minScrubbed {
				continue
			}
			s.known = append(s.known, []byte(text))
			if quoted := strings.Trim(strconv.Quote(text), `"`); quoted != text {
				s.known = append(s.known, []byte(quoted))
			}
			if b, err := json.Marshal(text); err == nil && string(b[1:len(b)-1]) != text {
				s.known = append(s.known, b[1:len(b)-1])
			}
		}
	}
	// A longer secret may hold a shorter one, which would leave its ends behind.
	slices.SortFunc(s.known, func(a, b []byte) int { return len(b) - len(a) })
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
	clean := line
	for _, secret := range s.known {
		if bytes.Contains(clean, secret) {
			clean = bytes.ReplaceAll(clean, secret, []byte(Redacted))
		}
	}
	if bytes.Contains(clean, []byte("xox")) || bytes.Contains(clean, []byte("xapp-")) {
		clean = slackToken.ReplaceAll(clean, []byte(Redacted))
	}
	if bytes.Contains(clean, []byte("earer ")) || bytes.Contains(clean, []byte("EARER ")) {
		clean = bearerWord.ReplaceAll(clean, []byte("${1} "+Redacted))
	}
	if saysSecret(clean) {
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
	secretNames = [][]byte{[]byte("token"), []byte("secret"), []byte("password"), []byte("authorization"), []byte("cookie"), []byte("signature")}
)

// saysSecret reports that a name which promises a secret stands before a value.
func saysSecret(line []byte) bool {
	for _, name := range secretNames {
		for rest := line; ; {
			i := bytes.Index(rest, name)
			if i < 0 {
				break
			}
			rest = rest[i+len(name):]
			if len(rest) > 0 && (rest[0] == '"' || rest[0] == '=') {
				return true
			}
		}
	}
	return false
}

// LogValue is the settings that somebody set, each with where from; secrets redacted.
func (c Config) LogValue() slog.Value {
	var set []slog.Attr
	for _, setting := range table {
		if origin := c.Origin(setting.Key); origin.Kind != FromDefault && origin.Kind != "" {
			set = append(set, slog.String(strings.ToLower(setting.Key)+"_setting", c.Shown(setting.Key)+" from "+origin.String()))
		}
	}
	return slog.GroupValue(set...)
}

// LogWarnings writes the warnings that Load gathered.
func (c Config) LogWarnings(ctx context.Context, log *slog.Logger) {
	for _, warning := range c.Warnings {
		log.LogAttrs(ctx, slog.LevelWarn, "configuration", slog.String("warning", warning))
	}
}
