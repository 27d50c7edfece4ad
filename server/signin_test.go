package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"slackmcp/server"
	"slackmcp/signin"
	"slackmcp/slackapi/sandbox"
	mcpclients "slackmcp/test/mcp-clients"
)

// signInServer runs a sandbox in which people sign in.
func signInServer(t *testing.T, more map[string]string) (*server.Server, string, *notebook) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	base := "http://127.0.0.1:" + port
	vars := map[string]string{"SANDBOX": "true", "SIGN_IN_TEAMS": sandbox.Team, "PORT": port, "PUBLIC_URL": base, "MCP_AUTH_TOKEN": "a-token-of-the-test"}
	maps.Copy(vars, more)
	log := &notebook{}
	s, err := server.New(t.Context(), server.Options{
		Config: load(t, vars), Logger: slog.New(slog.NewJSONHandler(log, nil)), Stderr: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return s, base, log
}

var formValue = regexp.MustCompile(`name="t" value="([^"]*)"`)

// signIn signs a person in as a client does, and returns its tokens and its id.
func signIn(t *testing.T, base, user string) (token, refresh, client string) {
	t.Helper()
	const verifier, redirect = "a-verifier-of-more-than-forty-three-characters-0123456789", "http://127.0.0.1:5000/callback"
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	do := func(method, address, media, content string) (body string, to *url.URL) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", media)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 400 {
			t.Fatalf("%s: %d, %s, %v", res.Request.URL.Path, res.StatusCode, b, err)
		}
		to, err = url.Parse(res.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b), to
	}
	get := func(address string) (string, *url.URL) { return do(http.MethodGet, address, "", "") }
	post := func(address string, f url.Values) (string, *url.URL) {
		return do(http.MethodPost, address, "application/x-www-form-urlencoded", f.Encode())
	}
	form := func(body string) string {
		t.Helper()
		m := formValue.FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("no form: %s", body)
		}
		return html.UnescapeString(m[1])
	}
	var registered struct {
		ID string `json:"client_id"`
	}
	body, _ := do(http.MethodPost, base+"/register", "application/json", `{"client_name":"C","redirect_uris":["`+redirect+`"]}`)
	if err := json.Unmarshal([]byte(body), &registered); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(verifier))
	body, _ = get(base + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {registered.ID}, "redirect_uri": {redirect}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "resource": {base + "/mcp"},
	}.Encode())
	_, to := post(base+"/authorize/consent", url.Values{"t": {form(body)}, "answer": {"allow"}, "write": {"on"}, "events": {"on"}})
	atSlack := to.Query()
	atSlack.Set("user", user)
	atSlack.Set("answer", "allow")
	to.RawQuery = ""
	_, to = post(to.String(), atSlack)
	body, _ = get(to.String())
	_, to = post(base+"/authorize/done", url.Values{"t": {form(body)}, "answer": {"continue"}})
	body, _ = post(base+"/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {registered.ID}, "redirect_uri": {redirect}, "code": {to.Query().Get("code")}, "code_verifier": {verifier},
	})
	var given struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(body), &given); err != nil || given.Access == "" {
		t.Fatalf("%s, %v", body, err)
	}
	return given.Access, given.Refresh, registered.ID
}

