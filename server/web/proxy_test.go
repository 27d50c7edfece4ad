package web

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
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

// TestProxiesThatAreNotTrustedAreNamedOnce sends the header of a proxy from all kinds of addresses.
func TestProxiesThatAreNotTrustedAreNamedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	u := newUnnamedProxies(Proxies{netip.MustParsePrefix("10.0.0.0/8")}, slog.New(slog.NewTextHandler(&log, nil)))
	answered := 0
	h := u.middleware(func(echo.Context) error { answered++; return nil })
	send := func(remote, forwarded string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		if err := h(echo.New().NewContext(r, httptest.NewRecorder())); err != nil {
			t.Error(err)
		}
	}
	for _, remote := range []string{"198.51.100.7:1", "100.64.0.1:1", "169.254.1.1:1", "192.168.0.1:1", "127.0.0.1:1", "[fd00::1]:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1"} {
		send(remote, "")
		if log.Len() > 0 {
			t.Errorf("without the header %s is logged: %s", remote, &log)
		}
		for range 3 {
			send(remote, "203.0.113.9")
		}
		if n := strings.Count(log.String(), "TRUSTED_PROXIES"); n != 1 {
			t.Errorf("%s is logged %d times: %s", remote, n, &log)
		}
		log.Reset()
	}
	for range 3 {
		send("10.1.2.3:1", "203.0.113.9")
	}
	if log.Len() > 0 {
		t.Errorf("a trusted proxy is logged: %s", &log)
	}
	for i := range 1000 {
		send(fmt.Sprintf("198.51.100.%d:1", i%256), "203.0.113.9")
	}
	if n := strings.Count(log.String(), "TRUSTED_PROXIES"); n > maxUnnamed || len(u.seen) > 2*maxUnnamed {
		t.Errorf("%d lines of addresses that made the header up", n)
	}
	log.Reset()
	send("172.16.0.1:1", "203.0.113.9")
	if !strings.Contains(log.String(), "172.16.0.1") {
		t.Error("after many addresses outside, a proxy inside is not logged")
	}
	if answered == 0 {
		t.Error("no request went on")
	}
}
