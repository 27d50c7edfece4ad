package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/testservers"
	"slackmcp/signin"
	"slackmcp/signin/seal"
	"slackmcp/slackapi/sandbox"
)

// A slackOfPeople is a workspace in which people sign in, before which a test may stand.
type slackOfPeople struct {
	box *sandbox.Sandbox
	url string

	mu sync.Mutex
	// answer may change what oauth.v2.access answers, of a code or of a refresh; false hangs up instead.
	answer   func(refresh bool, reply map[string]any) bool
	requests map[string]int // by grant_type
	silent   bool           // of conversations and people nothing is answered
}

func startSlackOfPeople(t testing.TB, o sandbox.Options) *slackOfPeople {
	t.Helper()
	o.TokenRotation = true
	box, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &slackOfPeople{box: box, requests: map[string]int{}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

// ServeHTTP lets the workspace answer, and changes what it says.
func (s *slackOfPeople) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	silent := s.silent && (strings.HasPrefix(r.URL.Path, "/api/conversations.") || strings.HasPrefix(r.URL.Path, "/api/users."))
	s.mu.Unlock()
	if silent {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.URL.Path != "/api/oauth.v2.access" {
		s.box.Handler().ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	form, _ := url.ParseQuery(string(body)) // what is wrong with it the workspace says
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	s.box.Handler().ServeHTTP(answer, r)
	kind := form.Get("grant_type")
	s.mu.Lock()
	s.requests[kind]++
	change := s.answer
	s.mu.Unlock()
	text := answer.Body.Bytes()
	var reply map[string]any
	if change != nil && json.Unmarshal(text, &reply) == nil {
		if !change(kind == "refresh_token", reply) {
			panic(http.ErrAbortHandler)
		}
		text, _ = json.Marshal(reply)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Code)
	_, _ = w.Write(text)
}

// changes sets what changes the answers from now on.
func (s *slackOfPeople) changes(answer func(refresh bool, reply map[string]any) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// silence has nothing be answered of conversations and people, or as before.
func (s *slackOfPeople) silence(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = on
}

func (s *slackOfPeople) refreshes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests["refresh_token"]
}

// peopleEnv is what a server needs in which people of the workspace sign in, at the public address.
func (s *slackOfPeople) peopleEnv(t testing.TB, public string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "identity.keys")
	if err := seal.Create(file); err != nil {
		t.Fatal(err)
	}
	return []string{
		"SLACK_BOT_TOKEN=" + sandbox.DefaultBotToken, "SLACK_API_URL=" + s.url + "/api/", "SLACK_CLIENT_ID=" + sandbox.DefaultClientID,
		"SLACK_CLIENT_SECRET=" + sandbox.DefaultClientSecret, "SIGN_IN_TEAMS=" + sandbox.Team, "PUBLIC_URL=" + public, "IDENTITY_KEYS_FILE=" + file,
		"INTEGRATED=true", "MCP_TRANSPORT=streamable-http",
	}
}

// A signedInPerson is what a client has of a person; session is empty until one is opened.
type signedInPerson struct{ access, refresh, client, session string }

var hiddenForm = regexp.MustCompile(`name="t" value="([^"]*)"`)

// A way is a client's and a browser's way through signing in, whose first error ends it.
type way struct {
	base string
	c    *http.Client
	err  error
}

func (w *way) do(method, address, media, content string) (body string, to *url.URL) {
	if w.err != nil {
		return "", &url.URL{}
	}
	req, err := http.NewRequest(method, address, strings.NewReader(content))
	if err != nil {
		w.err = err
		return "", &url.URL{}
	}
	req.Header.Set("Content-Type", media)
	res, err := w.c.Do(req)
	if err != nil {
		w.err = err
		return "", &url.URL{}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if to, w.err = url.Parse(res.Header.Get("Location")); err != nil || res.StatusCode >= 400 {
		w.err = fmt.Errorf("%s: %d, %s, %w", req.URL.Path, res.StatusCode, b, errors.Join(err, w.err))
	}
	return string(b), to
}

func (w *way) post(address string, f url.Values) (string, *url.URL) {
	return w.do(http.MethodPost, address, "application/x-www-form-urlencoded", f.Encode())
}

func (w *way) form(body string) string {
	m := hiddenForm.FindStringSubmatch(body)
	if m == nil {
		if w.err == nil {
			w.err = errors.New("a page without a form: " + body)
		}
		return ""
	}
	return html.UnescapeString(m[1])
}

// registerClient registers a client at a server.
func registerClient(base string) (string, error) {
	w := &way{base: base, c: http.DefaultClient}
	body, _ := w.do(http.MethodPost, base+"/register", "application/json", `{"client_name":"C","redirect_uris":["`+loopbackRedirect+`"]}`)
	var registered struct {
		ID string `json:"client_id"`
	}
	if w.err == nil {
		w.err = json.Unmarshal([]byte(body), &registered)
	}
	return registered.ID, w.err
}

const loopbackRedirect = "http://127.0.0.1:5000/callback"

// signPersonIn signs a person in with a client, as a browser and the client do it.
func signPersonIn(base, client, user string) (signedInPerson, error) {
	const verifier = "a-verifier-of-more-than-forty-three-characters-0123456789"
	jar, err := cookiejar.New(nil)
	if err != nil {
		return signedInPerson{}, err
	}
	w := &way{base: base, c: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	sum := sha256.Sum256([]byte(verifier))
	body, _ := w.do(http.MethodGet, base+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {loopbackRedirect}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "resource": {base + "/mcp"},
	}.Encode(), "", "")
	_, to := w.post(base+"/authorize/consent", url.Values{"t": {w.form(body)}, "answer": {"allow"}, "write": {"on"}, "events": {"on"}})
	atSlack := to.Query()
	atSlack.Set("user", user)
	atSlack.Set("answer", "allow")
	to.RawQuery = ""
	_, to = w.post(to.String(), atSlack)
	body, _ = w.do(http.MethodGet, to.String(), "", "")
	_, to = w.post(base+"/authorize/done", url.Values{"t": {w.form(body)}, "answer": {"continue"}})
	return w.tokens(client, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {client}, "redirect_uri": {loopbackRedirect}, "code": {to.Query().Get("code")}, "code_verifier": {verifier},
	})
}

func (w *way) tokens(client string, f url.Values) (signedInPerson, error) {
	body, _ := w.post(w.base+"/token", f)
	var given struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if w.err == nil {
		w.err = json.Unmarshal([]byte(body), &given)
	}
	return signedInPerson{access: given.Access, refresh: given.Refresh, client: client}, w.err
}

// refreshed exchanges a person's refresh token.
func (s signedInPerson) refreshed(base string) (signedInPerson, error) {
	w := &way{base: base, c: http.DefaultClient}
	return w.tokens(s.client, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.refresh}, "client_id": {s.client}})
}

