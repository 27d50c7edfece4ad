package egress

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

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

// mayReach judges a URL's host as far as it stands there.
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
