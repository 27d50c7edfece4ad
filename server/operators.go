package server

import (
	"context"
	"log/slog"

	"slackmcp/config"
	"slackmcp/server/socket"
)

// operators prepares the socket in DATA_DIR by which the commands of an operator reach
// this process. Commands that need more than the store get their routes here.
func (b *builder) operators(context.Context) error {
	if !b.cfg.Mode.Webhook() {
		return nil // there are no events here, and the directory may be another server's
	}
	b.socket = socket.New(socket.Options{
		Path:  socket.Path(b.cfg.Queue.DataDir),
		Hello: socket.Hello{Version: b.version, Backend: string(b.cfg.Queue.Backend), Topic: b.cfg.Queue.Topic},
		Queue: b.store, Drain: b.cfg.Drain, Logger: b.log, Changed: b.operated,
	})
	b.gapRoutes()
	b.operateSubscriptions()
	b.workers = append(b.workers, part{"operator socket", b.serveOperators})
	return nil
}

// openSocket takes the socket's place. One that cannot be had keeps nothing else from
// working: it is logged with the remedy.
func (s *Server) openSocket(ctx context.Context) {
	if s.socket == nil {
		return
	}
	err := config.PrepareDataDir(s.cfg.Queue.DataDir)
	if err == nil {
		err = s.socket.Listen(ctx)
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "an operator's commands cannot reach this process", slog.String("error", err.Error()))
	}
}

// serveOperators answers until ctx ends. Its trouble is not that of the events.
func (s *Server) serveOperators(ctx context.Context) error {
	if err := s.socket.Serve(ctx); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the operator socket ended", slog.String("error", err.Error()))
	}
	return nil
}
