package transport_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
)

// newSharedFixture has two callers, alice and bob.
func newSharedFixture(t *testing.T, o transport.Options) *fixture {
	t.Helper()
	scopes := []access.Scope{access.Write}
	tokens, err := access.NewTokens(
		access.Token{Name: "alice", Secret: aliceToken, Scopes: scopes}, access.Token{Name: "bob", Secret: bobToken, Scopes: scopes},
	)
	if err != nil {
		t.Fatal(err)
	}
	if o.Authenticate, err = access.Require(access.RequireOptions{Authenticator: tokens}); err != nil {
		t.Fatal(err)
	}
	return newFixture(t, o)
}

func (f *fixture) peerAs(t *testing.T, token string) *peer {
	t.Helper()
	p := f.peerOf(t)
	p.header.Set("Authorization", "Bearer "+token)
	return p
}

// refusedShare fails unless a caller was told that it has its share.
func refusedShare(t *testing.T, x exchange, code string) {
	t.Helper()
	if x.status != http.StatusTooManyRequests || !strings.Contains(x.body, code) || x.header.Get("Retry-After") == "" {
		t.Errorf("beyond its share a caller is answered %d %s, want 429 with %s and Retry-After", x.status, x.body, code)
	}
}

// TestSharesOfOnePrincipal lets one token take all that it gets, in every era: another one
// notices nothing.
func TestSharesOfOnePrincipal(t *testing.T) {
	t.Parallel()
	t.Run("sessions", func(t *testing.T) {
		t.Parallel()
		var told []access.Bound
		f := newSharedFixture(t, transport.Options{MaxSessions: 8, OnBound: func(ctx context.Context, b access.Bound) {
			if access.From(ctx).Account() != "token:alice" {
				t.Errorf("%q is refused", access.From(ctx).Account())
			}
			told = append(told, b)
		}})
		alice := f.peerAs(t, aliceToken)
		alice.initialize()
		f.sseAs(t, aliceToken)
		refusedShare(t, f.peerAs(t, aliceToken).post(encodeRequest(t, 1, "initialize", initializeParams)), "too_many_sessions")
		sse := f.peerAs(t, aliceToken)
		refusedShare(t, sse.do(sse.request(t.Context(), http.MethodGet, f.url+"/sse", nil)), "too_many_sessions")
		f.peerAs(t, bobToken).initialize()
		if x := alice.do(alice.request(t.Context(), http.MethodDelete, f.url, nil)); x.status != http.StatusNoContent {
			t.Fatalf("DELETE: %d", x.status)
		}
		f.peerAs(t, aliceToken).initialize()
		if got := f.Stats().SharesTotal.Sessions; got != 2 {
			t.Errorf("%d refusals are counted, want 2", got)
		}
		if want := (access.Bound{Of: "sessions", Share: true, Most: 2}); len(told) != 2 || told[0] != want || told[1] != want {
			t.Errorf("what is told is %+v, want two of %+v", told, want)
		}
	})
	t.Run("streams", func(t *testing.T) {
		t.Parallel()
		f := newSharedFixture(t, transport.Options{MaxStreams: 8})
		p := f.peerAs(t, aliceToken).initialize()
		p.stream()
		f.sseAs(t, aliceToken)
		third := f.peerAs(t, aliceToken).initialize()
		refusedShare(t, third.do(third.request(t.Context(), http.MethodGet, f.url, nil)), "too_many_streams")
		heard := f.peerAs(t, aliceToken).stateless("subscriptions/listen", "")
		refusedShare(t, heard.post(stateless(t, 1, "subscriptions/listen", map[string]any{"notifications": map[string]any{"toolsListChanged": true}})), "too_many_streams")
		f.peerAs(t, bobToken).initialize().stream()
	})
	t.Run("calls", func(t *testing.T) {
		t.Parallel()
		f := newSharedFixture(t, transport.Options{MaxCalls: 4})
		p, bob := f.peerAs(t, aliceToken).initialize(), f.peerAs(t, bobToken).initialize()
		p.hold(f, encodeRequest(t, 5, "tools/call", tool("wait", nil)))
		refusedShare(t, f.peerAs(t, aliceToken).stateless("tools/list", "").post(stateless(t, 1, "tools/list", nil)), "too_many_requests_at_once")
		if x, _ := bob.call("ping", nil); x.status != http.StatusOK {
			t.Errorf("another principal is answered %d", x.status)
		}
		p.release(f, 5)
		if x, _ := p.call("ping", nil); x.status != http.StatusOK {
			t.Errorf("afterwards a caller is answered %d", x.status)
		}
	})
	t.Run("connections", func(t *testing.T) {
		t.Parallel()
		f := newSharedFixture(t, transport.Options{MaxConnections: 8})
		p := f.peerAs(t, aliceToken).initialize()
		p.stream()
		go func() {
			for t.Context().Err() == nil { // it may be refused itself, while another call is there
				slow, _ := io.Pipe() // a body that does not come
				if res, err := p.client.Do(p.request(t.Context(), http.MethodPost, f.url, slow)); err == nil {
					_ = res.Body.Close()
				}
			}
		}()
		eventually(t, "both connections to be taken", func() bool {
			x := f.peerAs(t, aliceToken).stateless("tools/list", "").post(stateless(t, 1, "tools/list", nil))
			return x.status == http.StatusTooManyRequests && strings.Contains(x.body, "too_many_connections")
		})
		f.peerAs(t, bobToken).initialize()
	})
	t.Run("subscriptions", func(t *testing.T) {
		t.Parallel()
		f := newSharedFixture(t, transport.Options{MaxSubscriptions: 100_000})
		long := "test://one/" + strings.Repeat("x", 5000)
		p := f.peerAs(t, aliceToken).initialize()
		if _, r := p.call("resources/subscribe", map[string]any{"uri": long}); r.Error == nil || r.Error.Code != -32602 {
			t.Errorf("an address of 5,000 bytes is followed: %+v", r)
		}
	})
	t.Run("callers who do not authenticate have no share", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, transport.Options{MaxSessions: 8, Authenticate: access.As(&access.Principal{Name: "anyone", Anonymous: true})})
		for range 8 {
			f.peerOf(t).initialize()
		}
	})
}

