package transport_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/transport"
)

// TestHosts tries names at a server that was reached by way of an address.
func TestHosts(t *testing.T) {
	t.Parallel()
	const inside, outside = "127.0.0.1:3000", "10.1.2.3:3000"
	for _, tc := range []struct {
		name    string
		options transport.Options
		local   string
		host    string
		allowed bool
	}{
		{"loopback by address", transport.Options{}, inside, "127.0.0.1:3000", true},
		{"loopback by name", transport.Options{}, inside, "LOCALHOST:3000", true},
		{"loopback, IPv6", transport.Options{}, "[::1]:3000", "[::1]:3000", true},
		{"loopback, a name under localhost", transport.Options{}, inside, "mcp.localhost", true},
		{"loopback, rebound", transport.Options{}, inside, "evil.example", false},
		{"loopback, rebound with a likely name", transport.Options{}, inside, "localhost.evil.example", false},
		{"loopback, no name", transport.Options{}, inside, "", false},
		{"loopback, the public name", transport.Options{PublicURL: "https://slack.example"}, inside, "slack.example", true},
		{"loopback, the public name and a port", transport.Options{PublicURL: "https://slack.example"}, inside, "slack.example:443", true},
		{"loopback, an allowed name", transport.Options{AllowedHosts: []string{"Inside.example"}}, inside, "inside.example:3000", true},
		{"loopback, an allowed name at another port", transport.Options{AllowedHosts: []string{"inside.example:3000"}}, inside, "inside.example:4000", false},
		{"network, any name where none is configured", transport.Options{}, outside, "service.cluster.local", true},
		{"network, another name than the public one", transport.Options{PublicURL: "https://slack.example"}, outside, "evil.example", false},
		{"network, its own address", transport.Options{PublicURL: "https://slack.example"}, outside, "10.1.2.3:3000", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tr, err := transport.New(tc.options)
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Attach(server.NewMCPServer("hosts", "1", tr.ServerOptions()...)); err != nil {
				t.Fatal(err)
			}
			addr, err := net.ResolveTCPAddr("tcp", tc.local)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, addr), http.MethodPut, "/mcp", nil)
			r.Host = tc.host
			w := httptest.NewRecorder()
			tr.Handler().ServeHTTP(w, r)
			if allowed := w.Code == http.StatusMethodNotAllowed; allowed != tc.allowed {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if !tc.allowed && (w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "PUBLIC_URL")) {
				t.Errorf("refused with %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestTwoOrigins(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{})
	p := f.peer()
	p.header["Origin"] = []string{"http://localhost:1", "https://evil.example"}
	if x := p.post(encodeRequest(t, 1, "initialize", initializeParams)); x.status != http.StatusForbidden {
		t.Fatalf("got %d", x.status)
	}
}

func TestRootHandler(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transport.Options{Default: transport.StreamableHTTP})
	p := f.peer()
	p.url = f.base + "/"
	p.initialize()
	if x, _ := p.call("ping", nil); x.status != http.StatusOK {
		t.Errorf("POST /: %d", x.status)
	}
	p.stream()
	plain := f.peer()
	for _, path := range []string{"/", "/health"} {
		req := plain.request(t.Context(), http.MethodGet, f.base+path, nil)
		req.Header.Set("Accept", "*/*")
		if x := plain.do(req); x.body != "the other handler" {
			t.Errorf("GET %s: %d %s", path, x.status, x.body)
		}
	}
	if x := p.do(p.request(t.Context(), http.MethodDelete, p.url, nil)); x.status != http.StatusNoContent {
		t.Errorf("DELETE /: %d", x.status)
	}
	sse := newFixture(t, transport.Options{Default: transport.SSE}).peer()
	sse.url = strings.TrimSuffix(sse.url, "mcp")
	if x := sse.post(encodeRequest(t, 1, "ping", nil)); x.body != "the other handler" {
		t.Errorf("POST / where SSE is the default: %d %s", x.status, x.body)
	}
}

// TestBareGET holds what a GET without a session opens.
func TestBareGET(t *testing.T) {
	t.Parallel()
	sse := newFixture(t, transport.Options{PublicURL: "https://slack.example/behind/"})
	s := sse.peer().open(http.MethodGet, sse.url, "")
	e := receive(t, s.events, "the endpoint")
	if e.name != "endpoint" || !strings.HasPrefix(e.data, "/behind/mcp/message?sessionId=") {
		t.Errorf("first event %+v", e)
	}
	streamable := newFixture(t, transport.Options{Default: transport.StreamableHTTP, Mount: "/api/mcp/"})
	p := streamable.peer()
	p.url = streamable.base + "/api/mcp"
	if x := p.do(p.request(t.Context(), http.MethodGet, p.url, nil)); x.status != http.StatusBadRequest {
		t.Errorf("streamable HTTP: %d %s", x.status, x.body)
	}
}

func TestNewNamesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]transport.Options{
		"Mount":              {Mount: "mcp"},
		"Mount \"/\"":        {Mount: "/"},
		"Default":            {Default: "websocket"},
		"Key":                {Key: []byte("short")},
		"Heartbeat":          {Heartbeat: 1 << 40},
		"PublicURL":          {PublicURL: "slack.example"},
		"AllowedOrigins":     {AllowedOrigins: []string{"*"}},
		"MaxCallsPerSession": {MaxCallsPerSession: -1},
		"Grace":              {Grace: -1},
	} {
		if _, err := transport.New(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
