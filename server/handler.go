package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slackmcp/server/web"
)

// RunHandler serves requests that somebody else brings, and listens nowhere: serve is
// given the handler of every route and returns when ctx is done. No handler, journal or
// other part runs beside it, so that nothing is half done when the process is frozen.
// The store is closed at the end. RunHandler may be called once, in Run's place.
func (s *Server) RunHandler(ctx context.Context, serve func(ctx context.Context, h http.Handler) error) error {
	defer s.store.Close()
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving a function",
		slog.String("queue_backend", string(s.cfg.Queue.Backend)), slog.Any("receives", s.receiver.Paths()), slog.String("version", s.version))
	s.health.Set(web.Serving)
	close(s.ready)
	err := serve(ctx, s.site.Handler())
	s.health.Set(web.Draining)
	s.log.LogAttrs(ctx, slog.LevelInfo, "stopped")
	return errors.Join(err, s.store.Close())
}
