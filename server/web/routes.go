// Package web is the server's HTTP front: the listener with its limits and certificate, the
// address of a client behind proxies, the middleware, every route, and the health answers.
// It is the only importer of Echo. What the routes lead to is handed in by [Options].
//
// routes.go shows every route on one screen, listener.go what bounds a connection.
package web

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"slackmcp/server/apidoc"
)

// Options are what the routes lead to. A nil part has no routes.
type Options struct {
	// HTTPS says that the listener has a certificate, and RequireHTTPS that what comes in
	// clear is refused.
	HTTPS, RequireHTTPS bool
	// Proxies are believed about the address of a client.
	Proxies Proxies
	// SeparateAdmin moves the operators' routes from Handler to AdminHandler.
	SeparateAdmin bool
	// Health, Metrics and API answer operators and probes. Required.
	Health  *Health
	Metrics http.Handler
	API     *apidoc.API
	// Receiver takes what senders post.
	Receiver Receiver
	// MCP serves assistants at Mount and, but for the health answer, at "/".
	MCP   Assistants
	Mount string
	// EnterMCP is a middleware of the MCP routes; nil is none.
	EnterMCP func(http.Handler) http.Handler
	// Metadata is the document by which MCP clients find the authorization server.
	Metadata Receiver
	// SignIn is where people sign in with Slack.
	SignIn Receiver
	// Console is the operator's console.
	Console Receiver
	// Logger receives a line for each request to a page, and panics. Required.
	Logger *slog.Logger
}

// A Receiver is a handler that knows the paths it is to be served at.
type Receiver interface {
	http.Handler
	Paths() []string
}

// Assistants is the MCP side.
type Assistants interface {
	Handler() http.Handler
	// RootHandler serves "/", where own answers what is not MCP.
	RootHandler(own http.Handler) http.Handler
}

// A Site is every middleware and every route. New makes it.
type Site struct {
	opt         Options
	main, admin *echo.Echo // admin is nil without SeparateAdmin
}

// New returns the routes. What senders post to has the shortest way.
func New(o Options) *Site {
	e := newEcho(o)
	s := &Site{opt: o, main: e}
	if o.RequireHTTPS {
		e.Use(requireHTTPS(o.Proxies.sent))
	}
	safe := page(o.HTTPS, o.Proxies, o.Logger)
	look(e, "/health", o.Health.simple, safe)
	look(e, "/livez", o.Health.live, safe)
	look(e, "/readyz", o.Health.ready, safe)
	operators, operatorsPage := e, safe
	if o.SeparateAdmin {
		s.admin = newEcho(o)
		operators, operatorsPage = s.admin, page(false, o.Proxies, o.Logger)
	}
	look(operators, "/health/detailed", o.Health.detailed, operatorsPage)
	look(operators, "/metrics", plain(o.Metrics), operatorsPage)
	look(operators, apidoc.DocumentPath, plain(http.HandlerFunc(o.API.Document)), operatorsPage)
	look(operators, apidoc.PagePath, plain(http.HandlerFunc(o.API.Page)), operatorsPage)
	hand(operators, o.Console, operatorsPage)

	if o.Receiver != nil {
		for _, path := range append(o.Receiver.Paths(), "/events/*") {
			e.Any(path, plain(o.Receiver)) // it answers 405 and 404 in its own words
		}
	}
	if o.MCP == nil {
		look(e, "/", o.Health.simple, safe)
		return s
	}
	enter := func(h http.Handler) echo.HandlerFunc {
		if o.EnterMCP != nil {
			h = o.EnterMCP(h)
		}
		return plain(carryRequestID(h))
	}
	e.Any(o.Mount, enter(o.MCP.Handler()), safe)
	e.Any(o.Mount+"/*", enter(o.MCP.Handler()), safe)
	e.Any("/", enter(o.MCP.RootHandler(asHandler(e, o.Health.simple))), safe)
	hand(e, o.Metadata, safe)
	if hand(e, o.SignIn, safe); o.SignIn == nil {
		e.POST(registerPath, plain(http.HandlerFunc(noRegistration)), safe)
	}
	return s
}

