package oauth_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/oauth"
)

// refused fails unless the answer is a page that sends nobody anywhere.
func refused(t *testing.T, what string, res page) {
	t.Helper()
	if res.StatusCode < 400 || res.StatusCode >= 500 || res.Header.Get("Location") != "" {
		t.Errorf("%s: %d, to %q", what, res.StatusCode, res.Header.Get("Location"))
	}
}

// Addresses that no client can register, whatever reader of addresses they are written for.
func TestOpenRedirect(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{named: []string{"agents.example.com"}})
	for _, address := range []string{
		"", "/callback", "//evil.example/", "https://evil.example/callback", "http://evil.example/callback", "https://evil.example",
		"https://claude.ai/api/mcp/auth_callback/../../evil", "https://claude.ai/elsewhere", "https://claude.ai.evil.example/api/mcp/auth_callback",
		"https://claude.ai@evil.example/api/mcp/auth_callback", "https://claude.ai:8443/api/mcp/auth_callback", "https://CLAUDE.ai/api/mcp/auth_callback",
		"https://claude.ai/api/mcp/auth_callback#x", "https://claude.ai/api/mcp/auth_callback?next=https://evil.example",
		"https://chatgpt.com/connector/oauth/", "https://chatgpt.com/connector/oauth/../../evil", "https://chatgpt.com/connector/oauth/a%2f..%2fevil",
		"http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/", "http://localhost.evil.example/", "http://127.1/", "http://2130706433/",
		"http://0.0.0.0/callback", "http://[::ffff:127.0.0.1]/callback", "http://[::1%25eth0]/callback", "http://foo.localhost/callback",
		"http://127.0.0.1\\@evil.example/", "http://127.0.0.1/\r\nX: y", "http://127.0.0.1/ x", " http://127.0.0.1/", "http://127.0.0.1/#x",
		"javascript:alert(1)", "JavaScript://127.0.0.1/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "about:blank",
		"cursor://evil/oauth/callback", "vscode://evil.extension", "com.evil.app:/callback", "myapp://callback", "https:///evil.example", "http:127.0.0.1/",
		"https://agents.example.com:8443/callback", "http://agents.example.com/callback", "https://evil.agents.example.com/", "https://agents.example.com./",
		"http://127.0.0.1/" + strings.Repeat("a", 600),
	} {
		if status, answer := r.registration("Evil", address); status != http.StatusBadRequest || answer["error"] != "invalid_redirect_uri" {
			t.Errorf("%q is registered: %d, %v", address, status, answer["error"])
		}
	}
	for _, address := range []string{
		loopback, "http://localhost:3334/oauth/callback", "http://[::1]:1234/callback", "http://127.0.0.1:33418/", "https://claude.ai/api/mcp/auth_callback",
		"https://chatgpt.com/connector/oauth/abc123", "cursor://anysphere.cursor-mcp/oauth/callback", "https://agents.example.com/any/path?x=1",
	} {
		if status, answer := r.registration("Good", address, "https://evil.example/"); status != http.StatusCreated || len(answer["redirect_uris"].([]any)) != 1 {
			t.Errorf("%q is not registered beside one that will not do: %d, %v", address, status, answer)
		}
	}
}

// An address that the client has not registered is never gone to.
func TestForeignRedirect(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	id := r.register("C", "http://127.0.0.1:50123/callback?fixed=1", "https://claude.ai/api/mcp/auth_callback")
	for _, address := range []string{
		"", "http://127.0.0.1:50123/callback", "http://127.0.0.1:50123/callback?fixed=1&more=2", "http://localhost:50123/callback?fixed=1",
		"http://127.0.0.1:50123/other?fixed=1", "https://claude.com/api/mcp/auth_callback", "https://claude.ai:444/api/mcp/auth_callback", "https://evil.example/",
		"https://127.0.0.1:50123/callback?fixed=1",
	} {
		q := request(id, address)
		refused(t, address, r.browser().get("/authorize", q))
		q.Set("response_type", "token")
		refused(t, address+" with an error", r.browser().get("/authorize", q))
	}
	r.browser().get("/authorize", request(id, "http://127.0.0.1:9/callback?fixed=1")).form(t)
}

