package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"slackmcp/server"
	"slackmcp/slackapi/sandbox"
)

const adminToken = "the-token-of-the-operator"

// A consoleUser is a browser with a session of the console.
type consoleUser struct {
	t    *testing.T
	base string // of the listener
	http http.Client
}

var formToken = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func openConsole(t *testing.T, base, token string) *consoleUser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u := &consoleUser{t, base, http.Client{Jar: jar}}
	if status, page := u.post("/console/sign-in", url.Values{"token": {token}}); status != http.StatusOK || !strings.Contains(page, "<h1>Health</h1>") {
		t.Fatalf("signing in: %d %s", status, page)
	}
	return u
}

func (u *consoleUser) do(method, path string, form url.Values) (int, string) {
	u.t.Helper()
	r, err := http.NewRequestWithContext(u.t.Context(), method, u.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		u.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", u.base)
	res, err := u.http.Do(r)
	if err != nil {
		u.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (u *consoleUser) get(path string) (int, string) {
	u.t.Helper()
	return u.do(http.MethodGet, path, nil)
}

func (u *consoleUser) post(path string, form url.Values) (int, string) {
	u.t.Helper()
	_, page := u.get("/console/settings") // or where one signs in
	found := formToken.FindStringSubmatch(page)
	if found == nil {
		u.t.Fatalf("no form: %s", page)
	}
	form.Set("csrf", found[1])
	return u.do(http.MethodPost, path, form)
}

// The console shows what the server knows, changes what the commands change, and tells the trail; the settings are
// shown without their secrets; another token ends its sessions.
func TestConsole(t *testing.T) {
	t.Parallel()
	addr := "127.0.0.1:" + freePort(t)
	p := startPeopled(t, map[string]string{"ADMIN_ADDR": addr, "ADMIN_TOKEN": adminToken})
	signIn(t, p.base, sandbox.Alice)
	u := openConsole(t, "http://"+addr, adminToken)
	if status, _ := get(t, p.base+"/console/sign-in", ""); status != http.StatusNotFound {
		t.Errorf("the console is on the main listener beside ADMIN_ADDR, too: %d", status)
	}
	for path, want := range map[string]string{
		"/": "fsync", "/events": "No event matches", "/groups": "Groups", "/dead-letters": "There is no dead letter", "/rules": "No rule is in force",
		"/gaps": "Gaps", "/subscriptions": "Subscriptions", "/assistants": "At this process", "/people": "Lantern Works</td><td>alice", "/settings": "environment ADMIN_TOKEN",
	} {
		if status, page := u.get("/console" + path); status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("%s: %d, and %q is missing: %s", path, status, want, page)
		} else if strings.Contains(page, adminToken) || strings.Contains(page, sandbox.DefaultClientSecret) || strings.Contains(page, sandbox.DefaultBotToken) {
			t.Errorf("%s shows a secret", path)
		}
	}
	alice := sandbox.Team + "/" + sandbox.Alice
	if status, page := u.post("/console/people/sign-out", url.Values{"who": {alice}, "sure": {"yes"}}); status != http.StatusOK || !strings.Contains(page, "Nobody has signed in") {
		t.Errorf("sign out: %d %s", status, page)
	}
	trail := p.log.String()
	for _, want := range []string{
		`"event":"console_session","outcome":"ok","address":"127.0.0.1"`, `"principal":"console#`, `"operation":"people_sign_out","target":"` + alice,
		`"event":"person_signed_out","outcome":"ok","reason":"operator","principal":"` + alice,
	} {
		if !strings.Contains(trail, want) {
			t.Errorf("the trail lacks %s:\n%s", want, trail)
		}
	}
	if strings.Contains(trail, adminToken) {
		t.Error("the trail or the log has the token")
	}
}

func TestAnotherAdminTokenEndsTheConsole(t *testing.T) {
	t.Parallel()
	r := reloadingServer(t, map[string]string{"ADMIN_TOKEN": adminToken})
	u := openConsole(t, r.url, adminToken)
	r.change(map[string]string{"ADMIN_TOKEN": "another-token-of-the-operator"})
	if _, page := u.get("/console/events"); !strings.Contains(page, "<h1>Sign in</h1>") {
		t.Errorf("the session outlives the token: %s", page)
	}
	if status, _ := u.post("/console/sign-in", url.Values{"token": {adminToken}}); status != http.StatusForbidden {
		t.Errorf("the old token opens the console: %d", status)
	}
	openConsole(t, r.url, "another-token-of-the-operator")
	r.change(map[string]string{"ADMIN_TOKEN": "0123456789"})
	if status, _ := u.post("/console/sign-in", url.Values{"token": {"0123456789"}}); status != http.StatusForbidden {
		t.Errorf("a token that is too short opens the console: %d", status)
	}
	if !strings.Contains(r.log.String(), "the console is closed: ADMIN_TOKEN is too short") {
		t.Errorf("nothing is logged of a token that is too short: %s", r.log.String())
	}
}

// Without a token, with a short one, and where a proxy may stand in front, there is no console.
func TestTheConsoleIsClosedByDefault(t *testing.T) {
	t.Parallel()
	for name, vars := range map[string]map[string]string{
		"no token":      {},
		"a short token": {"ADMIN_TOKEN": "0123456789"},
		"a public URL":  {"ADMIN_TOKEN": adminToken, "PUBLIC_URL": "https://events.example.com"},
		"a proxy":       {"ADMIN_TOKEN": adminToken, "TRUSTED_PROXIES": "10.0.0.0/8"},
	} {
		s, err := server.New(t.Context(), server.Options{Config: load(t, vars), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		base, stop := run(t, s)
		for _, path := range []string{"/console", "/console/", "/console/sign-in", "/console/assets/page.css"} {
			if status, body := get(t, base+path, adminToken); status != http.StatusNotFound {
				t.Errorf("%s: %s: %d %s", name, path, status, body)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
