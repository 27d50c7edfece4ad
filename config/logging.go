package config

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

// NewLogger makes the program's logger, which writes to w: JSON lines, or text when
// LOG_FORMAT says so or terminal is true and LOG_FORMAT says nothing. Every record
// passes a filter that takes out the configured secrets and whatever looks like a
// token; it is the last line of defence and no leave to log secrets. Durations are
// written as Go writes them, in JSON too.
func NewLogger(c Config, w io.Writer, terminal bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Log.Level, ReplaceAttr: newScrubber(c).attr}
	if c.Log.Format == LogText || c.Log.Format != LogJSON && terminal {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// A scrubber takes secrets out of log records.
type scrubber struct{ known *strings.Replacer }

// minScrubbed is the length below which a secret is no rare text: taking it out would
// maim the log and tell the secret by its holes.
const minScrubbed = 8

func newScrubber(c Config) scrubber {
	var pairs []string
	for _, setting := range table {
		for _, text := range revealed(setting.bind.get(&c)) {
			if len(text) >= minScrubbed {
				pairs = append(pairs, text, Redacted)
			}
		}
	}
	return scrubber{known: strings.NewReplacer(pairs...)}
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

// attr is slog's ReplaceAttr.
func (s scrubber) attr(_ []string, a slog.Attr) slog.Attr {
	switch {
	case secretName(a.Key):
		return slog.String(a.Key, Redacted)
	case a.Value.Kind() == slog.KindDuration:
		return slog.String(a.Key, a.Value.Duration().String()) // JSON would have nanoseconds
	case a.Value.Kind() == slog.KindString:
		if text := a.Value.String(); s.text(text) != text {
			return slog.String(a.Key, s.text(text))
		}
	case a.Value.Kind() == slog.KindAny && !builtin(a):
		// Structs and errors are judged as they would be written.
		if text := fmt.Sprintf("%+v", a.Value.Any()); s.text(text) != text {
			return slog.String(a.Key, s.text(text))
		}
	}
	return a
}

func builtin(a slog.Attr) bool { return a.Key == slog.LevelKey || a.Key == slog.SourceKey }

func (s scrubber) text(text string) string {
	text = s.known.Replace(text)
	if strings.Contains(text, "xox") || strings.Contains(text, "xapp-") {
		text = slackToken.ReplaceAllString(text, Redacted)
	}
	if bearerWord.MatchString(text) {
		text = bearerWord.ReplaceAllString(text, "${1} "+Redacted)
	}
	return text
}

var (
	slackToken = regexp.MustCompile(`\b(?:xoxe\.)?(?:xox[a-z]|xapp)-[A-Za-z0-9-]{6,}`)
	bearerWord = regexp.MustCompile(`(?i)\b(bearer) +[A-Za-z0-9._~+/=-]{8,}`)
)

// secretName reports that an attribute's name promises a secret.
func secretName(key string) bool {
	lower := strings.ToLower(key)
	for _, word := range []string{"token", "secret", "password", "authorization", "cookie", "signature"} {
		if lower == word || strings.HasSuffix(lower, "_"+word) {
			return true
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
