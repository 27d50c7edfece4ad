package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	trusting := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	none := Proxies(nil)
	for name, tc := range map[string]struct {
		proxies   Proxies
		remote    string
		forwarded []string
		want      string
	}{
		"no proxy is trusted":          {none, "192.0.2.1:5000", []string{"198.51.100.1"}, "192.0.2.1"},
		"not from a proxy":             {trusting, "192.0.2.1:5000", []string{"198.51.100.1"}, "192.0.2.1"},
		"one proxy":                    {trusting, "10.0.0.1:5000", []string{"198.51.100.1"}, "198.51.100.1"},
		"two proxies":                  {trusting, "10.0.0.1:5000", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"what the client wrote before": {trusting, "10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		"several headers":              {trusting, "10.0.0.1:5000", []string{"203.0.113.9", "198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		"with a port":                  {trusting, "10.0.0.1:5000", []string{"198.51.100.1:44"}, "198.51.100.1"},
		"ipv6 in brackets":             {trusting, "[2001:db8::1]:5000", []string{"[2001:470::5]:44"}, "2001:470::5"},
		"ipv4 inside ipv6":             {trusting, "[::ffff:10.0.0.1]:5000", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"rubbish stops the walk":       {trusting, "10.0.0.1:5000", []string{"198.51.100.1, rubbish, 10.0.0.2"}, "10.0.0.2"},
		"nothing but proxies":          {trusting, "10.0.0.1:5000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"an empty header":              {trusting, "10.0.0.1:5000", []string{""}, "10.0.0.1"},
		"commas only":                  {trusting, "10.0.0.1:5000", []string{",,"}, "10.0.0.1"},
		"no address at all":            {trusting, "@", nil, "invalid IP"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = tc.remote
		r.Header["X-Forwarded-For"] = tc.forwarded
		if got := tc.proxies.Client(r).String(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
