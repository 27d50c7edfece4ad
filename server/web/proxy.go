package web

import (
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

// Proxies are the networks of the proxies that the operator trusts.
type Proxies []netip.Prefix

// Client is the address that a request came from. What X-Forwarded-For says counts only
// as far as proxies that the operator trusts have written it: it is read from its end,
// where the nearest proxy wrote, and the first address that is no trusted proxy is the
// client's. The zero address means that it is not known.
func (p Proxies) Client(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	from := at.Addr().Unmap()
	if !p.contain(from) {
		return from
	}
	for _, line := range slices.Backward(r.Header["X-Forwarded-For"]) {
		for line != "" {
			i := strings.LastIndexByte(line, ',')
			a, ok := forwarded(line[i+1:])
			if !ok {
				return from // what was written before that is not to be believed
			}
			if from = a; !p.contain(from) {
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

// contain reports whether an address is that of a trusted proxy.
func (p Proxies) contain(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// sent reports whether a request comes from a trusted proxy.
func (p Proxies) sent(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && p.contain(at.Addr().Unmap())
}

// maxUnnamed is of how many proxies that are not trusted the log has a line, of those with
// an address of a private network and of all others each: every client can send the header.
const maxUnnamed = 8

// unnamedProxies notices proxies that are not among the trusted ones. It is safe for
// concurrent use.
type unnamedProxies struct {
	trusted Proxies
	log     *slog.Logger

	mu     sync.Mutex
	seen   map[netip.Addr]bool // guarded by mu, as is what follows
	public int                 // how many of seen are no address of a private network
}

func newUnnamedProxies(trusted Proxies, log *slog.Logger) *unnamedProxies {
	return &unnamedProxies{trusted: trusted, log: log, seen: map[netip.Addr]bool{}}
}

func (u *unnamedProxies) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r := c.Request(); len(r.Header["X-Forwarded-For"]) > 0 {
			u.look(r)
		}
		return next(c)
	}
}

// look logs, once, an address that says for whom it forwards a request and is not trusted.
func (u *unnamedProxies) look(r *http.Request) {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return
	}
	a := at.Addr().Unmap().WithZone("")
	if u.trusted.contain(a) || !u.first(a) {
		return
	}
	u.log.LogAttrs(r.Context(), slog.LevelWarn, "a proxy that is not trusted forwards requests: its clients all count as one",
		slog.String("remote", a.String()),
		slog.String("remedy", "if this is a proxy or balancer of yours, set TRUSTED_PROXIES to it, and have it replace or extend X-Forwarded-For (docs/deployment.md); if not, a client has made the header up, and it changes nothing"))
}

// first notes an address and reports whether it is new, and within what is logged.
func (u *unnamedProxies) first(a netip.Addr) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen[a] {
		return false
	}
	if inside(a) {
		if len(u.seen)-u.public >= maxUnnamed {
			return false
		}
	} else {
		if u.public >= maxUnnamed {
			return false
		}
		u.public++
	}
	u.seen[a] = true
	return true
}

// carrierGrade is the shared address space of RFC 6598, which balancers use inside.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

// inside reports whether an address is one of this machine or of a private network.
func inside(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carrierGrade.Contains(a)
}
