package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/server"
)

// A notebook is a log that may be read while it is written.
type notebook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// A reloading is a running server whose settings the test changes.
type reloading struct {
	*server.Server
	t    *testing.T
	url  string
	vars map[string]string
	err  error // of the next loading
	log  *notebook
	note *slog.Logger // what the server logs with, each line at once
}

// reloadingServer starts a server of the variables; "DATA_DIR" and others may be missing.
func reloadingServer(t *testing.T, vars map[string]string) *reloading {
	t.Helper()
	r := &reloading{t: t, vars: maps.Clone(vars), log: &notebook{}}
	r.vars["DATA_DIR"] = t.TempDir()
	c := load(t, r.vars)
	// A terminal's log is not gathered.
	log := config.NewLogger(c, r.log, true)
	r.note = log
	s, err := server.New(t.Context(), server.Options{Config: c, Logger: log, Reread: func() (config.Config, error) {
		return load(t, r.vars), r.err
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	r.url, _ = run(t, s)
	return r
}

// change sets variables and reloads; it returns what was logged of that.
func (r *reloading) change(vars map[string]string) string {
	r.t.Helper()
	maps.Copy(r.vars, vars)
	before := len(r.log.String())
	r.Reload(r.t.Context())
	return r.log.String()[before:]
}

func (r *reloading) wants(got string, parts ...string) {
	r.t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			r.t.Errorf("%q is missing in:\n%s", part, got)
		}
	}
}

// An answer is what came back; its body is closed when the test ends.
type answer struct {
	status  int
	session string
	body    io.Reader
}

// mcp makes a request of a session, or without one initialize.
func (r *reloading) mcp(token, session, method string) answer {
	r.t.Helper()
	body := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	if session == "" {
		body = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	}
	if method == http.MethodGet {
		body = ""
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	r.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, r.url+"/mcp", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+token)
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
		req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = res.Body.Close() })
	return answer{res.StatusCode, res.Header.Get("Mcp-Session-Id"), res.Body}
}

const (
	defaultBearer = "the-default-bearer-0123456789"
	bobBearer     = "bobs-bearer-0123456789"
	carolBearer   = "carols-bearer-0123456789"
)

// TestTokensReload takes one bearer away and adds another while the first has a stream.
func TestTokensReload(t *testing.T) {
	trail := filepath.Join(t.TempDir(), "audit.jsonl")
	r := reloadingServer(t, map[string]string{
		"SANDBOX": "true", "MCP_AUTH_TOKEN": defaultBearer, "MCP_TOKENS": "bob:read+events:" + bobBearer, "AUDIT_LOG": trail,
	})
	session := r.mcp(bobBearer, "", http.MethodPost).session
	own := r.mcp(defaultBearer, "", http.MethodPost).session
	stream, stays := r.mcp(bobBearer, session, http.MethodGet), r.mcp(defaultBearer, own, http.MethodGet)
	if stream.status != http.StatusOK || stays.status != http.StatusOK {
		t.Fatalf("streams are answered %d and %d", stream.status, stays.status)
	}
	if res := r.mcp(carolBearer, "", http.MethodPost); res.status != http.StatusUnauthorized {
		t.Fatalf("a bearer of tomorrow is answered %d", res.status)
	}
	got := r.change(map[string]string{"MCP_TOKENS": "carol:read:" + carolBearer})
	r.wants(got, "mcp tokens reloaded", "added=[carol]", "removed=[bob]", "kept=[default]", "changed=[]")
	if res := r.mcp(bobBearer, session, http.MethodPost); res.status != http.StatusUnauthorized {
		t.Errorf("the removed bearer is answered %d", res.status)
	}
	if res := r.mcp(carolBearer, "", http.MethodPost); res.status != http.StatusOK {
		t.Errorf("the added bearer is answered %d", res.status)
	}
	if _, err := io.Copy(io.Discard, stream.body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream of the removed bearer does not end: %v", err)
	}
	if _, err := bufio.NewReader(stays.body).ReadString('\n'); err != nil {
		t.Errorf("the stream of the bearer that stayed: %v", err)
	}
	// Whoever is bob next has a session of its own.
	r.change(map[string]string{"MCP_TOKENS": "bob:read:" + carolBearer})
	if res := r.mcp(carolBearer, session, http.MethodPost); res.status != http.StatusNotFound {
		t.Errorf("the session of the first bob is answered %d to the next", res.status)
	}
	text, err := os.ReadFile(trail)
	if err != nil {
		t.Fatal(err)
	}
	r.wants(string(text), `"event":"operation","outcome":"ok","operation":"token_removed","target":"token:bob"`, `"operation":"token_added","target":"token:carol"`,
		`"event":"operation","outcome":"ok","operation":"reload_tokens","count":2`)
	for _, bearer := range []string{defaultBearer, bobBearer, carolBearer} {
		if strings.Contains(string(text)+r.log.String(), bearer) {
			t.Errorf("%s is told", bearer)
		}
	}
}

