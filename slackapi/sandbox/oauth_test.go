package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi/sandbox"
)

const (
	callback = "https://app.example/oauth/slack/callback"
	client   = "client_id=" + sandbox.DefaultClientID + "&client_secret=" + sandbox.DefaultClientSecret
)

// asks is what an app asks for, with changes.
func asks(change ...string) url.Values {
	v := url.Values{
		"client_id": {sandbox.DefaultClientID}, "user_scope": {"channels:history,groups:history,groups:read,channels:read"},
		"redirect_uri": {callback}, "state": {"state-1"},
	}
	for i := 0; i < len(change); i += 2 {
		v.Set(change[i], change[i+1])
	}
	return v
}

// A shown is how the authorize page answered.
type shown struct {
	status int
	header http.Header
	body   string
}

// browse sends a form to the authorize page, without following it.
func browse(t testing.TB, method, base string, v url.Values, header ...string) shown {
	t.Helper()
	target, body := base+"/oauth/v2/authorize", io.Reader(nil)
	if method == http.MethodGet {
		target += "?" + v.Encode()
	} else {
		body = strings.NewReader(v.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	ok(t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	ok(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	ok(t, err)
	return shown{resp.StatusCode, resp.Header, string(page)}
}

// allow lets a person allow the app, and returns the code.
func allow(t testing.TB, base, user string, change ...string) string {
	t.Helper()
	resp := browse(t, http.MethodPost, base, asks(append(change, "user", user, "answer", "allow")...))
	back, err := url.Parse(resp.header.Get("Location"))
	ok(t, err)
	if resp.status != http.StatusFound {
		t.Fatalf("no way back: %d %s", resp.status, resp.body)
	}
	if !strings.HasPrefix(back.String(), callback+"?") || back.Query().Get("state") != "state-1" {
		t.Fatalf("sent back to %s", back)
	}
	return back.Query().Get("code")
}

func exchange(t testing.TB, base, code string) event {
	t.Helper()
	return call(t, base, "oauth.v2.access", "", client+"&redirect_uri="+url.QueryEscape(callback)+"&code="+code)
}

// tokenOf is a member of the person's part of an answer.
func tokenOf(t testing.TB, e event, name string) string {
	t.Helper()
	v, _ := e["authed_user"].(map[string]any)[name].(string)
	if v == "" {
		t.Fatalf("no %s in %v", name, e)
	}
	return v
}

func TestAuthorizePage(t *testing.T) {
	t.Parallel()
	_, base := host(t, sandbox.Options{RedirectURLs: []string{"https://app.example/oauth/slack"}})

	resp := browse(t, http.MethodGet, base, asks("state", `"><script>alert(1)</script>`))
	page := resp.body
	if resp.status != http.StatusOK || !strings.Contains(page, sandbox.Alice) || !strings.Contains(page, "groups:history") {
		t.Errorf("the page: %d %s", resp.status, page)
	}
	for what, id := range map[string]string{"a bot": sandbox.DeployBot, "the app": sandbox.BotUser, "a deactivated person": sandbox.Jonas, "a stranger": sandbox.Leo} {
		if strings.Contains(page, id) {
			t.Errorf("the page offers %s", what)
		}
		if got := browse(t, http.MethodPost, base, asks("user", id, "answer", "allow")); got.status != http.StatusBadRequest {
			t.Errorf("%s could allow the app: %d", what, got.status)
		}
	}
	policy := resp.header.Get("Content-Security-Policy")
	if strings.Contains(page, "<script") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "form-action 'self' https://app.example") {
		t.Errorf("policy %q, page %s", policy, page)
	}

	back, err := url.Parse(browse(t, http.MethodPost, base, asks("answer", "deny", "user", sandbox.Alice)).header.Get("Location"))
	ok(t, err)
	if q := back.Query(); q.Get("error") != "access_denied" || q.Get("state") != "state-1" || q.Has("code") {
		t.Errorf("denied: %s", back)
	}

	for name, v := range map[string]url.Values{
		"another client":    asks("client_id", "1.2"),
		"another host":      asks("redirect_uri", "https://evil.example/oauth/slack/callback"),
		"another scheme":    asks("redirect_uri", "http://app.example/oauth/slack/callback"),
		"beside the path":   asks("redirect_uri", "https://app.example/oauth/slackers"),
		"above the path":    asks("redirect_uri", "https://app.example/oauth/slack/../../x"),
		"a fragment":        asks("redirect_uri", callback+"#x"),
		"no redirect":       asks("redirect_uri", ""),
		"no scopes":         asks("user_scope", ""),
		"an unknown scope":  asks("user_scope", "channels:history,everything"),
		"a bot's scopes":    asks("scope", "chat:write"),
		"neither of answer": asks("user", sandbox.Alice, "answer", "perhaps"),
	} {
		if v.Get("answer") == "" {
			v.Set("answer", "allow")
			v.Set("user", sandbox.Alice)
		}
		if got := browse(t, http.MethodPost, base, v); got.status != http.StatusBadRequest || got.header.Get("Location") != "" {
			t.Errorf("%s: %d to %q", name, got.status, got.header.Get("Location"))
		}
	}
	allowed := asks("user", sandbox.Alice, "answer", "allow")
	for name, header := range map[string][]string{"another site's form": {"Origin", "https://evil.example"}, "a hidden origin": {"Origin", "null"}, "another name": {"Host", "evil.example"}, "through a tunnel": {"X-Forwarded-For", "192.0.2.7"}} {
		if got := browse(t, http.MethodPost, base, allowed, header...); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := browse(t, http.MethodPost, base, allowed, "Origin", base); got.status != http.StatusFound {
		t.Errorf("the page's own form: %d", got.status)
	}
	_, closed := host(t, sandbox.Options{})
	if got := browse(t, http.MethodGet, closed, asks()); got.status != http.StatusBadRequest {
		t.Errorf("an app without redirect URLs: %d", got.status)
	}
}

func TestCodeExchange(t *testing.T) {
	t.Parallel()
	sb, base := host(t, sandbox.Options{RedirectURLs: []string{callback}})
	code := allow(t, base, sandbox.Bob)
	back := "&redirect_uri=" + url.QueryEscape(callback)
	for want, form := range map[string]string{
		"invalid_client_id":     "client_id=1.2&client_secret=" + sandbox.DefaultClientSecret + back + "&code=" + code,
		"bad_client_secret":     "client_id=" + sandbox.DefaultClientID + "&client_secret=x" + back + "&code=" + code,
		"invalid_code":          client + back + "&code=1.2.3",
		"bad_redirect_uri":      client + "&redirect_uri=" + url.QueryEscape(callback+"/") + "&code=" + code,
		"invalid_grant_type":    client + back + "&grant_type=password&code=" + code,
		"invalid_refresh_token": client + "&grant_type=refresh_token&refresh_token=" + code,
	} {
		if got := call(t, base, "oauth.v2.access", "", form).str("error"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/oauth.v2.access", strings.NewReader("code="+code+back))
	ok(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(sandbox.DefaultClientID, sandbox.DefaultClientSecret)
	got := send(t, req)
	if tokenOf(t, got, "id") != sandbox.Bob || tokenOf(t, got, "token_type") != "user" || got["is_enterprise_install"] != false || got["access_token"] != nil {
		t.Errorf("exchanged %v", got)
	}
	if scope := tokenOf(t, got, "scope"); scope != "channels:history,groups:history,groups:read,channels:read" {
		t.Errorf("scope %q", scope)
	}
	if again := exchange(t, base, code).str("error"); again != "code_already_used" {
		t.Errorf("the code again: %q", again)
	}
	late := allow(t, base, sandbox.Bob)
	sb.PassTime(10 * time.Minute)
	if got := exchange(t, base, late).str("error"); got != "invalid_code" {
		t.Errorf("a code of 10 minutes: %q", got)
	}

	// Scopes add up, and the token of a grant stays.
	more := exchange(t, base, allow(t, base, sandbox.Bob, "user_scope", "chat:write"))
	if tokenOf(t, more, "access_token") != tokenOf(t, got, "access_token") || !strings.HasSuffix(tokenOf(t, more, "scope"), ",chat:write") {
		t.Errorf("a second consent: %v", more)
	}
}

// TestPersonsToken shows that a token sees what its person sees, with its own scopes.
func TestPersonsToken(t *testing.T) {
	t.Parallel()
	sb, base := host(t, sandbox.Options{RedirectURLs: []string{callback}})
	token := func(user string) string { return tokenOf(t, exchange(t, base, allow(t, base, user)), "access_token") }
	ines, bob, kira := token(sandbox.Ines), token(sandbox.Bob), token(sandbox.Kira)
	kiras, err := sb.CreateChannelAs("bob", "for-kira", false)
	ok(t, err)
	ok(t, sb.JoinAs("kira", "#for-kira", "bob"))
	for _, c := range []struct{ what, token, method, form, want string }{
		{"a member of a private channel", ines, "conversations.history", "channel=" + sandbox.Salaries, ""},
		{"a stranger to a private channel", bob, "conversations.history", "channel=" + sandbox.Salaries, "channel_not_found"},
		{"a scope that was not asked for", bob, "chat.postMessage", "channel=" + sandbox.General + "&text=x", "missing_scope"},
		{"a guest outside", kira, "conversations.history", "channel=" + sandbox.Design, "channel_not_found"},
		{"a guest inside", kira, "conversations.history", "channel=" + kiras, ""},
		{"no token of a grant", "xoxp-sandbox-oauth-NOBODY", "auth.test", "", "invalid_auth"},
	} {
		if got := call(t, base, c.method, c.token, c.form).str("error"); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	if got := call(t, base, "auth.test", ines, ""); got.str("user_id") != sandbox.Ines || got.str("bot_id") != "" {
		t.Errorf("auth.test %v", got)
	}
	ok(t, sb.Deactivate("ines"))
	if got := call(t, base, "auth.test", ines, "").str("error"); got != "account_inactive" {
		t.Errorf("a deactivated person: %q", got)
	}
	if got := call(t, base, "users.info", bob, "user="+sandbox.Ines).str("error"); got != "missing_scope" {
		t.Errorf("users.info without its scope: %q", got)
	}
}

func TestTokenRotation(t *testing.T) {
	t.Parallel()
	sb, base := host(t, sandbox.Options{RedirectURLs: []string{callback}, TokenRotation: true})
	first := exchange(t, base, allow(t, base, sandbox.Bob))
	refresh := func(token string) event {
		return call(t, base, "oauth.v2.access", "", client+"&grant_type=refresh_token&refresh_token="+token)
	}
	check := func(token, want string) {
		t.Helper()
		if got := call(t, base, "auth.test", token, "").str("error"); got != want {
			t.Errorf("%.20s: %q, want %q", token, got, want)
		}
	}
	one, next := tokenOf(t, first, "access_token"), tokenOf(t, first, "refresh_token")
	if in := first["authed_user"].(map[string]any)["expires_in"]; in != float64(43200) || !strings.HasPrefix(one, "xoxe.xoxp-") || !strings.HasPrefix(next, "xoxe-") {
		t.Errorf("first %v", first)
	}
	check(next, "not_allowed_token_type")
	second := refresh(next)
	two := second.str("access_token")
	if second.str("token_type") != "user" || second["authed_user"] != nil || two == "" {
		t.Errorf("second %v", second)
	}
	check(one, "")
	if got := refresh(next).str("error"); got != "invalid_refresh_token" {
		t.Errorf("a refresh token again: %q", got)
	}
	third := refresh(second.str("refresh_token"))
	check(one, "token_revoked") // the third live one
	check(two, "")
	sb.PassTime(12 * time.Hour)
	check(two, "token_expired")
	check(third.str("access_token"), "token_expired")

	// Revoking one ends one, and the refresh token has to be revoked by itself.
	fourth := refresh(third.str("refresh_token"))
	if got := call(t, base, "auth.revoke", fourth.str("access_token"), "test=1"); got["revoked"] != false {
		t.Errorf("tried %v", got)
	}
	check(fourth.str("access_token"), "")
	if got := call(t, base, "auth.revoke", fourth.str("access_token"), ""); got["revoked"] != true {
		t.Errorf("revoked %v", got)
	}
	check(fourth.str("access_token"), "token_revoked")
	fifth := refresh(fourth.str("refresh_token"))
	check(fifth.str("access_token"), "")
	if got := call(t, base, "auth.revoke", fifth.str("refresh_token"), ""); got["revoked"] != true {
		t.Errorf("revoked %v", got)
	}
	if got := refresh(fifth.str("refresh_token")).str("error"); got != "invalid_refresh_token" {
		t.Errorf("a revoked refresh token: %q", got)
	}
	last := exchange(t, base, allow(t, base, sandbox.Bob))
	ok(t, sb.Deactivate("bob"))
	if got := refresh(tokenOf(t, last, "refresh_token")).str("error"); got != "invalid_refresh_token" {
		t.Errorf("a deactivated person's refresh token: %q", got)
	}
}

// TestRevokedTokens shows which events the ends of tokens make.
func TestRevokedTokens(t *testing.T) {
	t.Parallel()
	rc := receive(t, nil)
	sb := start(t, sandbox.Options{RedirectURLs: []string{callback}}, rc)
	web := httptest.NewServer(sb.Handler())
	t.Cleanup(web.Close)
	server := web.URL
	token := tokenOf(t, exchange(t, server, allow(t, server, sandbox.Bob)), "access_token")
	if got := call(t, server, "auth.revoke", token, ""); got["revoked"] != true {
		t.Errorf("revoked %v", got)
	}
	if got := call(t, server, "auth.test", token, "").str("error"); got != "token_revoked" {
		t.Errorf("a revoked token: %q", got)
	}
	again := tokenOf(t, exchange(t, server, allow(t, server, sandbox.Bob)), "access_token")
	if again == token {
		t.Error("a revoked token came back")
	}
	ok(t, sb.RevokeGrant("bob"))
	if got := call(t, server, "auth.test", again, "").str("error"); got != "token_revoked" {
		t.Errorf("a token of a grant that was taken back: %q", got)
	}
	settle(t, sb) // events that happen at once are delivered in no order
	ok(t, sb.Deactivate("bob"))
	settle(t, sb)
	var kinds []string
	for _, d := range rc.all() {
		var e struct {
			Event struct {
				Type   string
				Tokens struct{ OAuth, Bot []string }
				User   struct {
					ID      string
					Deleted bool
				}
			}
		}
		ok(t, json.Unmarshal(d.body, &e))
		kinds = append(kinds, e.Event.Type)
		switch {
		case e.Event.Type == "tokens_revoked" && strings.Join(e.Event.Tokens.OAuth, ",") == sandbox.Bob && len(e.Event.Tokens.Bot) == 0:
		case e.Event.Type == "user_change" && e.Event.User.ID == sandbox.Bob && e.Event.User.Deleted:
		default:
			t.Errorf("delivered %s", d.body)
		}
		if strings.Contains(string(d.body), token) {
			t.Error("an event holds a token")
		}
	}
	if strings.Join(kinds, " ") != "tokens_revoked tokens_revoked user_change" {
		t.Errorf("events %v", kinds)
	}
}
