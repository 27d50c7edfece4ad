package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/signin"
	"slackmcp/slackapi/sandbox"
)

// secretsSeen are the secrets that went by while people signed in, by their values, with what each is.
type secretsSeen struct {
	mu  sync.Mutex
	all map[string]string
}

// note keeps a secret. Short ones are none: they could stand anywhere.
func (s *secretsSeen) note(what, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(secret) >= 16 {
		s.all[secret] = what
	}
}

// watched stands before Slack, and notes the tokens that it gives.
func (s *secretsSeen) watched(t *testing.T, slack string) string {
	t.Helper()
	to, err := url.Parse(slack)
	if err != nil {
		t.Fatal(err)
	}
	token := regexp.MustCompile(`"(access_token|refresh_token)":"([^"]+)"`)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(res *http.Response) error {
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			for _, m := range token.FindAllSubmatch(body, -1) {
				s.note("Slack's "+string(m[1]), string(m[2]))
			}
			res.Body = io.NopCloser(bytes.NewReader(body))
			return nil
		},
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	return front.URL
}

// A surfer is a person's browser and client, which note every secret that they are given. What strangers
// are answered goes to hay.
type surfer struct {
	t      *testing.T
	base   string
	seen   *secretsSeen
	hay    *haystack
	http   *http.Client
	client string // the client's id
}

const (
	surferVerifier = "canary-of-a-verifier-of-more-than-forty-three-characters"
	surferBack     = "http://127.0.0.1:50999/callback"
	surferState    = "canary-of-a-clients-state-0123456789"
)

func newSurfer(t *testing.T, base string, seen *secretsSeen, hay *haystack) *surfer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &surfer{t: t, base: base, seen: seen, hay: hay, http: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	s.client = s.field(s.send(http.MethodPost, base+"/register", "application/json", `{"client_name":"Canary","redirect_uris":["`+surferBack+`"]}`), "client_id")
	seen.note("a client's id", s.client)
	seen.note("a verifier", surferVerifier)
	return s
}

// A reply is what the server answered.
type reply struct {
	status         int
	location, body string
}

func (s *surfer) send(method, address, media, content string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, address, strings.NewReader(content))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Accept", "application/json, text/event-stream")
	res, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		s.seen.note("the cookie "+c.Name, c.Value)
	}
	if res.StatusCode >= http.StatusBadRequest {
		s.hay.add("refusals", fmt.Appendf(nil, "%d %v %s\n", res.StatusCode, res.Header, body))
	}
	return reply{res.StatusCode, res.Header.Get("Location"), string(body)}
}

func (s *surfer) form(address string, f url.Values) reply {
	s.t.Helper()
	return s.send(http.MethodPost, address, "application/x-www-form-urlencoded", f.Encode())
}

// field is a field of a JSON answer.
func (s *surfer) field(r reply, name string) string {
	s.t.Helper()
	var answer map[string]any
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		s.t.Fatalf("%v: %s", err, r.body)
	}
	text, _ := answer[name].(string)
	return text
}

var sealedForm = regexp.MustCompile(`name="t" value="([^"]*)"`)

// sealed is the sealed value of a page's form.
func (s *surfer) sealed(r reply) string {
	s.t.Helper()
	m := sealedForm.FindStringSubmatch(r.body)
	if m == nil {
		s.t.Fatalf("%d, no form: %s", r.status, r.body)
	}
	value := html.UnescapeString(m[1])
	s.seen.note("a sealed form", value)
	return value
}

// to is where an answer sends the browser. The codes and states in it are secrets.
func (s *surfer) to(r reply) *url.URL {
	s.t.Helper()
	at, err := url.Parse(r.location)
	if err != nil || r.location == "" {
		s.t.Fatalf("%d leads nowhere: %v, %s", r.status, err, r.body)
	}
	for _, name := range []string{"code", "state"} {
		s.seen.note("a "+name+" in a redirect", at.Query().Get(name))
	}
	return at
}

// back is where Slack sends a person who answers there, or who denies when user is empty.
func (s *surfer) back(user string) *url.URL {
	s.t.Helper()
	sum := sha256.Sum256([]byte(surferVerifier))
	asked := s.send(http.MethodGet, s.base+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {s.client}, "redirect_uri": {surferBack}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "resource": {s.base + "/mcp"}, "state": {surferState},
	}.Encode(), "", "")
	return s.atSlack(s.to(s.form(s.base+"/authorize/consent", url.Values{"t": {s.sealed(asked)}, "answer": {"allow"}, "write": {"on"}, "events": {"on"}})), user)
}

