package oauth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/oauth"
	"slackmcp/signin/rows"
)

func TestWholeWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	id := r.register("Claude Code", "http://localhost/callback", loopback)
	q := request(id, "http://127.0.0.1:41999/callback") // another port than it registered
	q.Set("resource", r.web.URL+"/mcp")
	q.Set("scope", "read write events admin")
	code := r.browser().code(q)
	f := exchange(id, q.Get("redirect_uri"), code)
	f.Set("resource", r.web.URL+"/mcp")
	status, given := r.token(f)
	if status != http.StatusOK || given["token_type"] != "Bearer" || given["scope"] != "read write" || given["expires_in"].(float64) < 3590 {
		t.Fatalf("%d, %v", status, given)
	}
	p, err := r.signIns.Authenticate(t.Context(), given["access_token"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if who, ok := p.SignIn(); !ok || who.Person != ann || p.PersonMay(access.Admin) || p.PersonMay(access.Events) {
		t.Errorf("%+v", p)
	}
	status, next := r.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {given["refresh_token"].(string)}})
	if status != http.StatusOK || next["refresh_token"] == given["refresh_token"] {
		t.Fatalf("%d, %v", status, next)
	}
	if res := r.browser().post("/revoke", url.Values{"client_id": {id}, "token": {next["refresh_token"].(string)}}); res.StatusCode != http.StatusOK {
		t.Errorf("revoke: %d, %s", res.StatusCode, res.body)
	}
	if _, err := r.signIns.Authenticate(t.Context(), next["access_token"].(string)); err == nil {
		t.Error("a revoked sign-in goes on")
	}
	if !slices.Equal(r.slack.released, []access.Person{ann}) {
		t.Errorf("grants given back: %v", r.slack.released)
	}
	// Nothing that was secret is in the log.
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, canary := range []string{code, given["access_token"].(string), given["refresh_token"].(string), id, "annscode", "client's state"} {
		if strings.Contains(r.log.String(), canary) {
			t.Errorf("the log has %q", canary)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{ceiling: []access.Scope{access.Read}})
	for _, path := range []string{
		"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/mcp",
	} {
		res := r.browser().get(path, nil)
		var m map[string]any
		if err := json.Unmarshal([]byte(res.body), &m); err != nil || res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("%s: %s", path, res.body)
		}
		for key, want := range map[string]any{
			"issuer": r.web.URL, "authorization_endpoint": r.web.URL + "/authorize", "token_endpoint": r.web.URL + "/token",
			"authorization_response_iss_parameter_supported": true, "client_id_metadata_document_supported": true,
		} {
			if m[key] != want {
				t.Errorf("%s: %s is %v, want %v", path, key, m[key], want)
			}
		}
		for key, want := range map[string]string{"code_challenge_methods_supported": "S256", "token_endpoint_auth_methods_supported": "none", "scopes_supported": "read"} {
			if list, ok := m[key].([]any); !ok || len(list) != 1 || list[0] != want {
				t.Errorf("%s: %s is %v, want %s alone", path, key, m[key], want)
			}
		}
	}
}

func TestConsentPage(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	const name = "Evil <script>alert(1)</script>\u202e client of a name that is much longer than anybody wants to read in a page"
	res := r.browser().get("/authorize", request(r.register(name, loopback), loopback))
	for _, want := range []string{"It calls itself", "127.0.0.1:50123", "checkbox", "nobody has checked"} {
		if !strings.Contains(res.body, want) {
			t.Errorf("the page lacks %q: %s", want, res.body)
		}
	}
	for _, bad := range []string{"<script", "\u202e", "wants to read"} {
		if strings.Contains(res.body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	policy := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' http://127.0.0.1:50123 https://slack.example"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %q: %s", want, policy)
		}
	}
	for name, want := range map[string]string{"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if res.Header.Get(name) != want {
			t.Errorf("%s is %q", name, res.Header.Get(name))
		}
	}
	for _, c := range res.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("cookie %+v", c)
		}
	}
}

func TestWhoHasSignedInIsShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	b := r.browser()
	res := b.get(signin.CallbackPath, url.Values{"state": {b.atSlack(request(r.register("C", loopback), loopback))}, "code": {"annscode"}})
	if !strings.Contains(res.body, "Ann &lt;b&gt;Other&lt;/b&gt;") || !strings.Contains(res.body, "Acme") {
		t.Errorf("%s", res.body)
	}
	// Who it is not does not go on, and the grant is given back.
	to, q := b.post("/authorize/done", url.Values{"t": {res.form(t)}, "answer": {"stop"}}).to(t)
	if to != loopback || q.Get("error") != "access_denied" || q.Get("code") != "" || len(r.slack.released) != 1 {
		t.Errorf("%s, %v, %v", to, q, r.slack.released)
	}
}

func TestScopesByConsent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asked, tick, want string
		ceiling, slack    []access.Scope
	}{
		"nothing asked for":   {"", "on", "read write", nil, nil},
		"read asked for":      {"read", "on", "read", nil, nil},
		"write not given":     {"read write", "", "read", nil, nil},
		"ceiling of read":     {"read write", "on", "read", []access.Scope{access.Read}, nil},
		"admin is no consent": {"read admin", "on", "read", []access.Scope{access.Read, access.Admin, access.Events, access.Write}, nil},
		"events":              {"read events", "on", "read events", []access.Scope{access.Read, access.Events, access.Write}, nil},
		"all":                 {"", "on", "read events write", []access.Scope{access.Read, access.Events, access.Write}, nil},
		"events not given":    {"", "", "read", []access.Scope{access.Read, access.Events, access.Write}, nil},
		"events not offered":  {"read events", "on", "read", []access.Scope{access.Read, access.Write}, nil},
		"Slack gave less":     {"read write", "on", "read", nil, []access.Scope{access.Read}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, options{ceiling: c.ceiling})
			if c.slack != nil {
				a := r.slack.accounts["annscode"]
				a.Scopes = c.slack
				r.slack.accounts["annscode"] = a
			}
			id, b := r.register("C", loopback), r.browser()
			q := request(id, loopback)
			if c.asked != "" {
				q.Set("scope", c.asked)
			}
			_, sent := b.post("/authorize/consent", url.Values{"t": {b.get("/authorize", q).form(t)}, "answer": {"allow"}, "write": {c.tick}, "events": {c.tick}}).to(t)
			form := b.get(signin.CallbackPath, url.Values{"state": {sent.Get("state")}, "code": {"annscode"}}).form(t)
			_, sent = b.post("/authorize/done", url.Values{"t": {form}, "answer": {"continue"}}).to(t)
			if _, given := r.token(exchange(id, loopback, sent.Get("code"))); given["scope"] != c.want {
				t.Errorf("%v, want %s", given, c.want)
			}
		})
	}
}

func TestDeny(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	b, q := r.browser(), request(r.register("C", loopback), loopback)
	to, sent := b.post("/authorize/consent", url.Values{"t": {b.get("/authorize", q).form(t)}, "answer": {"deny"}}).to(t)
	if to != loopback || sent.Get("error") != "access_denied" || sent.Get("iss") != r.web.URL || sent.Get("state") != "client's state" {
		t.Errorf("%s, %v", to, sent)
	}
	to, sent = b.get(signin.CallbackPath, url.Values{"state": {b.atSlack(q)}, "error": {"access_denied"}}).to(t)
	if to != loopback || sent.Get("error") != "access_denied" {
		t.Errorf("%s, %v", to, sent)
	}
	if r.count() != 0 {
		t.Errorf("%d values are stored for somebody who denied", r.count())
	}
}

// A browser fetches a page twice: both forms count.
func TestPageFetchedTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	b, q := r.browser(), request(r.register("C", loopback), loopback)
	first := b.get("/authorize", q).form(t)
	b.get("/authorize", q)
	if to, _ := b.post("/authorize/consent", url.Values{"t": {first}, "answer": {"allow"}, "write": {"on"}}).to(t); !strings.HasPrefix(to, slackOrigin) {
		t.Error(to)
	}
}

