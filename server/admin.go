package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"slackmcp/server/apidoc"
)

// operatorRoutes are what an operator looks at. ADMIN_ADDR moves them to a listener of
// their own.
func (b *builder) operatorRoutes(e *echo.Echo) {
	safe := b.page(b.cfg.Listen.TLS() && b.cfg.Admin.Addr == "")
	look(e, "/health/detailed", b.health.detailed, safe)
	look(e, "/metrics", plain(b.metrics.Handler()), safe)
	look(e, apidoc.DocumentPath, plain(http.HandlerFunc(b.api.Document)), safe)
	look(e, apidoc.PagePath, plain(http.HandlerFunc(b.api.Page)), safe)
}

// admin prepares the second listener, when there is to be one.
func (b *builder) admin() {
	if b.cfg.Admin.Addr == "" {
		return
	}
	e := newEcho(b.Server)
	b.operatorRoutes(e)
	b.readers = append(b.readers, part{"admin listener", func(ctx context.Context) error {
		return b.serveAdmin(ctx, e)
	}})
}

// serveAdmin serves the operator's routes until ctx ends: over HTTPS where the main
// listener has it and others than this machine can connect. It is among what ends last,
// so that an operator can watch the drain.
func (s *Server) serveAdmin(ctx context.Context, h http.Handler) error {
	l, err := listen(ctx, s.cfg.Admin.Addr, "ADMIN_ADDR")
	if err != nil {
		return err
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving operators", slog.String("addr", l.Addr().String()))
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // its answers take milliseconds
	defer stop()
	secured := s.tls
	if s.cfg.Admin.Loopback() {
		secured = nil
	}
	if err := serveOn(srv, l, secured); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// operator reports whether a request shows the admin token: only then engine errors are
// shown in words.
func (s *Server) operator(r *http.Request) bool {
	want := s.cfg.Admin.Token.Reveal()
	scheme, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return want != "" && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}
