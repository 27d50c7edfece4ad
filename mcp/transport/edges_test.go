package transport_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

const (
	annSecret = "the-token-of-ann-0123456789"
	bobSecret = "the-token-of-bob-0123456789"
)

// guarded is a fixture with two principals, small bounds, and a browser origin that may
// call.
func guarded(t *testing.T) *fixture {
	t.Helper()
	tokens, err := access.NewTokens(
		access.Token{Name: "ann", Secret: annSecret, Scopes: []access.Scope{access.Read}},
		access.Token{Name: "bob", Secret: bobSecret, Scopes: []access.Scope{access.Read}},
		access.Token{Name: "ops", Secret: "the-token-of-ops-0123456789", Scopes: []access.Scope{access.Admin}},
	)
	if err != nil {
		t.Fatal(err)
	}
	require, err := access.Require(access.RequireOptions{Authenticator: tokens, Scopes: []access.Scope{access.Read, access.Write, access.Events}})
	if err != nil {
		t.Fatal(err)
	}
	return newFixture(t, transport.Options{
		Authenticate: require, MaxBodyBytes: 1 << 20, PublicURL: "https://slack.example",
		AllowedOrigins: []string{"https://app.example"}, AllowedHosts: []string{"inside.example"},
	})
}

// chunked hides the length of a body.
type chunked struct{ io.Reader }