func TestSlackDoesNotLetIn(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	b := r.browser()
	q := request(r.register("C", loopback), loopback)
	r.slack.err = &signin.RefusedError{Reason: signin.RefusedGuest, Text: "Guests may not sign in here."}
	if res := b.get(signin.CallbackPath, url.Values{"state": {b.atSlack(q)}, "code": {"annscode"}}); res.StatusCode != http.StatusForbidden || !strings.Contains(res.body, "Guests may not") {
		t.Errorf("%d, %s", res.StatusCode, res.body)
	}
	r.slack.err = signin.ErrUnavailable
	if res := b.get(signin.CallbackPath, url.Values{"state": {b.atSlack(q)}, "code": {"annscode"}}); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d, %s", res.StatusCode, res.body)
	}
	r.slack.err = nil
	r.slack.accounts["nothing"] = signin.Account{Person: ann}
	if res := b.get(signin.CallbackPath, url.Values{"state": {b.atSlack(q)}, "code": {"nothing"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("%d, %s", res.StatusCode, res.body)
	}
	if len(r.events) != 2 || r.events[0].Reason != signin.RefusedGuest || r.events[1].Reason != signin.RefusedScopes {
		t.Errorf("%+v", r.events)
	}
	given := r.signedIn(t)
	r.slack.check = &signin.RefusedError{Reason: signin.RefusedWorkspace}
	if status, answer := r.token(given.refresh); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("%d, %v", status, answer)
	}
	if left, err := r.signIns.Of(t.Context(), ann); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// Who was signed out, or put out, after Slack has said who they are gets no tokens.
func TestSignedOutBeforeTheTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	id := r.register("C", loopback)
	code := r.browser().code(request(id, loopback))
	r.slack.check = &signin.RefusedError{Reason: signin.RefusedGrant}
	if status, answer := r.token(exchange(id, loopback, code)); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("%d, %v", status, answer)
	}
	if left, err := r.signIns.Of(t.Context(), ann); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	if want := []oauth.Event{{What: oauth.Refused, Reason: signin.RefusedGrant, Person: ann}}; !slices.Equal(r.events, want) {
		t.Errorf("%+v", r.events)
	}
	r.slack.check = nil
	given := r.signedIn(t)
	if last := r.events[len(r.events)-1]; last.What != oauth.SignedIn || last.Person != ann || last.SignIn == "" || given.access == "" {
		t.Errorf("%+v", last)
	}
}

// A session is a client that has signed in.
type session struct {
	id, access string
	refresh    url.Values
}

func (r *rig) signedIn(t *testing.T) session {
	t.Helper()
	id := r.register("C", loopback)
	status, given := r.token(exchange(id, loopback, r.browser().code(request(id, loopback))))
	if status != http.StatusOK {
		t.Fatalf("%d, %v", status, given)
	}
	return session{id, given["access_token"].(string), url.Values{
		"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {given["refresh_token"].(string)},
	}}
}

// Clients refresh several times at once with one token: none is signed out.
func TestFourRefreshesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	s := r.signedIn(t)
	got := make(chan string, 4)
	for range 4 {
		go func() {
			res, err := http.PostForm(r.web.URL+"/token", s.refresh)
			if err != nil {
				got <- err.Error()
				return
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			var answer map[string]any
			_ = json.Unmarshal(body, &answer)
			token, _ := answer["refresh_token"].(string)
			got <- token
		}()
	}
	first := <-got
	for range 3 {
		if next := <-got; next != first || first == "" {
			t.Errorf("successors %q and %q", first, next)
		}
	}
	r.forward(rows.Grace)
	if status, answer := r.token(s.refresh); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("after the grace: %d, %v", status, answer)
	}
}

func TestUnknownClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	for _, id := range []string{"", "nobody", "swc_AAAA", "https://evil.example/client.json", strings.Repeat("a", 2000)} {
		f := url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "refresh_token": {"swr.x.y"}}
		if status, answer := r.token(f); status != http.StatusUnauthorized || answer["error"] != "invalid_client" {
			t.Errorf("%.20q: %d, %v", id, status, answer)
		}
		if res := r.browser().get("/authorize", request(id, loopback)); res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" {
			t.Errorf("%.20q: %d, %s", id, res.StatusCode, res.body)
		}
	}
}