// atSlack answers on Slack's page, and returns where it sends the person back to.
func (s *surfer) atSlack(at *url.URL, user string) *url.URL {
	s.t.Helper()
	answer := at.Query()
	answer.Set("user", user)
	answer.Set("answer", "allow")
	if user == "" {
		answer.Set("answer", "deny")
	}
	at.RawQuery = ""
	return s.to(s.form(at.String(), answer))
}

// code signs a person in, up to the code that the client gets.
func (s *surfer) code(user string) string {
	s.t.Helper()
	signedIn := s.send(http.MethodGet, s.back(user).String(), "", "")
	return s.to(s.form(s.base+"/authorize/done", url.Values{"t": {s.sealed(signedIn)}, "answer": {"continue"}})).Query().Get("code")
}

// tokens asks for tokens, and returns what it is given.
func (s *surfer) tokens(f url.Values) (token, refresh string) {
	s.t.Helper()
	f.Set("client_id", s.client)
	given := s.form(s.base+"/token", f)
	token, refresh = s.field(given, "access_token"), s.field(given, "refresh_token")
	s.seen.note("an access token", token)
	s.seen.note("a refresh token", refresh)
	return token, refresh
}

// mcp posts a message of a session, which may be none, as the bearer of a token.
func (s *surfer) mcp(token, session, body string) (status int, opened, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.base+"/mcp", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+token)
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.hay.add("mcp answers", fmt.Appendf(nil, "%d %v %s\n", res.StatusCode, res.Header, b))
	return res.StatusCode, res.Header.Get("Mcp-Session-Id"), string(b)
}