// call lists the tools as the person, at a server that may be another one than the public address is of.
func (s signedInPerson) call(t testing.TB, base, public string) int {
	t.Helper()
	const body = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = strings.TrimPrefix(public, "http://")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+s.access)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// enterPerson registers a client and signs a person in.
func enterPerson(t testing.TB, base, user string) signedInPerson {
	t.Helper()
	client, err := registerClient(base)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signPersonIn(base, client, user)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// revokedHint is what Slack sends when a person takes back what they allowed. It is only a hint.
func revokedHint(id, user string) []byte {
	return fmt.Appendf(nil, `{"type":"event_callback","event_id":%q,"team_id":%q,"event":{"type":"tokens_revoked","tokens":{"oauth":[%q],"bot":[]}}}`, id, sandbox.Team, user)
}

// TestKilledBetweenSlackAndTheStore: the server is killed when Slack has used up a person's refresh token
// and nothing of it is written. The person goes on with the token that they had until it ends, which is
// known; only then they sign in again, and nothing else is used in its place.
func TestKilledBetweenSlackAndTheStore(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	public := "http://127.0.0.1:" + port
	slack := startSlackOfPeople(t, sandbox.Options{RedirectURLs: []string{public + signin.CallbackPath}, SigningSecret: signingSecret})
	env := slack.peopleEnv(t, public)
	o := options{port: port, data: shortDir(t), env: append(env, "QUEUE_BACKEND_TYPE=sqlite")}
	p := start(t, o)
	const life = 25 * time.Second
	kill := sync.OnceFunc(p.kill)
	slack.changes(func(refresh bool, reply map[string]any) bool {
		if !refresh {
			if who, ok := reply["authed_user"].(map[string]any); ok && who["expires_in"] != nil {
				who["expires_in"] = int(life / time.Second) // of the sandbox's twelve hours
			}
			return true
		}
		kill()
		return false
	})
	began := time.Now()
	person := enterPerson(t, public, sandbox.Bob)
	if status, _ := p.do(signed(t, public, "application/json", revokedHint("EvHint1", sandbox.Bob))); status != http.StatusOK {
		t.Fatalf("the hint: %d", status)
	}
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		t.Fatalf("nothing was refreshed\n%s", p.logs)
	}
	slack.changes(nil)
	p = start(t, o)
	// The grant is there, and the old token is good: the person is signed in, and gets new tokens of ours.
	if status := person.call(t, public, public); status != http.StatusOK {
		t.Errorf("after the kill: %d", status)
	}
	next, err := person.refreshed(public)
	if err != nil {
		t.Errorf("after the kill: %v", err)
	}
	person = next
	// Slack no longer knows the refresh token. When the old token ends, so does the sign-in.
	time.Sleep(time.Until(began.Add(life + time.Second)))
	if status, _ := p.do(signed(t, public, "application/json", revokedHint("EvHint2", sandbox.Bob))); status != http.StatusOK {
		t.Fatalf("the hint: %d", status)
	}
	eventually(t, 40*time.Second, func() error {
		if status := person.call(t, public, public); status != http.StatusUnauthorized {
			return fmt.Errorf("without a token of Slack's the person has %d", status)
		}
		return nil
	})
	if n := slack.refreshes(); n < 2 { // the first hint may come again
		t.Errorf("%d refreshes, want the one that was lost and one that was refused", n)
	}
	// Signing in again is all that is needed.
	if status := enterPerson(t, public, sandbox.Bob).call(t, public, public); status != http.StatusOK {
		t.Errorf("signed in again: %d", status)
	}
}

