package e2e_test

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
	"time"

	"slackmcp/internal/requires"
	mcpclients "slackmcp/test/mcp-clients"
)

// startAuthority starts a real authorization server, oidc-provider, and returns its issuer.
func startAuthority(t *testing.T) string {
	t.Helper()
	node := requires.Program(t, "node", "install Node 20 or newer")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, node, "server.mjs")
	cmd.Dir = mcpclients.Install(t, filepath.Join(mcpclients.Dir(), "..", "oauth"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	first := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(out)
		s.Scan()
		first <- s.Text()
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case issuer := <-first:
		return issuer
	case <-time.After(30 * time.Second):
		t.Fatal("the authorization server does not start")
	}
	return ""
}

// TestOAuthWithTheBinary: a client that has nothing learns where to get a token, and the
// token's scopes decide what it sees.
func TestOAuthWithTheBinary(t *testing.T) {
	issuer := startAuthority(t)
	port := freePort(t)
	resource := "http://127.0.0.1:" + port + "/mcp"
	p := integrated(t, options{port: port, env: []string{"MCP_OAUTH_ISSUER=" + issuer, "MCP_OAUTH_AUDIENCE=" + resource}})

	ask := func(token, method string) (int, http.Header, string) {
		body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, resource, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header, string(b)
	}

	status, header, _ := ask("", "initialize")
	where := p.url + "/.well-known/oauth-protected-resource/mcp"
	if got := header.Get("WWW-Authenticate"); status != http.StatusUnauthorized || !strings.Contains(got, `resource_metadata="`+where+`"`) {
		t.Errorf("without a token: %d %q, want 401 and %s", status, got, where)
	}
	if _, doc := p.get("/.well-known/oauth-protected-resource/mcp"); !strings.Contains(doc, `"authorization_servers":["`+issuer+`"]`) {
		t.Errorf("the metadata is %s", doc)
	}
	if status, _, body := ask(clientToken(t, issuer, resource, "events"), "initialize"); status != http.StatusOK {
		t.Errorf("with a token: %d %s", status, body)
	}
	if status, _, _ := ask(clientToken(t, issuer, "https://other.example/mcp", "events"), "initialize"); status != http.StatusUnauthorized {
		t.Errorf("with a token for another server: %d, want 401", status)
	}
	if status, _, body := ask(authToken, "initialize"); status != http.StatusOK {
		t.Errorf("with the static token beside OAuth: %d %s", status, body)
	}
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
	defer res.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("no token: %s %v", res.Status, err)
	}
	return answer.AccessToken
}
