package oauth_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/internal/egress"
)

// A host has metadata documents of clients.
type host struct {
	*httptest.Server
	hits atomic.Int64
	mu   sync.Mutex
	how  func(w http.ResponseWriter, r *http.Request)
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.hits.Add(1)
		h.mu.Lock()
		how := h.how
		h.mu.Unlock()
		how(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *host) serve(how func(w http.ResponseWriter, r *http.Request)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.how = how
}

func (h *host) document(id, redirect string) {
	h.serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=600")
		_ = json.NewEncoder(w).Encode(map[string]any{"client_id": id, "client_name": "Agent", "redirect_uris": []string{redirect}})
	})
}

// options let the host be reached, as the operator can.
func (h *host) options(id string) options {
	pool := x509.NewCertPool()
	pool.AddCert(h.Certificate())
	return options{named: []string{id}, egress: egress.Options{RootCAs: pool, Hosts: []string{strings.TrimPrefix(h.URL, "https://")}}}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.URL + "/client.json"
	h.document(id, loopback)
	r := newRig(t, h.options(id))
	for range 5 {
		if res := r.browser().get("/authorize", request(id, loopback)); !strings.Contains(res.body, "It is known as “Agent”") {
			t.Fatalf("%d, %s", res.StatusCode, res.body)
		}
	}
	if n := h.hits.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	// The last good copy stays while the host is away.
	h.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	r.forward(time.Hour)
	r.browser().get("/authorize", request(id, loopback)).form(t)
	if n := h.hits.Load(); n != 2 {
		t.Errorf("%d fetches", n)
	}
	code := r.browser().code(request(id, loopback))
	if status, given := r.token(exchange(id, loopback, code)); status != http.StatusOK {
		t.Errorf("%d, %v", status, given)
	}
	// What a document says of redirects is judged like everything else.
	h.document(id, "https://evil.example/callback")
	r.forward(time.Hour)
	refused(t, "a redirect elsewhere", r.browser().get("/authorize", request(id, "https://evil.example/callback")))
}

// Documents that are none are all answered alike, so that nobody learns what is reached from here.
func TestBadDocuments(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	id := h.URL + "/client.json"
	text := func(media, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			_, _ = w.Write([]byte(body))
		}
	}
	good := fmt.Sprintf(`{"client_id":%q,"client_name":"Agent","redirect_uris":[%q]`, id, loopback)
	pages := map[string]bool{}
	for name, how := range map[string]func(http.ResponseWriter, *http.Request){
		"a redirect":        func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"no JSON":           text("application/json", "<html>"),
		"of another type":   text("text/html", good+"}"),
		"too long":          text("application/json", good+`,"x":"`+strings.Repeat("a", 6000)+`"}`),
		"of another id":     text("application/json", strings.Replace(good, "client.json", "other.json", 1)+"}"),
		"with a secret":     text("application/json", good+`,"client_secret":"x"}`),
		"without redirects": text("application/json", fmt.Sprintf(`{"client_id":%q,"client_name":"Agent"}`, id)),
		"not found":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
	} {
		h.serve(how)
		r := newRig(t, h.options(id))
		res := r.browser().get("/authorize", request(id, loopback))
		if res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d, %s", name, res.StatusCode, res.body)
		}
		pages[res.body] = true
	}
	if len(pages) != 1 {
		t.Errorf("%d different pages", len(pages))
	}
}

// No document is fetched but those of known clients and of the operator, and no machine is reached
// that is not in the public network.
func TestSSRF(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	r := newRig(t, options{})
	for _, id := range []string{
		h.URL + "/client.json", "https://169.254.169.254/latest/meta-data", "https://[::1]/x.json", "https://localhost/x.json", "https://10.0.0.1/x",
		"https://claude.ai/oauth/other", "https://claude.ai/oauth/claude-code-client-metadata?x", "https://claude.ai:444/oauth/claude-code-client-metadata",
		"https://claude.ai@127.0.0.1/oauth/claude-code-client-metadata",
	} {
		refused(t, id, r.browser().get("/authorize", request(id, loopback)))
	}
	// One that the operator named is reached in the public network only: the name leads to loopback.
	named := h.options(h.URL + "/client.json")
	named.egress.Hosts = nil
	r = newRig(t, named)
	if res := r.browser().get("/authorize", request(h.URL+"/client.json", loopback)); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d, %s", res.StatusCode, res.body)
	}
	if n := h.hits.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// Where the known clients' documents cannot be fetched, behind a firewall, the pinned copies do.
func TestPinned(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	for id, redirect := range map[string]string{
		"https://claude.ai/oauth/claude-code-client-metadata": "http://localhost:55555/callback",
		"https://claude.ai/oauth/mcp-oauth-client-metadata":   "https://claude.ai/api/mcp/auth_callback",
		"https://chatgpt.com/oauth/client.json":               "https://chatgpt.com/connector_platform_oauth_redirect",
		"https://vscode.dev/oauth/client-metadata.json":       "http://127.0.0.1:40000/",
		"https://github.com/copilot/cli/client-metadata.json": "http://127.0.0.1:40000/",
		"https://chatgpt.com/oauth/codex/client.json":         "http://127.0.0.1:40000/callback",
	} {
		r.browser().get("/authorize", request(id, redirect)).form(t)
		refused(t, id+" elsewhere", r.browser().get("/authorize", request(id, "http://127.0.0.1:40000/elsewhere")))
	}
}