// A request that cannot be served is no way to send browsers to an address that a stranger has
// registered; the operator's own clients get their errors.
func TestErrorsAreNoRedirector(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{named: []string{"agent=https://agents.example.com/callback"}})
	stranger := r.register("Evil", "https://claude.ai/api/mcp/auth_callback")
	for what, change := range map[string]func(url.Values){
		"unsupported_response_type": func(q url.Values) { q.Set("response_type", "token") },
		"invalid_target":            func(q url.Values) { q.Set("resource", "https://evil.example/mcp") },
		"invalid_scope":             func(q url.Values) { q.Set("scope", "admin") },
		"request_not_supported":     func(q url.Values) { q.Set("request_uri", "https://evil.example/") },
		"invalid_request":           func(q url.Values) { q.Del("code_challenge") },
	} {
		q := request(stranger, "https://claude.ai/api/mcp/auth_callback")
		change(q)
		refused(t, what, r.browser().get("/authorize", q))
		q = request("agent", "https://agents.example.com/callback")
		change(q)
		to, sent := r.browser().get("/authorize", q).to(t)
		if to != "https://agents.example.com/callback" || sent.Get("error") != what || sent.Get("iss") != r.web.URL || sent.Get("state") == "" {
			t.Errorf("%s: %s, %v", what, to, sent)
		}
	}
}

func TestForeignResource(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	id := r.register("C", loopback)
	for _, resource := range []string{"https://evil.example/mcp", r.web.URL + "/other", r.web.URL + ".evil.example/mcp", r.web.URL + "/mcp?x", "mcp"} {
		q := request(id, loopback)
		q.Set("resource", resource)
		refused(t, resource, r.browser().get("/authorize", q))
		q["resource"] = []string{r.web.URL + "/mcp", resource}
		refused(t, resource+" beside ours", r.browser().get("/authorize", q))
		f := exchange(id, loopback, r.browser().code(request(id, loopback)))
		f.Set("resource", resource)
		if status, answer := r.token(f); status != http.StatusBadRequest || answer["error"] != "invalid_target" {
			t.Errorf("%s: %d, %v", resource, status, answer)
		}
	}
	for _, resource := range []string{r.web.URL + "/mcp", r.web.URL + "/mcp/", r.web.URL, r.web.URL + "/"} {
		q := request(id, loopback)
		q.Set("resource", resource)
		r.browser().get("/authorize", q).form(t)
	}
}

func TestPlainPKCE(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	id := r.register("C", loopback)
	for what, change := range map[string]func(url.Values){
		"plain":                     func(q url.Values) { q.Set("code_challenge_method", "plain"); q.Set("code_challenge", verifier) },
		"no method, which is plain": func(q url.Values) { q.Del("code_challenge_method") },
		"no challenge":              func(q url.Values) { q.Del("code_challenge") },
		"no PKCE":                   func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") },
		"a short challenge":         func(q url.Values) { q.Set("code_challenge", "abc") },
		"another case":              func(q url.Values) { q.Set("code_challenge_method", "s256") },
		"twice":                     func(q url.Values) { q.Add("code_challenge", challenge()) },
	} {
		q := request(id, loopback)
		change(q)
		refused(t, what, r.browser().get("/authorize", q))
	}
	code := r.browser().code(request(id, loopback))
	for what, v := range map[string]string{"none": "", "another": strings.Repeat("b", 50), "the challenge itself": challenge(), "a long one": strings.Repeat("b", 200)} {
		f := exchange(id, loopback, code)
		f.Set("code_verifier", v)
		if status, answer := r.token(f); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
			t.Errorf("verifier %s: %d, %v", what, status, answer)
		}
	}
	if status, answer := r.token(exchange(id, loopback, code)); status != http.StatusOK {
		t.Errorf("wrong verifiers have used the code: %d, %v", status, answer)
	}
}

// A code is for its client, redirect and verifier, once; a replay ends what it gave.
func TestCodeReplay(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	id, other := r.register("C", loopback), r.register("D", loopback)
	code := r.browser().code(request(id, loopback))
	for what, f := range map[string]url.Values{
		"another client's": exchange(other, loopback, code), "another redirect": exchange(id, "http://127.0.0.1:1/callback", code), "none": exchange(id, loopback, ""),
	} {
		if status, answer := r.token(f); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
			t.Errorf("%s: %d, %v", what, status, answer)
		}
	}
	status, given := r.token(exchange(id, loopback, code))
	if status != http.StatusOK {
		t.Fatalf("%d, %v", status, given)
	}
	if status, answer := r.token(exchange(id, loopback, code)); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("replay: %d, %v", status, answer)
	}
	if _, err := r.signIns.Authenticate(t.Context(), given["access_token"].(string)); err == nil {
		t.Error("what a replayed code gave is good")
	}
	twice := exchange(id, loopback, r.browser().code(request(id, loopback)))
	twice.Add("code", "another")
	if status, answer := r.token(twice); status != http.StatusBadRequest || answer["error"] != "invalid_request" {
		t.Errorf("a parameter twice: %d, %v", status, answer)
	}
}