// TestLittleIsKeptOfInitialize sends megabytes of capabilities, of which a session needs three.
func TestLittleIsKeptOfInitialize(t *testing.T) {
	t.Parallel()
	store := transport.NewMemoryStore(10, time.Hour)
	f := newSharedFixture(t, transport.Options{Store: store})
	p := f.peerAs(t, aliceToken)
	x := p.post(encodeRequest(t, 1, "initialize", map[string]any{
		"protocolVersion": "2025-11-25",
		"clientInfo":      map[string]any{"name": strings.Repeat("n", 300_000), "version": strings.Repeat("1", 300_000), "description": strings.Repeat("d", 300_000)},
		"capabilities": map[string]any{
			"elicitation":  map[string]any{},
			"experimental": map[string]any{"big": strings.Repeat("e", 900_000)},
			"extensions":   map[string]any{"bigger": strings.Repeat("x", 900_000)},
		},
	}))
	id := x.header.Get("Mcp-Session-Id")
	if x.status != http.StatusOK || id == "" {
		t.Fatalf("initialize: %d %.200s", x.status, x.body)
	}
	r, err := store.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.ClientInfo) + len(r.Capabilities); n > 1000 {
		t.Errorf("%d bytes of initialize are kept, want at most 1,000", n)
	}
	if !strings.Contains(string(r.Capabilities), "elicitation") {
		t.Errorf("the capabilities are kept as %s", r.Capabilities)
	}
}

// TestBodiesOfOnePrincipal posts bodies that take their time, until their caller has its
// share of the memory for them.
func TestBodiesOfOnePrincipal(t *testing.T) {
	t.Parallel()
	f := newSharedFixture(t, transport.Options{MaxBodyBytes: 16 << 20})
	alice, bob := f.peerAs(t, aliceToken).initialize(), f.peerAs(t, bobToken).initialize()
	// Ten megabytes that a call keeps while it runs.
	filler := strings.Repeat("f", 10<<20)
	alice.hold(f, encodeRequest(t, 5, "tools/call", map[string]any{"name": "wait", "arguments": map[string]any{}, "filler": filler}))
	x := alice.post(encodeRequest(t, 6, "ping", map[string]any{"filler": filler}))
	refusedShare(t, x, "too_many_bytes_of_requests")
	if x, _ := bob.call("ping", map[string]any{"filler": filler}); x.status != http.StatusOK {
		t.Errorf("another principal is answered %d", x.status)
	}
	alice.release(f, 5)
	if x, _ := alice.call("ping", map[string]any{"filler": filler}); x.status != http.StatusOK {
		t.Errorf("afterwards a caller is answered %d", x.status)
	}
}
