package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// report tells the observer and the log of a finished request: one line each. Of a
// request whose signature was not good the log learns nothing that its sender wrote.
func (rc *Receiver) report(ctx context.Context, v *delivery) {
	v.Answered = time.Now()
	v.Duration = v.Answered.Sub(v.began)
	if rc.opt.Observe != nil {
		rc.opt.Observe(&v.Observation)
	}
	if v.Outcome == SSLCheck {
		return
	}
	level := slog.LevelInfo
	switch {
	case v.Outcome == Limited:
		level = slog.LevelDebug // who began to be held back was told once
	case v.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	case v.Status >= http.StatusBadRequest:
		level = slog.LevelWarn
	}
	if !rc.opt.Logger.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 18),
		slog.String("outcome", string(v.Outcome)), slog.Int("status", v.Status),
		slog.String("source", v.Source), slog.Duration("duration", v.Duration))
	if v.RequestID != "" {
		attrs = append(attrs, slog.String("request_id", v.RequestID))
	}
	if v.Reason != "" {
		attrs = append(attrs, slog.String("reason", v.Reason))
	}
	if v.Secret == 0 && v.Address.IsValid() {
		attrs = append(attrs, slog.String("remote", v.Address.String()))
	}
	if v.Outcome == Stale {
		attrs = append(attrs, slog.Duration("clock_skew", v.Skew))
	}
	if v.ID != "" {
		attrs = append(attrs, slog.String("event_id", v.ID), slog.String("kind", v.Kind.String()), slog.Int("bytes", v.Bytes))
	}
	if v.Team != "" {
		attrs = append(attrs, slog.String("team", v.Team))
	}
	if v.event.Channel != "" {
		attrs = append(attrs, slog.String("channel", v.event.Channel))
	}
	attrs = append(attrs, v.attrs...)
	if v.Retry.Num > 0 {
		attrs = append(attrs, slog.Int("retry_num", v.Retry.Num), slog.String("retry_reason", v.Retry.Reason))
	}
	if v.Tries > 1 {
		attrs = append(attrs, slog.Int("tries", v.Tries))
	}
	rc.opt.Logger.LogAttrs(ctx, level, "webhook received", attrs...)
}
