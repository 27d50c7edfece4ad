// Package logging makes the program's logger: slog's JSON or text lines, out of which a
// filter takes the secrets that are known and whatever looks like a token. The filter is
// the last line of defence and no leave to log secrets.
package logging

import (
	"io"
	"log/slog"
	"math"
	"strings"
	"time"
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

// New returns a logger that writes each line to w at once. Durations are logged as numbers
// of seconds whose names end in _seconds; in text they are written as Go writes durations,
// without that end.
func New(w io.Writer, o Options) *slog.Logger {
	w = o.Secrets.Filter(w)
	if o.Text {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: asDuration}))
	}
	// Without a ReplaceAttr, which would cost a third of a line.
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level}))
}

// asDuration makes a duration of a number of seconds.
func asDuration(_ []string, a slog.Attr) slog.Attr {
	name, ok := strings.CutSuffix(a.Key, "_seconds")
	if !ok || a.Value.Kind() != slog.KindFloat64 {
		return a
	}
	return slog.Any(name, time.Duration(math.Round(a.Value.Float64()*float64(time.Second))))
}
