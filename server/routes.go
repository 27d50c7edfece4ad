package server

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

// web builds the Echo instance: every middleware and every route, on one screen. What
// senders post to has the shortest way.
func (b *builder) web(context.Context) error {
	if err := b.describe(); err != nil {
		return err
	}
	b.health = newHealth(b.Server)
	e := newEcho(b.Server)
	if b.cfg.Listen.RequireHTTPS {
		e.Use(requireHTTPS(b.trusted))
	}

	safe := b.page(b.cfg.Listen.TLS())
	look(e, "/health", b.health.simple, safe)
	look(e, "/livez", b.health.live, safe)
	look(e, "/readyz", b.health.ready, safe)
	if b.cfg.Admin.Addr == "" {
		b.operatorRoutes(e)
	}
	b.admin()
	root := echo.HandlerFunc(b.health.simple)

	if b.receiver != nil {
		for _, path := range append(b.receiver.Paths(), "/events/*") {
			e.Any(path, plain(b.receiver)) // it answers 405 and 404 in its own words
		}
	}
	if b.mcp != nil {
		mount := b.cfg.MCP.MountPath
		e.Any(mount, plain(carryRequestID(b.incoming(b.mcp.Handler()))), safe)
		e.Any(mount+"/*", plain(carryRequestID(b.incoming(b.mcp.Handler()))), safe)
		e.Any("/", plain(carryRequestID(b.incoming(b.mcp.RootHandler(asHandler(e, root))))), safe)
		if b.metadata != nil {
			for _, path := range b.metadata.Paths() {
				e.Any(path, plain(b.metadata), safe)
			}
		}
	} else {
		look(e, "/", root, safe)
	}
	b.echo = e
	b.onListen = b.announce
	return nil
}

// newEcho returns an Echo with what every listener has in common.
func newEcho(s *Server) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = handleError
	e.IPExtractor = s.clientAddress()
	e.Use(recoverPanics(s.log), newRequestIDs().middleware)
	return e
}

// look adds a route that shows something: by GET, and by HEAD, which monitors like.
func look(e *echo.Echo, path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) {
	e.Match([]string{http.MethodGet, http.MethodHead}, path, h, m...)
}

// plain serves a route by a handler that does not know Echo.
func plain(h http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		h.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

// asHandler makes an http.Handler of one of our own routes: GET and HEAD only.
func asHandler(e *echo.Echo, route echo.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := e.NewContext(r, w)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", http.MethodGet)
			handleError(echo.ErrMethodNotAllowed, c)
			return
		}
		if err := route(c); err != nil {
			handleError(err, c)
		}
	})
}
