package config

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"
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

// logDelay is the longest that a line below warning waits to be written.
const logDelay = 100 * time.Millisecond

// NewLogger makes the program's logger, which writes to w: JSON lines, or text when
// LOG_FORMAT says so or terminal is true and LOG_FORMAT says nothing. A duration is
// seconds in JSON, with _seconds behind its name, and as Go writes it in text. Every line
// passes a filter that takes out the configured secrets, those of Learn, and whatever
// looks like a token; it is the last line of defence and no leave to log secrets.
//
// On a terminal each line is written at once. Elsewhere lines below warning are
// gathered for up to a tenth of a second; a warning, and flush, write what was
// gathered. flush is to be called before the process ends.
func NewLogger(c Config, w io.Writer, terminal bool) (log *slog.Logger, flush func()) {
	options := &slog.HandlerOptions{Level: c.Log.Level}
	buffer := newLogBuffer(w)
	var h slog.Handler
	if c.Log.Format == LogText || c.Log.Format != LogJSON && terminal {
		h = slog.NewTextHandler(newScrubber(c, buffer), options)
	} else {
		options.ReplaceAttr = inSeconds
		h = newJSONLines(newScrubber(c, buffer), options)
	}
	urgent := slog.LevelWarn
	if terminal {
		urgent = slog.LevelDebug
	}
	return slog.New(urgentHandler{h, buffer, urgent}), buffer.flush
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
