package slackapi

import (
	"net/url"
	"slices"
	"strings"
)

var (
	// slackHosts are the domains of Slack that take its tokens.
	slackHosts = []string{"slack.com", "slack-gov.com"}
	// contentHosts are domains of Slack that hold contents, and need no token.
	contentHosts = []string{"slack-files.com", "slack-edge.com"}
)

// reach says whether a URL may be called, and whether it may be shown the token. The
// URL of a file may be whatever its creator chose.
func (c *Client) reach(u *url.URL) (call, token bool) {
	switch {
	case u.User != nil:
		return false, false
	case u.Scheme == c.api.Scheme && strings.EqualFold(u.Host, c.api.Host):
		return true, true
	case u.Scheme != "https" || u.Port() != "" && u.Port() != "443":
		return false, false
	case under(u.Hostname(), slackHosts):
		return true, true
	}
	return under(u.Hostname(), contentHosts), false
}

func under(host string, domains []string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}
