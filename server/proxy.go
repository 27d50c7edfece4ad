package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// clientAddress finds a request's address for Echo.
func (s *Server) clientAddress() echo.IPExtractor {
	return func(r *http.Request) string {
		if a := s.client(r); a.IsValid() {
			return a.String()
		}
		return ""
	}
}

// client is the address that a request came from. What X-Forwarded-For says counts only
// as far as proxies that the operator trusts have written it: it is read from its end,
// where the nearest proxy wrote, and the first address that is no trusted proxy is the
// client's. The zero address means that nobody can tell.
func (s *Server) client(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	from := at.Addr().Unmap()
	if len(s.cfg.Listen.TrustedProxies) == 0 || !s.proxy(from) {
		return from
	}
	for _, line := range slices.Backward(r.Header["X-Forwarded-For"]) {
		for line != "" {
			i := strings.LastIndexByte(line, ',')
			a, ok := forwarded(line[i+1:])
			if !ok {
				return from // whoever wrote that is not to be believed any further
			}
			if from = a; !s.proxy(from) {
				return from
			}
			line = line[:max(i, 0)]
		}
	}
	return from
}

// forwarded reads one address of X-Forwarded-For; some proxies add the port.
func forwarded(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	at, err := netip.ParseAddrPort(text)
	return at.Addr().Unmap().WithZone(""), err == nil
}

// proxy reports whether an address is a proxy's whose word counts.
func (s *Server) proxy(a netip.Addr) bool {
	for _, p := range s.cfg.Listen.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// trusted reports whether a request comes from a proxy whose word counts.
func (s *Server) trusted(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && s.proxy(at.Addr().Unmap())
}