// surferInitialize opens a session.
const surferInitialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// open opens a session, and calls tools in it: one that works, one that fails at Slack, one that is not
// for people.
func (s *surfer) open(token string) {
	s.t.Helper()
	status, session, body := s.mcp(token, "", surferInitialize)
	if status != http.StatusOK {
		s.t.Fatalf("not let in: %d, %s", status, body)
	}
	for _, call := range [][2]string{
		{"slack_list_channels", `{}`},
		{"slack_post_message", `{"channel":"#general","text":"hello from a canary"}`},
		{"slack_post_message", `{"channel":"#nowhere","text":"x"}`},
		{"slack_list_events", `{}`},
	} {
		_, _, body := s.mcp(token, session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"`+call[0]+`","arguments":`+call[1]+`}}`)
		if call[0] == "slack_list_channels" && !strings.Contains(body, "general") {
			s.t.Errorf("a tool does nothing: %s", body)
		}
	}
}

// TestSignInCanaries has people sign in at the shipped binary, call, refresh, fail in every way and sign
// out, and looks for each token, code, state, cookie, client id and key that went by: none may be in logs,
// traces, metrics, the audit trail, refusals, what operators are shown, the arguments of the process, or
// the files of its store.
func TestSignInCanaries(t *testing.T) {
	t.Parallel()
	hay := &haystack{pieces: map[string][]byte{}}
	seen := &secretsSeen{all: map[string]string{}}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		hay.add("traces", b)
	}))
	t.Cleanup(collector.Close)
	port, data, keys := freePort(t), t.TempDir(), filepath.Join(t.TempDir(), "identity.keys")
	base := "http://127.0.0.1:" + port
	box := newWorkspace(t, sandbox.Options{
		RedirectURLs: []string{base + signin.CallbackPath}, TokenRotation: true, ClientSecret: "canary-of-a-client-secret-0123456789",
	})
	key := base64.StdEncoding.EncodeToString([]byte("canary-of-a-key-of-32-bytes-long"))
	if err := os.WriteFile(keys, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen.note("a key", key)
	seen.note("a key in bytes", "canary-of-a-key-of-32-bytes-long")
	seen.note("the client secret", "canary-of-a-client-secret-0123456789")
	audit := filepath.Join(t.TempDir(), "audit.log")
	p := start(t, options{args: []string{"--integrated"}, port: port, data: data, env: []string{
		"SLACK_API_URL=" + seen.watched(t, box.url) + "/api/", "SLACK_BOT_TOKEN=" + sandbox.DefaultBotToken, "PUBLIC_URL=" + base,
		"SIGN_IN_TEAMS=" + sandbox.Team, "SLACK_CLIENT_ID=" + sandbox.DefaultClientID, "SLACK_CLIENT_SECRET=canary-of-a-client-secret-0123456789",
		"IDENTITY_KEYS_FILE=" + keys, "LOG_LEVEL=debug", "LOG_FORMAT=json", "AUDIT_LOG=" + audit,
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_BSP_SCHEDULE_DELAY=100",
	}})
	if err := box.SetRequestURL(t.Context(), base+"/slack/events"); err != nil {
		t.Fatal(err)
	}
	signInAndFail(newSurfer(t, base, seen, hay), box)
	for name, args := range map[string][]string{"people list": {"people", "list", "-o", "json"}, "people show": {"people", "show", sandbox.Alice, "-o", "json"}} {
		out, err := (place{data: data}).cli(t, args...).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte(sandbox.Alice)) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
		hay.add(name, out)
	}
	look(t, p, hay, audit)
	lookInFiles(t, data, hay)
	judgeCanaries(t, seen, hay)
}

// signInAndFail goes through what works and what fails.
func signInAndFail(s *surfer, box *workspace) {
	s.t.Helper()
	exchange := func(code string) url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {surferBack}, "code_verifier": {surferVerifier}}
	}
	again := func(refresh string) url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	}
	token, refresh := s.tokens(exchange(s.code(sandbox.Alice)))
	s.open(token)
	token, refresh = s.tokens(again(refresh))
	s.open(token)
	s.tokens(again(refresh + "x"))
	s.mcp(refresh, "", surferInitialize)
	s.mcp(token+"x", "", surferInitialize)
	// A code that comes back, and what it gave.
	code := s.code(sandbox.Bob)
	taken, _ := s.tokens(exchange(code))
	s.tokens(exchange(code))
	s.mcp(taken, "", surferInitialize)
	// Slack does not let somebody in, or does not know the code; and the way back is used again.
	s.send(http.MethodGet, s.back("").String(), "", "")
	s.send(http.MethodGet, s.back(sandbox.Kira).String(), "", "")
	forged := s.back(sandbox.Carla)
	q := forged.Query()
	q.Set("code", "canary-of-a-forged-code-0123456789")
	s.seen.note("a forged code", q.Get("code"))
	forged.RawQuery = q.Encode()
	s.send(http.MethodGet, forged.String(), "", "")
	s.send(http.MethodGet, forged.String(), "", "")
	// Somebody looks at their sign-ins.
	way := s.form(s.base+"/sign-ins/slack", url.Values{"t": {s.sealed(s.send(http.MethodGet, s.base+"/sign-ins", "", ""))}})
	own := s.send(http.MethodGet, s.atSlack(s.to(way), sandbox.Alice).String(), "", "")
	s.sealed(own)
	s.hay.add("the page of a person's sign-ins", []byte(sealedForm.ReplaceAllString(own.body, "")))
	// Somebody signs out, and somebody's grant ends at Slack.
	carla, out := s.tokens(exchange(s.code(sandbox.Carla)))
	s.form(s.base+"/revoke", url.Values{"token": {out}, "client_id": {s.client}})
	s.mcp(carla, "", surferInitialize)
	bob, _ := s.tokens(exchange(s.code(sandbox.Bob)))
	if err := box.RevokeGrant("bob"); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, time.Minute, func() error {
		if status, _, _ := s.mcp(bob, "", surferInitialize); status != http.StatusUnauthorized {
			return fmt.Errorf("bob's token is answered %d", status)
		}
		return nil
	})
}

// lookInFiles adds the files of a store as bytes.
func lookInFiles(t *testing.T, data string, hay *haystack) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		hay.add("the file "+filepath.Base(path), b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// judgeCanaries looks for the secrets, and makes sure that there was something to look at.
func judgeCanaries(t *testing.T, seen *secretsSeen, hay *haystack) {
	t.Helper()
	kinds := map[string]bool{}
	for _, what := range seen.all {
		kinds[what] = true
	}
	for _, what := range []string{
		"Slack's access_token", "Slack's refresh_token", "an access token", "a refresh token", "a code in a redirect", "a state in a redirect", "a sealed form",
		"a client's id", "the cookie signin-browser",
	} {
		if !kinds[what] {
			t.Errorf("no secret is %s: %v", what, kinds)
		}
	}
	sealed := 0
	for name, b := range hay.pieces {
		sealed += bytes.Count(b, []byte("slack-grants/"))
		for secret, what := range seen.all {
			if at := bytes.Index(b, []byte(secret)); at >= 0 {
				t.Errorf("%s shows %s: ...%q", name, what, b[max(0, at-200):at])
			}
		}
	}
	for _, name := range []string{"audit", "traces", "metrics", "logs", "refusals", "mcp answers", "arguments", "people show", "the page of a person's sign-ins"} {
		if len(hay.pieces[name]) == 0 {
			t.Errorf("%s is empty: the test looks at nothing", name)
		}
	}
	if sealed == 0 || !bytes.Contains(hay.pieces["audit"], []byte("person_signed_in")) || !bytes.Contains(hay.pieces["logs"], []byte("sign in with slack")) {
		t.Errorf("%d rows in the files: the test looks at nothing", sealed)
	}
	t.Logf("%d secrets of %d kinds, in %d places", len(seen.all), len(kinds), len(hay.pieces))
}
