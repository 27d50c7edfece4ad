package oauth

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// maxRedirect bounds a redirect address, in bytes.
const maxRedirect = 512

// A place is where the browsers of known clients are sent back to: a whole address, or one that ends
// in a slash, behind which there is one more segment.
var places = []string{
	"https://claude.ai/api/mcp/auth_callback",
	"https://claude.com/api/mcp/auth_callback",
	"https://chatgpt.com/connector_platform_oauth_redirect",
	"https://chatgpt.com/connector/oauth/",
	"https://vscode.dev/redirect",
	"https://insiders.vscode.dev/redirect",
	"https://www.cursor.com/agents/mcp/oauth/callback",
	"cursor://anysphere.cursor-mcp/oauth/callback",
}

var (
	errRedirectForm  = errors.New("a redirect address is an absolute URL without user, fragment and control characters, of at most 512 bytes")
	errRedirectPlace = errors.New("browsers are sent back to programs on the same computer and to known clients; " +
		"the operator can allow another host in SIGN_IN_CLIENTS")
)

// redirects knows where browsers may be sent back to.
type redirects struct {
	hosts []string // that the operator named, with a port where it is not 443
}

// judge returns nil for an address to which a browser may be sent back. Whatever it accepts is
// compared to the letter with what the client has registered (see sameRedirect), so other spellings
// of an accepted address gain nothing.
func (r redirects) judge(address string) error {
	u, err := parseRedirect(address)
	if err != nil {
		return err
	}
	switch {
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case slices.ContainsFunc(places, func(p string) bool { return inPlace(address, p) }):
		return nil
	case u.Scheme == "https" && slices.Contains(r.hosts, strings.ToLower(u.Host)):
		return nil
	}
	return errRedirectPlace
}

// inPlace compares an address with a place of the table.
func inPlace(address, place string) bool {
	rest, found := strings.CutPrefix(address, place)
	if !strings.HasSuffix(place, "/") {
		return found && rest == ""
	}
	return found && rest != "" && !strings.ContainsAny(rest, "/?#%.\\")
}

// parseRedirect reads an address that a browser can be sent to. What it accepts has one meaning to
// every reader: none of the characters that some readers skip or turn into others.
func parseRedirect(address string) (*url.URL, error) {
	if address == "" || len(address) > maxRedirect {
		return nil, errRedirectForm
	}
	for _, c := range []byte(address) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^`+"`{|}", c) >= 0 {
			return nil, errRedirectForm
		}
	}
	u, err := url.Parse(address)
	if err != nil || !u.IsAbs() || u.Opaque != "" || u.Host == "" || u.User != nil || strings.Contains(address, "#") || strings.Contains(u.Host, "%") {
		return nil, errRedirectForm
	}
	if u.Scheme+":" != address[:len(u.Scheme)+1] { // schemes are written in lower case
		return nil, errRedirectForm
	}
	return u, nil
}

// isLoopback reports whether a host is this computer to every reader: by address, or by the name that
// clients use for it.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && (a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || a == netip.IPv6Loopback())
}

// sameRedirect compares the address that a client asks for with one that it has registered: to the
// letter, but for the port of a program on this computer, which takes one that is free.
func sameRedirect(asked, registered string) bool {
	if asked == registered {
		return true
	}
	a, errA := parseRedirect(asked)
	b, errB := parseRedirect(registered)
	if errA != nil || errB != nil || a.Scheme != "http" || b.Scheme != "http" || !isLoopback(a.Hostname()) || a.Hostname() != b.Hostname() {
		return false
	}
	return strings.TrimPrefix(asked, "http://"+a.Host) == strings.TrimPrefix(registered, "http://"+b.Host)
}

// shownHost is the host of a redirect for people to read.
func shownHost(address string) string {
	u, err := parseRedirect(address)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "http":
		return "a program on this computer (" + u.Host + ")"
	case u.Scheme != "https":
		return "the program " + u.Scheme + " on this computer"
	}
	return u.Host
}

// withParams adds parameters to the query of a redirect, whose own parameters stay.
func withParams(address string, params url.Values) (string, error) {
	u, err := parseRedirect(address)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += params.Encode()
	return u.String(), nil
}

// source is the origin of an address as a policy of content names it, or "" where it has no name.
func source(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil, u.Host == "", strings.ContainsAny(u.Host, "[;, '"):
		return ""
	case u.Scheme != "https" && u.Scheme != "http":
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}