// registerPath is where clients of OAuth register themselves when they were refused for want of a token.
const registerPath = "/register"

// noRegistration tells a client what to do where nobody can sign in: clients print the description, and
// would say nothing of use after a 404.
func noRegistration(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(map[string]string{ // a peer that left needs no answer
		"error": "invalid_client_metadata",
		"error_description": "This server registers no clients: give your client the header Authorization: Bearer <token>, " +
			"with the token that the server's operator has (MCP_AUTH_TOKEN or one of MCP_TOKENS)",
	})
}

// Handler serves the main listener.
func (s *Site) Handler() http.Handler { return s.main }

// AdminHandler serves the operators' listener, with SeparateAdmin.
func (s *Site) AdminHandler() http.Handler { return s.admin }

// A Route is a path that a server answers.
type Route struct {
	// Addr is the listener's address.
	Addr string `json:"addr"`
	Path string `json:"path"`
	// For says in words what is served there.
	For string `json:"for"`
}

// Routes lists each path once, by listener and path, with the listeners' addresses.
func (s *Site) Routes(addr, adminAddr string) []Route {
	list := s.routesOf(addr, s.main)
	if s.admin != nil {
		list = append(list, s.routesOf(adminAddr, s.admin)...)
	}
	return list
}

func (s *Site) routesOf(addr string, e *echo.Echo) []Route {
	var list []Route
	for _, r := range e.Routes() {
		list = append(list, Route{Addr: addr, Path: r.Path, For: s.purpose(r.Path)})
	}
	slices.SortFunc(list, func(x, y Route) int { return cmp.Compare(x.Path, y.Path) })
	return slices.Compact(list)
}

// purpose says what a path is for.
func (s *Site) purpose(path string) string {
	o := s.opt
	switch {
	case path == "/" && o.MCP != nil:
		return "health, and MCP for clients that know only the bare address"
	case path == apidoc.DocumentPath, path == apidoc.PagePath:
		return "the description of these routes"
	case path == "/", strings.HasPrefix(path, "/health"), path == "/livez", path == "/readyz":
		return "health"
	case path == "/metrics":
		return "metrics for Prometheus"
	case path == "/events/*":
		return "404 for senders that have no secret here"
	case o.MCP != nil && (path == o.Mount || path == o.Mount+"/*"):
		return "MCP"
	case o.Metadata != nil && slices.Contains(o.Metadata.Paths(), path):
		return "where MCP clients find the authorization server"
	case path == registerPath && o.SignIn == nil:
		return "says which header clients need"
	case o.SignIn != nil && slices.Contains(o.SignIn.Paths(), path):
		return "signing in with Slack"
	case o.Console != nil && slices.Contains(o.Console.Paths(), path):
		return "the operator's console"
	case o.Receiver != nil && slices.Contains(o.Receiver.Paths(), path):
		return "signed events"
	}
	return "operating"
}

// newEcho returns an Echo with what every listener has in common.
func newEcho(o Options) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = handleError
	e.IPExtractor = func(r *http.Request) string { return AddressText(o.Proxies.Client(r)) }
	e.Use(recoverPanics(o.Logger), newRequestIDs().middleware, newUnnamedProxies(o.Proxies, o.Logger).middleware)
	return e
}

// hand adds the routes of a part; nil is none.
func hand(e *echo.Echo, r Receiver, m ...echo.MiddlewareFunc) {
	if r == nil {
		return
	}
	for _, path := range r.Paths() {
		e.Any(path, plain(r), m...)
	}
}

// look adds a route that shows something: by GET, and by HEAD, which monitors like.
func look(e *echo.Echo, path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) {
	e.Match([]string{http.MethodGet, http.MethodHead}, path, h, m...)
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