// TestPeopleWithoutRedis: two servers share Redis. What ends on one is refused by the other within five
// seconds. When Redis is cut off, calls are answered 503 after five seconds, and everything that people
// have open ends within a minute.
func TestPeopleWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := testservers.Redis(t)
	port := freePort(t)
	public := "http://127.0.0.1:" + port
	slack := startSlackOfPeople(t, sandbox.Options{RedirectURLs: []string{public + signin.CallbackPath}, SigningSecret: signingSecret})
	env := append(slack.peopleEnv(t, public), "REDIS_URL="+redis.URL)
	a := start(t, options{port: port, env: slices.Clone(env)})
	b := start(t, options{env: slices.Clone(env)})

	ended := enterPerson(t, public, sandbox.Alice)
	for _, p := range []*process{a, b} {
		if status := ended.call(t, p.url, public); status != http.StatusOK {
			t.Fatalf("%s: %d", p.url, status)
		}
	}
	w := &way{base: public, c: http.DefaultClient}
	w.post(public+"/revoke", url.Values{"token": {ended.refresh}, "client_id": {ended.client}})
	if w.err != nil {
		t.Fatal(w.err)
	}
	eventually(t, 10*time.Second, func() error { // twice the bound, for machines that are busy: rows TestEndsElsewhere holds it
		if status := ended.call(t, b.url, public); status != http.StatusUnauthorized {
			return fmt.Errorf("the other server answers %d", status)
		}
		return nil
	})

	person := enterPerson(t, public, sandbox.Bob)
	streams := map[string]chan time.Time{}
	for _, p := range []*process{a, b} {
		streams[p.url] = person.stream(t, p.url, public)
	}
	redis.Pause()
	cut := time.Now()
	for at, end := range streams {
		select {
		case when := <-end:
			t.Logf("%s: the stream ended after %v", at, when.Sub(cut).Round(time.Second))
		case <-time.After(time.Until(cut.Add(70 * time.Second))): // ten of them for machines that are busy: rows TestHangingStore holds the minute
			t.Errorf("%s: the stream is open long after Redis was cut off", at)
		}
	}
	if status := person.call(t, b.url, public); status != http.StatusServiceUnavailable {
		t.Errorf("a call while Redis is away: %d", status)
	}
	redis.Resume()
	eventually(t, 30*time.Second, func() error {
		if status := person.call(t, b.url, public); status != http.StatusOK {
			return fmt.Errorf("after Redis came back: %d", status)
		}
		return nil
	})
}

// ask sends a request of MCP as the person, and returns the body of the answer and the session that it names.
func (s signedInPerson) ask(t testing.TB, base, public, method, session, body string) (io.ReadCloser, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = strings.TrimPrefix(public, "http://")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+s.access)
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	return res.Body, res.Header.Get("Mcp-Session-Id")
}

// open opens a session.
func (s signedInPerson) open(t testing.TB, base, public string) string {
	t.Helper()
	body, session := s.ask(t, base, public, http.MethodPost, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	_ = body.Close()
	return session
}

// stream opens a session and its stream, and says when the stream has ended.
func (s signedInPerson) stream(t testing.TB, base, public string) chan time.Time {
	t.Helper()
	open, _ := s.ask(t, base, public, http.MethodGet, s.open(t, base, public), "")
	ended := make(chan time.Time, 1)
	go func() {
		_, _ = io.Copy(io.Discard, open)
		_ = open.Close()
		ended <- time.Now()
	}()
	return ended
}
