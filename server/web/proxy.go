package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
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
