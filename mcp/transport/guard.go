package transport

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// A guard decides by Host and Origin who may speak to us at all, before anything else
// of a request is looked at, and answers browsers' preflights.
type guard struct {
	origins map[string]bool // normal form
	hosts   map[string]bool // lower case, as configured
}

func newGuard(o Options) guard {
	g := guard{origins: map[string]bool{}, hosts: map[string]bool{}}
	for _, origin := range o.AllowedOrigins {
		if n, err := normalOrigin(origin); err == nil {
			g.origins[n] = true
		}
	}
	for _, host := range o.AllowedHosts {
		g.hosts[strings.ToLower(host)] = true
	}
	if u, err := url.Parse(o.PublicURL); err == nil && u.Host != "" {
		g.hosts[strings.ToLower(u.Host)] = true
		if n, err := normalOrigin(u.Scheme + "://" + u.Host); err == nil {
			g.origins[n] = true
		}
	}
	return g
}

const (
	corsMethods = "GET, POST, DELETE"
	corsExposed = "Mcp-Session-Id, WWW-Authenticate, Retry-After"
	// corsHeaders are what MCP clients send; Mcp-Param-* are added from the preflight.
	corsHeaders = "Accept, Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id"
	// corsMaxAge is two hours in seconds, the most that Chromium honours.
	corsMaxAge = "7200"
)

func (g guard) wrap(refuse func(r *http.Request, reason string), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.hostAllowed(r) {
			refuse(r, "host")
			reply(w, http.StatusForbidden, "host_not_allowed", "this server does not answer to that Host; behind a proxy set PUBLIC_URL to the address that clients use")
			return
		}
		if !g.originAllowed(r) {
			refuse(r, "origin")
			reply(w, http.StatusForbidden, "origin_not_allowed", "pages of that origin may not call this server; the operator can allow it")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			h := w.Header()
			h.Add("Vary", "Origin")
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsExposed)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", corsMethods)
				h.Set("Access-Control-Allow-Headers", corsHeaders+paramHeaders(r))
				h.Set("Access-Control-Max-Age", corsMaxAge)
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// paramHeaders returns the Mcp-Param-* headers that a preflight asks for: tools name
// them, so no list can.
func paramHeaders(r *http.Request) string {
	var b strings.Builder
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = strings.TrimSpace(name)
		if strings.HasPrefix(strings.ToLower(name), "mcp-param-") && !strings.ContainsAny(name, "\r\n") {
			b.WriteString(", " + name)
		}
	}
	return b.String()
}

// hostAllowed stops DNS rebinding: a page whose name was rebound to a loopback
// address still sends that name. Where the connection did not come over loopback and
// nothing was configured, any name may be right: a cluster gives us many.
func (g guard) hostAllowed(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if isLoopback(host) || g.hosts[host] || g.hosts[hostOnly(host)] {
		return true
	}
	local := localAddr(r)
	if isLoopback(local) {
		return false
	}
	return len(g.hosts) == 0 || hostOnly(host) == hostOnly(local)
}

// originAllowed lets requests without an Origin pass: they do not come from a page.
func (g guard) originAllowed(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	origin, err := normalOrigin(values[0])
	if err != nil {
		return false
	}
	if g.origins[origin] {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && isLoopback(u.Host) && isLoopback(r.Host)
}

var errNotOrigin = errors.New("not an origin")

// normalOrigin returns scheme://host[:port] in lower case without a default port.
func normalOrigin(s string) (string, error) {
	u, err := url.Parse(strings.ToLower(strings.TrimSuffix(s, "/")))
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || strings.Contains(u.Host, "*") {
		return "", errNotOrigin
	}
	host := u.Host
	switch {
	case u.Scheme == "http" && u.Port() == "80", u.Scheme == "https" && u.Port() == "443":
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return u.Scheme + "://" + host, nil
}

func localAddr(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return ""
}

func hostOnly(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}

func isLoopback(hostport string) bool {
	host := strings.ToLower(hostOnly(hostport))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