// TestTokensOfTheMCPCommandReload has no webhook side.
func TestTokensOfTheMCPCommandReload(t *testing.T) {
	token := func(name string) config.Config {
		c, err := config.Load(config.Sources{Command: config.CommandMCP, LookupEnv: func(k string) (string, bool) {
			v, ok := map[string]string{
				"SLACK_BOT_TOKEN": "xoxb-none", "SLACK_API_URL": "http://127.0.0.1:1/api/", "HOST": "127.0.0.1", "PORT": "0", "MCP_TRANSPORT": "sse",
				"MCP_AUTH_TOKEN": defaultBearer, "MCP_TOKENS": name + ":read:" + bobBearer,
			}[k]
			return v, ok
		}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s, err := server.New(t.Context(), server.Options{Config: token("bob"), Reread: func() (config.Config, error) {
		return token("carol"), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := &reloading{t: t, Server: s}
	r.url, _ = run(t, s)
	session := r.mcp(bobBearer, "", http.MethodPost).session
	s.Reload(t.Context())
	if res := r.mcp(bobBearer, session, http.MethodPost); res.status != http.StatusNotFound {
		t.Errorf("the session of a name that is gone is answered %d", res.status)
	}
}

// TestTheTokenOfTheDataDirectoryReloads removes the file: another token is made, and the
// log says where.
func TestTheTokenOfTheDataDirectoryReloads(t *testing.T) {
	r := reloadingServer(t, map[string]string{"SANDBOX": "true"})
	path := filepath.Join(r.vars["DATA_DIR"], "mcp-token")
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	first := read()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.wants(r.change(nil), "changed=[default]", path)
	if res := r.mcp(first, "", http.MethodPost); res.status != http.StatusUnauthorized {
		t.Errorf("the first token is answered %d", res.status)
	}
	if res := r.mcp(read(), "", http.MethodPost); res.status != http.StatusOK {
		t.Errorf("the second token is answered %d", res.status)
	}
	r.note.Info("trouble", slog.String("error", first+" and "+read()))
	if log := r.log.String(); strings.Contains(log, first) || strings.Contains(log, read()) {
		t.Errorf("the log holds a token:\n%s", log)
	}
}

// TestAReloadThatCannotBeUsedChangesNothing wants the old secrets and tokens to stay, and
// the log to say what to do.
func TestAReloadThatCannotBeUsedChangesNothing(t *testing.T) {
	trail, sources := filepath.Join(t.TempDir(), "audit.jsonl"), filepath.Join(t.TempDir(), "sources.yaml")
	write(t, sources, "sources:\n  - name: shop\n    secret_env: SHOP_SECRET\n")
	r := reloadingServer(t, map[string]string{
		"INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-none", "SLACK_API_URL": "http://127.0.0.1:1/api/", "AUDIT_LOG": trail,
		"SOURCES_FILE": sources, "SHOP_SECRET": "the-shops-secret", "MCP_AUTH_TOKEN": defaultBearer, "MCP_TOKENS": "bob:read:" + bobBearer,
	})
	good := maps.Clone(r.vars)
	for name, spoil := range map[string]func(){
		"settings that do not load": func() { r.err = errors.New("MCP_TOKENS cannot be used") },
		"two tokens of a name":      func() { r.vars["MCP_TOKENS"] = "default:read:" + carolBearer },
		"a sources file with a typo": func() {
			write(t, sources, "sources:\n  - name: shop\n    secret_env: SHOP_SECRETT\n")
		},
		"a new source with a problem": func() {
			write(t, sources, "sources:\n  - name: shop\n    secret_env: SHOP_SECRET\n  - name: till\n    scheme: svix\n    secret_env: SHOP_SECRET\n")
		},
		"the shop's secret for Slack": func() { r.vars["SLACK_SIGNING_SECRET"] = r.vars["SHOP_SECRET"] },
		"Slack's old secret for the shop, and none for Slack": func() {
			r.vars["SHOP_SECRET"] = good["SLACK_SIGNING_SECRET"]
			delete(r.vars, "SLACK_SIGNING_SECRET")
		},
	} {
		maps.Copy(r.vars, map[string]string{"MCP_TOKENS": "carol:read:" + carolBearer, "SLACK_SIGNING_SECRET": "another-signing-secret"})
		spoil()
		got := r.change(nil)
		if !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "the old secrets and tokens stay in force") || !strings.Contains(got, "remedy=") || strings.Contains(got, "secrets reloaded") {
			t.Errorf("%s is logged as:\n%s", name, got)
		}
		if status := post(t, r.url, `{"type":"event_callback","event_id":"Ev-`+strings.ReplaceAll(name, " ", "")+`","event":{"type":"x"}}`); status != http.StatusOK {
			t.Errorf("%s: the old secret is answered %d", name, status)
		}
		for bearer, want := range map[string]int{bobBearer: http.StatusOK, carolBearer: http.StatusUnauthorized} {
			if res := r.mcp(bearer, "", http.MethodPost); res.status != want {
				t.Errorf("%s: %s is answered %d, want %d", name, bearer, res.status, want)
			}
		}
		r.err = nil
		maps.Copy(r.vars, good)
		write(t, sources, "sources:\n  - name: shop\n    secret_env: SHOP_SECRET\n")
	}
	text, err := os.ReadFile(trail)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"outcome":"failed","reason":"invalid","operation":"reload_settings"`); n != 6 {
		t.Errorf("the trail tells of %d failures, want 6:\n%s", n, text)
	}
	if strings.Contains(string(text), `"outcome":"ok","operation":"reload"`) {
		t.Errorf("the trail calls a reload that changed nothing ok:\n%s", text)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTheLogKnowsReloadedSecrets rotates every kind of secret that a file or a variable
// holds, and then logs each, the old ones too.
func TestTheLogKnowsReloadedSecrets(t *testing.T) {
	dir := t.TempDir()
	sources, rules, held, trail := filepath.Join(dir, "sources.yaml"), filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "till"), filepath.Join(dir, "audit.jsonl")
	write(t, sources, "sources:\n  - name: shop\n    secret_env: SHOP_SECRET\n  - name: till\n    secret_file: "+held+"\n")
	write(t, rules, `rules:
  - name: onward
    when: {source: shop}
    forward: {url: "https://hooks.example/x", secret_env: HOOK_SECRET}
  - name: command
    when: {source: shop}
    run: {command: [/bin/true], env: [DATABASE_URL]}
`)
	generation := func(n string) (map[string]string, []string) {
		write(t, held, "the-tills-secret-"+n+"\n")
		hook := "whsec_" + strings.Repeat(n, 32)
		vars := map[string]string{
			"SLACK_SIGNING_SECRET": "signing-secret-" + n, "MCP_AUTH_TOKEN": "bearer-of-generation-" + n, "SHOP_SECRET": "the-shops-secret-" + n,
			"HOOK_SECRET": hook, "DATABASE_URL": "postgres://app:database-password-" + n + "@db/app",
		}
		return vars, []string{
			"signing-secret-" + n, "bearer-of-generation-" + n, "the-shops-secret-" + n, "the-tills-secret-" + n, hook,
			"postgres://app:database-password-" + n + "@db/app", "database-password-" + n,
		}
	}
	vars, secrets := generation("1")
	maps.Copy(vars, map[string]string{
		"INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-none", "SLACK_API_URL": "http://127.0.0.1:1/api/",
		"SOURCES_FILE": sources, "RULES_FILE": rules, "AUDIT_LOG": trail,
	})
	r := reloadingServer(t, vars)
	hidden := func(secrets []string) {
		t.Helper()
		for _, secret := range secrets {
			before := len(r.log.String())
			r.note.Warn("trouble", slog.String("error", "it said: "+secret+"!"))
			if got := r.log.String()[before:]; strings.Contains(got, secret) {
				t.Errorf("the log holds it: %s", got)
			}
		}
	}
	hidden(secrets)
	vars, more := generation("2")
	got := r.change(vars)
	r.wants(got, "secrets reloaded", "mcp tokens reloaded", "changed=[default]")
	// The rules see the variables as they are now. They may not be at work yet.
	for deadline := time.Now().Add(time.Minute); !strings.Contains(got, "rules reloaded") && time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		got = r.change(nil)
	}
	if !strings.Contains(got, `changed="[onward command]"`) && !strings.Contains(got, `changed="[command onward]"`) {
		t.Errorf("the rules are not told of their new variables:\n%s", got)
	}
	hidden(append(secrets, more...))
}

// TestReloadedSecretsAreCounted wants the log to say how many are in force.
func TestReloadedSecretsAreCounted(t *testing.T) {
	t.Run("in the sandbox", func(t *testing.T) {
		r := reloadingServer(t, map[string]string{"SANDBOX": "true", "SLACK_SIGNING_SECRET": ""})
		got := r.change(nil)
		r.wants(got, "slack_signing_secrets=1", `slack_signing_secrets_of="the sandbox, which keeps its own"`)
		if strings.Contains(got, "no longer in the settings") {
			t.Errorf("the sandbox's secret is missed:\n%s", got)
		}
	})
	t.Run("two while one replaces the other", func(t *testing.T) {
		r := reloadingServer(t, map[string]string{"CONTACT_WEBHOOK_SECRET": "the-contacts-secret"})
		r.wants(r.change(map[string]string{"SLACK_SIGNING_SECRET": "a-new-secret," + secret}), "slack_signing_secrets=2", "sources=1")
		r.wants(r.change(map[string]string{"SLACK_SIGNING_SECRET": secret, "CONTACT_WEBHOOK_SECRET": ""}), "slack_signing_secrets=1", "sources=0",
			"a source is no longer in the settings", "source=contact_created", "restart the server")
	})
	t.Run("none is left in the settings", func(t *testing.T) {
		r := reloadingServer(t, map[string]string{"CONTACT_WEBHOOK_SECRET": "the-contacts-secret"})
		r.wants(r.change(map[string]string{"SLACK_SIGNING_SECRET": ""}), "slack_signing_secrets=1", "source=slack")
	})
}