// rpc posts a message of a session, and returns the answer's status, session and body.
func rpc(t *testing.T, base, token, session, body string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
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
	if v := res.Header.Get("WWW-Authenticate"); v != "" {
		b = append(b, v...)
	}
	return res.StatusCode, res.Header.Get("Mcp-Session-Id"), string(b)
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// People find where to sign in, sign in, and have a session that is theirs until their client ends it.
func TestSignIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, base, log := signInServer(t, map[string]string{"DATA_DIR": dir, "AUDIT_LOG": "stderr"})
	status, _, body := rpc(t, base, "", "", initialize)
	metadata := base + "/.well-known/oauth-protected-resource/mcp"
	if status != http.StatusUnauthorized || !strings.Contains(body, `resource_metadata="`+metadata+`", scope="read write"`) {
		t.Fatalf("%d, %s", status, body)
	}
	if status, text := get(t, metadata, ""); status != http.StatusOK || !strings.Contains(text, `"authorization_servers":["`+base+`"]`) {
		t.Errorf("%d, %s", status, text)
	}
	if status, text := get(t, base+"/.well-known/oauth-authorization-server", ""); status != http.StatusOK || !strings.Contains(text, `"issuer":"`+base+`"`) {
		t.Errorf("%d, %s", status, text)
	}
	token, refresh, client := signIn(t, base, sandbox.Alice)
	other, _, _ := signIn(t, base, sandbox.Bob)
	status, session, body := rpc(t, base, token, "", initialize)
	if status != http.StatusOK || session == "" {
		t.Fatalf("%d, %s", status, body)
	}
	const list = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
	if status, _, body := rpc(t, base, token, session, list); status != http.StatusOK || !strings.Contains(body, `"slack_post_message"`) || strings.Contains(body, `"slack_list_events"`) {
		t.Errorf("a person has other tools than theirs: %d, %.200s", status, body)
	}
	for name, foreign := range map[string]string{"another person": other, "a service": "a-token-of-the-test"} {
		if status, _, body := rpc(t, base, foreign, session, list); status != http.StatusNotFound {
			t.Errorf("%s in the session: %d, %.200s", name, status, body)
		}
	}
	if status, _, body := rpc(t, base, "a-token-of-the-test", "", initialize); status != http.StatusOK {
		t.Errorf("a service: %d, %s", status, body)
	}
	// What is open ends with the sign-in.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Mcp-Session-Id", session)
	req.Header.Set("Accept", "text/event-stream")
	stream, err := http.DefaultClient.Do(req)
	if err != nil || stream.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", stream, err)
	}
	defer stream.Body.Close()
	res, err := http.PostForm(base+"/revoke", url.Values{"token": {refresh}, "client_id": {client}})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	_ = res.Body.Close()
	if _, err := io.Copy(io.Discard, stream.Body); ctx.Err() != nil {
		t.Errorf("the stream goes on: %v", err)
	}
	if status, _, body := rpc(t, base, token, session, list); status != http.StatusUnauthorized {
		t.Errorf("after the end: %d, %s", status, body)
	}
	if _, err := os.Stat(filepath.Join(dir, "mcp-token")); err == nil {
		t.Error("a service token was made")
	}
	text := log.String()
	for _, want := range []string{`"event":"person_signed_in","outcome":"ok"`, `"event":"person_signed_out"`, `"principal":"` + sandbox.Team + `/` + sandbox.Alice + `"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the trail lacks %s", want)
		}
	}
	for _, canary := range []string{token, refresh, other, client} {
		if strings.Contains(text, canary) {
			t.Error("the log or the trail has a token or a client's id")
		}
	}
}

// Signing in that is not whole, or not safe, does not start.
func TestSignInIsRefused(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-1", "SIGN_IN_TEAMS": "T1", "PUBLIC_URL": "https://slack.example.com", "SLACK_CLIENT_ID": "1.2",
		"SLACK_CLIENT_SECRET": "s", "QUEUE_BACKEND_TYPE": "sqlite",
	}
	keys := func(t *testing.T, dir string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, "keys")
		if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data := t.TempDir()
	for name, c := range map[string]struct {
		file, clients, want string
	}{
		"without a file of keys":         {filepath.Join(t.TempDir(), "none"), "", "IDENTITY_KEYS_FILE"},
		"with keys that others may read": {keys(t, t.TempDir(), 0o644), "", "chmod 600"},
		"with keys beside the store":     {keys(t, data, 0o600), "", "data directory"},
		"with a client of no form":       {keys(t, t.TempDir(), 0o600), "*", "SIGN_IN_CLIENTS"},
	} {
		vars := maps.Clone(good)
		vars["IDENTITY_KEYS_FILE"], vars["SIGN_IN_CLIENTS"], vars["DATA_DIR"] = c.file, c.clients, data
		s, err := server.New(t.Context(), server.Options{Config: load(t, vars)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	// Without the setting nothing of it is there.
	s, err := server.New(t.Context(), server.Options{Config: load(t, map[string]string{"SANDBOX": "true"})})
	if err != nil {
		t.Fatal(err)
	}
	base, _ := run(t, s)
	for _, path := range []string{"/authorize", "/token", "/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource", signin.CallbackPath} {
		if status, _ := get(t, base+path, ""); status != http.StatusNotFound {
			t.Errorf("%s is there: %d", path, status)
		}
	}
}

var someTools = regexp.MustCompile(`(?m)^tools [1-9]`)

// The official clients of both languages and all major versions, and mcp-remote, sign a person in, call a
// tool, refresh four times at once, get writing by asking again, and sign out.
func TestOfficialClientsSignIn(t *testing.T) {
	t.Parallel()
	_, base, _ := signInServer(t, map[string]string{"MCP_TRANSPORT": "streamable-http", "TOOLSETS": "all"})
	for name, run := range map[string]func(testing.TB) string{
		"TypeScript 1.x":                func(t testing.TB) string { return mcpclients.Run(t, nil, "signin.mjs", base+"/mcp", "1") },
		"TypeScript 2.x":                func(t testing.TB) string { return mcpclients.Run(t, nil, "signin.mjs", base+"/mcp", "2") },
		"TypeScript 2.x, of 2026-07-28": func(t testing.TB) string { return mcpclients.Run(t, nil, "signin.mjs", base+"/mcp", "2", "2026-07-28") },
		"Python": func(t testing.TB) string {
			return mcpclients.RunPython(t, mcpclients.PythonSDK2, nil, "signin.py", base+"/mcp")
		},
		"mcp-remote": func(t testing.TB) string { return mcpclients.Run(t, nil, "remote.mjs", base+"/mcp") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "mcp-remote" && runtime.GOOS != "linux" {
				t.Skip("elsewhere it opens the browser of whoever runs the test")
			}
			if out := run(t); !someTools.MatchString(out) || !strings.Contains(out, "OK") {
				t.Error(out)
			}
		})
	}
}