// The page that says who has signed in gives one code, however often its form is sent.
func TestDoneOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	b := r.browser()
	state := b.atSlack(request(r.register("C", loopback), loopback))
	form := b.get(signin.CallbackPath, url.Values{"state": {state}, "code": {"annscode"}}).form(t)
	b.post("/authorize/done", url.Values{"t": {form}, "answer": {"continue"}}).to(t)
	refused(t, "twice", b.post("/authorize/done", url.Values{"t": {form}, "answer": {"continue"}}))
}

// Every answer to a client says which server it is from, so that a client of several is not mixed up.
func TestMixUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{named: []string{"agent=https://agents.example.com/callback"}})
	q := request("agent", "https://agents.example.com/callback")
	r.browser().code(q) // it looks at iss
	q.Set("response_type", "token")
	if _, sent := r.browser().get("/authorize", q).to(t); sent.Get("iss") != r.web.URL {
		t.Errorf("an error without iss: %v", sent)
	}
}

// A form counts only from the browser that it was shown in, and from our own pages.
func TestCSRF(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	id := r.register("Evil", loopback)
	mine, victim := r.browser(), r.browser()
	form := mine.get("/authorize", request(id, loopback)).form(t)
	own := victim.get("/authorize", request(id, loopback)).form(t)
	allow := func(form string) url.Values { return url.Values{"t": {form}, "answer": {"allow"}, "write": {"on"}} }
	refused(t, "an attacker's form", victim.post("/authorize/consent", allow(form)))
	refused(t, "a form of another site", victim.post("/authorize/consent", allow(own), "Origin", "https://evil.example"))
	refused(t, "a form of another site", victim.post("/authorize/consent", allow(own), "Sec-Fetch-Site", "cross-site"))
	refused(t, "a form of a sibling", victim.post("/authorize/consent", allow(own), "Sec-Fetch-Site", "same-site"))
	refused(t, "no form", victim.post("/authorize/consent", allow("")))
	refused(t, "a browser without cookies", r.browser().post("/authorize/consent", allow(own)))
	refused(t, "by address", victim.get("/authorize/consent", allow(own)))
	refused(t, "as another form", victim.post("/authorize/done", url.Values{"t": {own}, "answer": {"continue"}}))
	twice := allow(own)
	twice.Add("t", form)
	refused(t, "two forms", victim.post("/authorize/consent", twice))
	r.forward(11 * 60 * 1e9)
	refused(t, "an old form", victim.post("/authorize/consent", allow(own)))
}

// Nobody is signed in with a way through Slack that another browser has begun.
func TestLoginCSRF(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	id := r.register("C", loopback)
	attacker, victim := r.browser(), r.browser()
	state := attacker.atSlack(request(id, loopback))
	own := victim.atSlack(request(id, loopback))
	back := url.Values{"state": {state}, "code": {"annscode"}}
	refused(t, "an attacker's way back", victim.get(signin.CallbackPath, back))
	refused(t, "a browser that began nothing", r.browser().get(signin.CallbackPath, back))
	refused(t, "no state", victim.get(signin.CallbackPath, url.Values{"code": {"annscode"}}))
	refused(t, "an invented state", victim.get(signin.CallbackPath, url.Values{"state": {own[:8] + state[8:]}, "code": {"annscode"}}))
	// The attacker's page of who has signed in is of no use in the victim's browser either.
	form := attacker.get(signin.CallbackPath, back).form(t)
	refused(t, "an attacker's end", victim.post("/authorize/done", url.Values{"t": {form}, "answer": {"continue"}}))
	refused(t, "the way back twice", attacker.get(signin.CallbackPath, back))
	if len(r.slack.written) != 1 {
		t.Errorf("%d grants", len(r.slack.written))
	}
}

