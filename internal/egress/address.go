package egress

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// globalV6 is the only part of IPv6 that is assigned to the public network
// (iana.org/assignments/ipv6-address-space).
var globalV6 = netip.MustParsePrefix("2000::/3")

// nat64 is the well-known prefix by which an IPv6 network reaches IPv4 (RFC 6052): what
// counts is the address in its last four bytes.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// special are the networks of the IANA registries of special-purpose addresses that are
// not globally reachable, and those that tunnel to an address which was not judged.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // shared by carriers
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, and the metadata services of clouds
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"2001::/23",       // protocol assignments, Teredo among them
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4
	"3fff::/20",       // documentation
)

// Global reports whether an address belongs to the public network.
func Global(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsValid() || a.Is6() && !globalV6.Contains(a) {
		return false
	}
	return !within(special, a)
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func prefixes(list ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(list))
	for i, s := range list {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

// maxURL bounds a target's URL.
const maxURL = 2048

// Check judges a URL without resolving or calling anything: its form, its scheme, and
// its host where that is an address. A nil answer does not mean that the name will
// resolve to an address that may be reached; Post judges that each time.
func (c *Client) Check(target string) error {
	_, err := c.parse(target)
	return err
}

func (c *Client) parse(target string) (*url.URL, error) {
	if len(target) > maxURL {
		return nil, errors.New("the URL is longer than 2,048 bytes")
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return nil, errors.New("the URL is not as https://hooks.example.com/path")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the URL has to begin with https:// or http://")
	case u.User != nil:
		return nil, errors.New("the URL must not hold a user or a password")
	case u.Fragment != "" || strings.HasSuffix(target, "#"):
		return nil, errors.New("the URL must not have a fragment")
	}
	return u, c.mayReach(u)
}

// mayReach judges the host of a URL without resolving it.
func (c *Client) mayReach(u *url.URL) error {
	host := u.Hostname()
	if strings.Contains(host, "%") {
		return &RefusedError{Host: u.Host, Reason: "an address with a zone is never public"}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	if c.allowedHost(net.JoinHostPort(host, port)) {
		return nil
	}
	if u.Scheme == "http" && c.opt.HTTPSOnly {
		return errors.New("the URL has to begin with https://")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a = a.Unmap(); !Global(a) && !within(c.opt.Networks, a) {
			return &RefusedError{Host: u.Host, Reason: "its address is not in the public network"}
		}
		return nil
	}
	if numeric(host) {
		return &RefusedError{Host: u.Host, Reason: "an address has to be written as four decimal numbers or in IPv6"}
	}
	return nil
}

// numeric reports whether a host that is no address ends in a number, decimal, octal or
// hexadecimal: some resolvers read 2130706433, 0x7f.1 and 127.1 as addresses
// (url.spec.whatwg.org, "ends in a number").
func numeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if rest, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}