func TestEdges(t *testing.T) {
	t.Parallel()
	f := guarded(t)
	ann := f.peer()
	ann.header.Set("Authorization", "Bearer "+annSecret)
	ann.initialize()
	annSSE := f.sseAs(t, annSecret)
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	huge := `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("a", 30<<20) + `"}}`

	for _, tc := range []struct {
		name   string
		method string
		path   string // ann's SSE endpoint when "sse message"
		token  string
		body   io.Reader
		header map[string]string // "" removes one; Host is the host
		status int
		want   map[string]string // headers of the answer
		code   string            // in the answer's body
	}{
		{name: "a call", body: strings.NewReader(ping), status: 200},
		{name: "a call from a loopback page", body: strings.NewReader(ping), header: map[string]string{"Origin": "http://localhost:6274"}, status: 200, want: map[string]string{"Access-Control-Allow-Origin": "http://localhost:6274"}},
		{name: "a call from the public page", body: strings.NewReader(ping), header: map[string]string{"Origin": "https://slack.example"}, status: 200},
		{name: "a call from an allowed page", body: strings.NewReader(ping), header: map[string]string{"Origin": "https://APP.example:443"}, status: 200},
		{name: "a call through the proxy", body: strings.NewReader(ping), header: map[string]string{"Host": "slack.example"}, status: 200},
		{name: "a call by an inner name", body: strings.NewReader(ping), header: map[string]string{"Host": "inside.example:3000"}, status: 200},

		{name: "foreign origin", body: strings.NewReader(ping), header: map[string]string{"Origin": "https://evil.example"}, status: 403, want: map[string]string{"Access-Control-Allow-Origin": ""}},
		{name: "foreign origin that contains ours", body: strings.NewReader(ping), header: map[string]string{"Origin": "https://app.example.evil.example"}, status: 403},
		{name: "another scheme of an allowed origin", body: strings.NewReader(ping), header: map[string]string{"Origin": "http://app.example"}, status: 403},
		{name: "null origin", body: strings.NewReader(ping), header: map[string]string{"Origin": "null"}, status: 403},
		{name: "foreign origin, foreign host: rebound", body: strings.NewReader(ping), header: map[string]string{"Origin": "http://evil.example", "Host": "evil.example"}, status: 403},
		{name: "rebound host", body: strings.NewReader(ping), header: map[string]string{"Host": "evil.example"}, status: 403},
		{name: "rebound host on the SSE stream", method: "GET", path: "/sse", header: map[string]string{"Host": "evil.example"}, status: 403},
		{name: "foreign origin on a message", path: "sse message", body: strings.NewReader(ping), header: map[string]string{"Origin": "https://evil.example"}, status: 403},
		{name: "a loopback page calls the public name", body: strings.NewReader(ping), header: map[string]string{"Origin": "http://localhost:6274", "Host": "slack.example"}, status: 403},

		{name: "preflight", method: "OPTIONS", token: "none", header: map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, mcp-param-region, x-evil"}, status: 204, want: map[string]string{
			"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Methods": "GET, POST, DELETE", "Vary": "Origin",
			"Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id, mcp-param-region",
		}},
		{name: "preflight of a foreign page", method: "OPTIONS", token: "none", header: map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, status: 403},
		{name: "a page may read why it was refused", token: "none", body: strings.NewReader(ping), header: map[string]string{"Origin": "https://app.example"}, status: 401, want: map[string]string{"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Expose-Headers": "Mcp-Session-Id, WWW-Authenticate, Retry-After"}},

		{name: "no token", token: "none", body: strings.NewReader(ping), status: 401, want: map[string]string{"WWW-Authenticate": `Bearer realm="mcp", scope="read write events"`}},
		{name: "wrong token", token: "wrong-token-0123456789", body: strings.NewReader(ping), status: 401, want: map[string]string{"WWW-Authenticate": `Bearer realm="mcp", error="invalid_token", scope="read write events"`}},
		{name: "a token without a scope of this side", token: "the-token-of-ops-0123456789", body: strings.NewReader(ping), status: 403},
		{name: "no token on the SSE stream", method: "GET", path: "/sse", token: "none", status: 401},
		{name: "no token on a message", path: "sse message", token: "none", body: strings.NewReader(ping), status: 401},
		{name: "a token in the query", path: "?access_token=" + annSecret, body: strings.NewReader(ping), status: 400},
		{name: "another principal's session", token: bobSecret, body: strings.NewReader(ping), status: 404},
		{name: "another principal's session's stream", method: "GET", token: bobSecret, status: 404},
		{name: "the end of another principal's session", method: "DELETE", token: bobSecret, status: 404},
		{name: "another principal's SSE session", path: "sse message", token: bobSecret, body: strings.NewReader(ping), status: 404},
		{name: "an SSE session is none over streamable HTTP", header: map[string]string{"Mcp-Session-Id": annSSE.id()}, body: strings.NewReader(ping), status: 404},
		{name: "a session is none over SSE", path: "/message?sessionId=" + ann.session, body: strings.NewReader(ping), status: 404},
		{name: "an SSE message without a session", path: "/message", body: strings.NewReader(ping), status: 400},

		{name: "30 MiB", body: strings.NewReader(huge), status: 413},
		{name: "30 MiB, chunked", body: chunked{strings.NewReader(huge)}, status: 413},
		{name: "30 MiB to an SSE session", path: "sse message", body: chunked{strings.NewReader(huge)}, status: 413},
		{name: "another media type", body: strings.NewReader(ping), header: map[string]string{"Content-Type": "text/plain"}, status: 415, want: map[string]string{"Accept-Post": "application/json"}},
		{name: "no media type", body: strings.NewReader(ping), header: map[string]string{"Content-Type": ""}, status: 415},
		{name: "a compressed body", body: strings.NewReader(ping), header: map[string]string{"Content-Encoding": "gzip"}, status: 415, want: map[string]string{"Accept-Encoding": "identity"}},
		{name: "a compressed body to an SSE session", path: "sse message", body: strings.NewReader(ping), header: map[string]string{"Content-Encoding": "zstd"}, status: 415},
		{name: "a body that is not encoded", body: strings.NewReader(ping), header: map[string]string{"Content-Encoding": "identity"}, status: 200},
		{name: "a media type with a parameter", body: strings.NewReader(ping), header: map[string]string{"Content-Type": "application/json; charset=utf-8"}, status: 200},
		{name: "a client that takes neither", body: strings.NewReader(ping), header: map[string]string{"Accept": "text/html"}, status: 406},
		{name: "a client that takes only JSON", body: strings.NewReader(ping), header: map[string]string{"Accept": "application/json"}, status: 200, want: map[string]string{"Content-Type": "application/json"}},
		{name: "a client that takes only events", body: strings.NewReader(ping), header: map[string]string{"Accept": "text/event-stream"}, status: 200, want: map[string]string{"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", "Cache-Control": "no-store"}},
		{name: "a stream for a client that takes none", method: "GET", header: map[string]string{"Accept": "application/json"}, status: 406},
		{name: "an SSE stream for a client that takes none", method: "GET", path: "/sse", header: map[string]string{"Accept": "application/json"}, status: 406},

		{name: "PUT", method: "PUT", status: 405, want: map[string]string{"Allow": "GET, POST, DELETE"}},
		{name: "HEAD", method: "HEAD", status: 405},
		{name: "OPTIONS", method: "OPTIONS", status: 405, want: map[string]string{"Allow": "GET, POST, DELETE"}},
		{name: "POST to the SSE stream", path: "/sse", body: strings.NewReader(ping), status: 405, want: map[string]string{"Allow": "GET"}},
		{name: "GET of the SSE messages", method: "GET", path: "/message?sessionId=x", status: 405, want: map[string]string{"Allow": "POST"}},
		{name: "GET in 2026-07-28", method: "GET", header: map[string]string{"Mcp-Protocol-Version": "2026-07-28"}, status: 405, want: map[string]string{"Allow": "POST"}},
		{name: "DELETE in 2026-07-28", method: "DELETE", header: map[string]string{"Mcp-Protocol-Version": "2026-07-28"}, status: 405, want: map[string]string{"Allow": "POST"}},
		{name: "something else below the mount", method: "GET", path: "/else", status: 404},

		{name: "an empty body", body: strings.NewReader(""), status: 400},
		{name: "not JSON", body: strings.NewReader("{"), status: 400, code: "-32700"},
		{name: "not UTF-8", body: strings.NewReader("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"\xff\"}}"), status: 400, code: "-32700"},
		{name: "UTF-16", body: strings.NewReader("{\x00\"\x00"), status: 400, code: "-32700"},
		{name: "a batch", body: strings.NewReader("[" + ping + "]"), status: 400},
		{name: "not a message", body: strings.NewReader(`{"hello":1}`), status: 400},
		{name: "another JSON-RPC", body: strings.NewReader(`{"jsonrpc":"1.0","id":1,"method":"ping"}`), status: 400},
		{name: "an id of null", body: strings.NewReader(`{"jsonrpc":"2.0","id":null,"method":"ping"}`), status: 400},
		{name: "an id that is an object", body: strings.NewReader(`{"jsonrpc":"2.0","id":{},"method":"ping"}`), status: 400},
		{name: "a notification", body: strings.NewReader(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), status: 202},
		{name: "an answer that nobody asked for", body: strings.NewReader(`{"jsonrpc":"2.0","id":7,"result":{}}`), status: 202},
		{name: "a response in 2026-07-28", body: strings.NewReader(`{"jsonrpc":"2.0","id":7,"result":{}}`), header: map[string]string{"Mcp-Protocol-Version": "2026-07-28"}, status: 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.method == "" {
				tc.method = http.MethodPost
			}
			url := f.url + tc.path
			if tc.path == "sse message" {
				url = annSSE.url
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req := ann.request(ctx, tc.method, url, tc.body)
			setToken(req, tc.token)
			setHeaders(req, tc.header)
			res, err := ann.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if res.StatusCode != tc.status {
				body, _ := io.ReadAll(io.LimitReader(res.Body, 400))
				t.Fatalf("got %d, want %d: %s", res.StatusCode, tc.status, body)
			}
			if tc.code != "" {
				body, _ := io.ReadAll(io.LimitReader(res.Body, 400))
				if !strings.Contains(string(body), tc.code) {
					t.Errorf("got %s, want %s in it", body, tc.code)
				}
			}
			for k, v := range tc.want {
				if got := res.Header.Get(k); got != v {
					t.Errorf("%s is %q, want %q", k, got, v)
				}
			}
		})
	}
	t.Cleanup(func() {
		if got := f.log.String(); strings.Contains(got, annSecret) || strings.Contains(got, "wrong-token") {
			t.Error("the log tells a token")
		}
	})
}

func setToken(req *http.Request, token string) {
	switch token {
	case "":
	case "none":
		req.Header.Del("Authorization")
	default:
		req.Header.Set("Authorization", "Bearer "+token)
	}
}

func setHeaders(req *http.Request, header map[string]string) {
	for k, v := range header {
		switch {
		case k == "Host":
			req.Host = v
		case v == "":
			req.Header.Del(k)
		default:
			req.Header.Set(k, v)
		}
	}
}
