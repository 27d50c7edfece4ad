// Package logging makes the program's logger: slog's JSON or text lines, out of which a
// filter takes the secrets that are known and whatever looks like a token. The filter is
// the last line of defence and no leave to log secrets.
package logging

import (
	"io"
	"log/slog"
)

// Options say how lines are written.
type Options struct {
	// Level is the lowest level that is written.
	Level slog.Level
	// Text chooses slog's key=value lines in place of one JSON object a line.
	Text bool
	// Secrets are taken out of every line, those too that are added later. Required.
	Secrets *Secrets
}

// New returns a logger that writes each line to w at once. A duration is seconds in JSON,
// with _seconds behind its name, and as Go writes it in text.
func New(w io.Writer, o Options) *slog.Logger {
	w = o.Secrets.Filter(w)
	if o.Text {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: o.Level}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: inSeconds}))
}

// inSeconds replaces a duration, as metrics and health write it.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+"_seconds", a.Value.Duration().Seconds())
	}
	return a
}