// A registered name is a stranger's: it is shown as such, below the host, and one that looks like a
// known client gains nothing.
func TestConsentPhishing(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	res := r.browser().get("/authorize", request(r.register("Claude (verified by Slack)", loopback), loopback))
	host, name := strings.Index(res.body, `class="host"`), strings.Index(res.body, "It calls itself “Claude (verified by Slack)”; nobody has checked that")
	if host < 0 || name < host || !strings.Contains(res.body, "Go on only if you have started") {
		t.Error(res.body)
	}
	res = r.browser().get("/authorize", request("https://claude.ai/oauth/mcp-oauth-client-metadata", "https://claude.ai/api/mcp/auth_callback"))
	if !strings.Contains(res.body, "It is known as “Claude”") || !strings.Contains(res.body, "claude.ai") ||
		!strings.Contains(res.body, "Go on only if you have started to sign in yourself") {
		t.Error(res.body)
	}
}

// What strangers send is not kept, and keeps nobody out.
func TestFlooding(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 40 {
				id := r.register("Flood", loopback)
				b := r.browser()
				state := b.atSlack(request(id, loopback))
				b.get(signin.CallbackPath, url.Values{"state": {state}, "code": {"junk"}})
				r.token(exchange(id, loopback, "junk"))
			}
		})
	}
	all.Wait()
	if n := r.count(); n != 0 {
		t.Errorf("%d values are stored for strangers", n)
	}
	r.signedIn(t)
	if id := r.register(strings.Repeat("ü", 500), loopback); len(id) > 1<<10 {
		t.Errorf("an id of %d bytes", len(id))
	}
	many := make([]string, 16)
	for i := range many {
		many[i] = "http://127.0.0.1/" + strings.Repeat("a", 300)
	}
	if status, answer := r.registration("Long", many...); status != http.StatusBadRequest || answer["error"] != "invalid_client_metadata" {
		t.Errorf("%d, %v", status, answer)
	}
}

// A page whose name was rebound to this computer reaches nothing.
func TestHostGuard(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	for _, path := range []string{"/authorize", "/token", "/register", "/.well-known/oauth-authorization-server", signin.CallbackPath} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		if res := r.browser().do(req); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// Pages of other origins may call what takes no cookie, and nothing else.
func TestCORS(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	for path, open := range map[string]bool{"/token": true, "/register": true, "/revoke": true, "/authorize": false, "/authorize/consent": false, "/authorize/done": false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, r.web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://evil.example")
		res := r.browser().do(req)
		if got := res.Header.Get("Access-Control-Allow-Origin"); (got == "*") != open || res.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// A token of one client's sign-in is worth nothing to another client.
func TestForeignToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	s, other := r.signedIn(t), r.register("Other", loopback)
	f := url.Values{"grant_type": {"refresh_token"}, "client_id": {other}, "refresh_token": {s.refresh.Get("refresh_token")}}
	if status, answer := r.token(f); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("%d, %v", status, answer)
	}
	if res := r.browser().post("/revoke", url.Values{"client_id": {other}, "token": {s.refresh.Get("refresh_token")}}); res.StatusCode != http.StatusOK {
		t.Errorf("%d", res.StatusCode)
	}
	if status, answer := r.token(s.refresh); status != http.StatusOK {
		t.Errorf("another client has ended it: %d, %v", status, answer)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, entries := range [][]string{
		{"https://agents.example.com"},
		{"https://u:p@agents.example.com/client.json"},
		{"http://agents.example.com/client.json"},
		{"*.example.com"},
		{"https://agents.example.com/../client.json"},
		{"agent=javascript://x/alert(1)"},
		{"agent=http://agents.example.com/"},
		{"=https://agents.example.com/"},
		{"a b=https://agents.example.com/"},
		{"swc_x=https://agents.example.com/"},
		{"Agents.example.com"},
		{"agents.example.com/path"},
		{""},
	} {
		if _, err := oauth.ParseClients(entries); err == nil {
			t.Errorf("%q: no error", entries)
		}
	}
	for _, issuer := range []string{"", "http://slack.example", "https://slack.example/path", "https://u@slack.example", "slack.example", "ftp://127.0.0.1"} {
		if _, err := oauth.New(oauth.Options{Issuer: issuer, Resource: issuer + "/mcp", Ceiling: []access.Scope{access.Read}}); err == nil {
			t.Errorf("%q: no error", issuer)
		}
	}
}

// Whoever sends slowly takes no turn from others: a turn begins when the body is whole.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	address := strings.TrimPrefix(r.web.URL, "http://")
	for range 80 { // more than there are turns
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := fmt.Fprintf(c, "POST /register HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", address); err != nil {
			t.Fatal(err)
		}
	}
	r.signedIn(t)
}
