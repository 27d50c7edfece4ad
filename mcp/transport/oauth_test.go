package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/internal/requires"
	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
	mcpclients "slackmcp/test/mcp-clients"
)

// startAuthority starts oidc-provider and returns its issuer URL.
func startAuthority(t *testing.T) string {
	t.Helper()
	node := requires.Program(t, "node", "install Node 20 or newer")
	dir := mcpclients.Install(t, filepath.Join(mcpclients.Dir(), "..", "oauth"))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, node, "server.mjs")
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	line := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(out)
		s.Scan()
		line <- s.Text()
		_, _ = io.Copy(io.Discard, out)
	}()
	issuer := receive(t, line, "the authorization server")
	if !strings.HasPrefix(issuer, "http://127.0.0.1:") {
		t.Fatalf("the authorization server says %q", issuer)
	}
	return issuer
}

// oauthFixture is a server that takes the issuer's tokens for itself.
func oauthFixture(t *testing.T, issuer string) *fixture {
	t.Helper()
	return newFixtureAt(t, func(base string, mux *http.ServeMux) transport.Options {
		scopes := []access.Scope{access.Read, access.Events}
		meta, err := access.NewMetadata(access.MetadataOptions{Resource: base + "/mcp", Issuers: []string{issuer}, Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range meta.Paths() {
			mux.Handle(path, meta)
		}
		j, err := access.NewJWT(access.JWTOptions{Issuer: issuer, Audiences: []string{base + "/mcp"}})
		if err != nil {
			t.Fatal(err)
		}
		require, err := access.Require(access.RequireOptions{Authenticator: j, Scopes: scopes, MetadataURL: meta.URL()})
		if err != nil {
			t.Fatal(err)
		}
		return transport.Options{Authenticate: require}
	})
}

// TestOAuth lets the official client find its way from a refusal to a tool call, by
// way of a real authorization server, before and after the keys were rotated.
func TestOAuth(t *testing.T) { //nolint:tparallel // its parts follow one another: before and after a rotation
	t.Parallel()
	mcpclients.Install(t, mcpclients.Dir())
	issuer := startAuthority(t)
	f := oauthFixture(t, issuer)
	connects := func(t *testing.T, mode, name string) {
		t.Helper()
		if out := mcpclients.Run(t, nil, "oauth.mjs", f.url, mode); !strings.Contains(out, "principal oauth:"+issuer+"#"+name+" [read events]") {
			t.Errorf("%s: %s", mode, out)
		}
	}
	t.Run("client credentials, ES256", func(t *testing.T) { connects(t, "machine", "machine") })
	t.Run("code and PKCE, ES256", func(t *testing.T) { connects(t, "app", "U123") })
	operator := f.peer()
	if x := operator.do(operator.request(t.Context(), http.MethodPost, issuer+"/rotate?alg=RS256", nil)); x.status != http.StatusOK {
		t.Fatalf("rotate: %d %s", x.status, x.body)
	}
	t.Run("RS256 after a rotation", func(t *testing.T) {
		// The keys were fetched moments ago; the new one is asked for once the pause is over.
		token := clientToken(t, issuer, f.url, "read")
		eventually(t, "the new key to be known", func() bool {
			p := f.peerOf(t)
			p.header.Set("Authorization", "Bearer "+token)
			return p.post(encodeRequest(t, 1, "initialize", initializeParams)).status == http.StatusOK
		})
		connects(t, "app", "U123")
	})
	t.Run("a token for another resource is refused", func(t *testing.T) {
		p := f.peerOf(t)
		p.header.Set("Authorization", "Bearer "+clientToken(t, issuer, "https://other.example/mcp", "read"))
		x := p.post(encodeRequest(t, 1, "initialize", initializeParams))
		if x.status != http.StatusUnauthorized || !strings.Contains(x.header.Get("WWW-Authenticate"), `error="invalid_token", resource_metadata="`+f.base) {
			t.Fatalf("got %d %v", x.status, x.header)
		}
	})
	t.Run("a token without a scope that does is refused", func(t *testing.T) {
		p := f.peerOf(t)
		p.header.Set("Authorization", "Bearer "+clientToken(t, issuer, f.url, "write"))
		x := p.post(encodeRequest(t, 1, "initialize", initializeParams))
		if x.status != http.StatusForbidden || !strings.Contains(x.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
			t.Fatalf("got %d %v", x.status, x.header)
		}
	})
}

// clientToken gets a token by client credentials.
func clientToken(t *testing.T, issuer, resource, scope string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "scope": {scope}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("machine", "machine-secret-0123456789")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("no token: %d %v", res.StatusCode, err)
	}
	return answer.AccessToken
}
