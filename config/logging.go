package config

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"strings"

	"slackmcp/internal/logging"
)

// Log says what is logged and how.
type Log struct {
	Level slog.Level
	// Format is one of the LogFormat constants.
	Format string
	// Audit is where the audit trail is written: a file, or one of the Audit constants;
	// empty writes none.
	Audit string
}

// The words of AUDIT_LOG that name no file.
const (
	AuditStderr = "stderr"
	AuditStdout = "stdout"
)

// The values of LOG_FORMAT.
const (
	// LogAuto is text on a terminal and JSON elsewhere.
	LogAuto = "auto"
	// LogText is slog's key=value lines.
	LogText = "text"
	// LogJSON is one JSON object a line.
	LogJSON = "json"
)

// NewLogger makes the program's logger, which writes each line to w at once: JSON, or text
// when LOG_FORMAT says so or terminal is true and LOG_FORMAT says nothing. Durations
// are written as package logging says. Every line passes a filter that takes out the
// configured secrets, those of Learn, and whatever looks like a token; it is the last line
// of defence and no leave to log secrets.
func NewLogger(c Config, w io.Writer, terminal bool) *slog.Logger {
	return logging.New(w, logging.Options{
		Level: c.Log.Level, Secrets: c.settled(),
		Text: c.Log.Format == LogText || c.Log.Format != LogJSON && terminal,
	})
}

// Scrubbed returns a writer that takes the configured secrets, those of Learn, and whatever
// looks like a token, out of each text before it passes the text on to w. A secret that is
// split over two writes is not seen: write whole lines. The writer is not safe for
// concurrent use.
func (c Config) Scrubbed(w io.Writer) io.Writer { return c.settled().Filter(w) }

// Redactor returns a function that takes out of a text what Scrubbed takes out. It is for texts that are encoded
// afterwards, such as those of a page. It is safe for concurrent use.
func (c Config) Redactor() func(text string) string { return c.settled().Redact }

// settled returns the known secrets with those of the settings among them.
func (c Config) settled() *logging.Secrets {
	secrets := c.known
	if secrets == nil {
		secrets = &logging.Secrets{}
	}
	secrets.Keep(settingsSecrets(c)...)
	return secrets
}

// Learn makes the texts known as secrets to every logger that was made of this
// configuration or a copy of it, and to every writer of Scrubbed, at once: those that
// files name, and what replaced the settings while the process runs. Of an address that
// holds a password, the password is known too. Texts of fewer than eight bytes are left
// out. The newest 4,096 are kept, of 2 MiB together; so what is in force should be
// learned again when something is replaced. It is safe for concurrent use, and does
// nothing for a Config that Load did not make.
func (c Config) Learn(texts ...string) {
	if c.known == nil {
		return
	}
	for _, text := range texts {
		c.known.Learn(append(urlSecrets(NewSecretURL(text)), text)...)
	}
}

// LearnFrom makes all that another configuration knows as secret known to this one.
func (c Config) LearnFrom(other Config) {
	c.Learn(settingsSecrets(other)...)
	if other.known != nil && other.known != c.known {
		c.Learn(other.known.Learned()...)
	}
}

// settingsSecrets lists the secrets that settings hold.
func settingsSecrets(c Config) []string {
	var texts []string
	for _, setting := range table {
		switch v := setting.bind.get(&c).(type) {
		case Secret:
			texts = append(texts, v.Reveal())
		case Secrets:
			texts = append(texts, v.Reveal()...)
		case SecretURL:
			texts = append(texts, urlSecrets(v)...)
		case []Token:
			for _, token := range v {
				texts = append(texts, token.Secret.Reveal())
			}
		}
	}
	return texts
}

// urlSecrets lists what of a store's address must not be seen: the address, when it has a
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

// LogValue lists the settings that are not at their default, each with its origin and with
// secrets redacted.
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
