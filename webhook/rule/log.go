package rule

import (
	"context"
	"log/slog"

	"slackmcp/store/queue"
)

type logLine struct {
	rule  string
	level slog.Level
	text  *textTemplate // nil without one
	log   *slog.Logger
}

var levels = map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func newLog(rule string, s Log, t tools) (action, error) {
	a := &logLine{rule: rule, level: levels[s.Level], log: t.log}
	if s.Text == "" {
		return a, nil
	}
	var err error
	a.text, err = newTemplate(s.Text, func(s string) string { return s })
	return a, err
}

// do writes the line; the log's handler quotes what the text holds.
func (a *logLine) do(ctx context.Context, d queue.Delivery) error {
	e := &d.Event
	attrs := []slog.Attr{
		slog.String("rule", a.rule), slog.String("source", e.Source), slog.String("event_id", e.ID),
		slog.String("kind", e.Kind.String()), slog.String("channel", e.Channel), slog.String("user", e.User),
	}
	if a.text != nil {
		text, err := a.text.execute(e)
		if err != nil {
			return queue.Permanent(err)
		}
		attrs = append(attrs, slog.String("text", text))
	}
	a.log.LogAttrs(ctx, a.level, "rule matched", attrs...)
	return nil
}
