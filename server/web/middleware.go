package web

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"slackmcp/webhook"
)

// RequestIDHeader carries the request's id in and out. Inside it stands in the
// request's own header, so that plain http.Handlers find it without a context.
const RequestIDHeader = webhook.RequestIDHeader

type requestIDKey struct{}

// carryRequestID puts the request's id into the context of what it causes.
func carryRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, r.Header.Get(RequestIDHeader))))
	})
}

// RequestID returns the id of the MCP request that a context belongs to, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// requestIDs names requests: a sender's own id is kept when it is harmless, any other
// is replaced. The ids of one process share a random prefix and count up.
type requestIDs struct {
	prefix string
	n      atomic.Uint64
}

func newRequestIDs() *requestIDs {
	return &requestIDs{prefix: rand.Text()[:10] + "-"}
}

// harmless is a sender's id that can be written to a log and back.
var harmless = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (ids *requestIDs) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Request().Header
		id := h.Get(RequestIDHeader)
		if !harmless.MatchString(id) {
			var text [32]byte
			id = string(strconv.AppendUint(append(text[:0], ids.prefix...), ids.n.Add(1), 10))
			h[RequestIDHeader] = []string{id}
		}
		c.Response().Header()[RequestIDHeader] = h[RequestIDHeader][:1]
		return next(c)
	}
}

// plain serves a route by a handler that does not know Echo.
func plain(h http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		h.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

// AddressText is an address in words, empty when it is not known.
func AddressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// recoverPanics answers 500 in our one shape and logs where the panic came from; its
// words stay inside.
func recoverPanics(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if v == http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared by identity, as net/http does
					panic(v)
				}
				log.LogAttrs(c.Request().Context(), slog.LevelError, "panic in a handler",
					slog.String("request_id", c.Request().Header.Get(RequestIDHeader)),
					slog.String("route", c.Path()), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
				if !c.Response().Committed {
					err = c.JSONBlob(http.StatusInternalServerError, []byte(`{"error":"internal"}`))
				}
			}()
			return next(c)
		}
	}
}

// page is the middleware of every route but those that senders post to, which have lines of
// their own in the log, and no browser.
func page(https bool, proxies Proxies, log *slog.Logger) echo.MiddlewareFunc {
	headers := secure(https)
	return func(next echo.HandlerFunc) echo.HandlerFunc { return logged(headers(next), proxies, log) }
}

// logged writes one line for a request: at debug, because probes and scrapes come all
// day, unless something went wrong. The path is the route's, not what was sent.
func logged(next echo.HandlerFunc, proxies Proxies, log *slog.Logger) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		err := next(c)
		status := c.Response().Status
		if he, ok := errors.AsType[*echo.HTTPError](err); ok && !c.Response().Committed {
			status = he.Code
		}
		level := slog.LevelDebug
		if status == http.StatusInternalServerError { // a probe is answered 503 while draining
			level = slog.LevelError
		}
		r := c.Request()
		log.LogAttrs(r.Context(), level, "http request",
			slog.String("method", r.Method), slog.String("route", c.Path()), slog.Int("status", status), slog.Float64("duration_seconds", time.Since(began).Seconds()),
			slog.Int64("bytes", c.Response().Size), slog.String("remote", AddressText(proxies.Client(r))), slog.String("request_id", r.Header.Get(RequestIDHeader)))
		return err
	}
}

// secure puts the headers beside an answer that a browser could be shown: believe the
// media type, frame and fetch nothing, send no referrer. A page with
// scripts of its own sets its own Content-Security-Policy. What senders post to is
// answered without: no browser reads it.
func secure(https bool) echo.MiddlewareFunc {
	headers := map[string][]string{
		"X-Content-Type-Options":  {"nosniff"},
		"X-Frame-Options":         {"DENY"},
		"Referrer-Policy":         {"no-referrer"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	}
	if https {
		headers["Strict-Transport-Security"] = []string{"max-age=31536000"}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			maps.Copy(c.Response().Header(), headers)
			return next(c)
		}
	}
}

// requireHTTPS refuses what came in clear. The proxy's word counts only where proxies
// are trusted (TRUSTED_PROXIES); health probes are let through.
func requireHTTPS(trusted func(*http.Request) bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if r.TLS != nil || probe(r.URL.Path) || (trusted(r) && r.Header.Get("X-Forwarded-Proto") == "https") {
				return next(c)
			}
			return c.JSON(http.StatusForbidden, errorBody{Error: "https required", Detail: "REQUIRE_HTTPS is set: send this request over https"})
		}
	}
}

func probe(path string) bool {
	switch path {
	case "/", "/health", "/livez", "/readyz":
		return true
	}
	return false
}

// errorBody is the one JSON shape of an error.
type errorBody struct {
	Error  string `json:"error"`
	Detail string `json:"detail,omitempty"`
}

// handleError translates what Echo itself refuses: an unknown route, a wrong verb.
func handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status := http.StatusInternalServerError
	body := errorBody{Error: "internal"}
	if he, ok := err.(*echo.HTTPError); ok { //nolint:errorlint // Echo hands over its own errors unwrapped
		status = he.Code
		body.Error = statusWords(status)
	}
	_ = c.JSON(status, body)
}

func statusWords(status int) string {
	switch status {
	case http.StatusNotFound:
		return "not found"
	case http.StatusMethodNotAllowed:
		return "method not allowed"
	case http.StatusInternalServerError:
		return "internal"
	}
	return http.StatusText(status)
}
