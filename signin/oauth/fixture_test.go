package oauth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/internal/egress"
	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/oauth"
	"slackmcp/signin/rows"
	"slackmcp/signin/seal"
	"slackmcp/store/memory"
	"slackmcp/store/state"
)

var ann = access.Person{Host: "slack.com", Team: "T1", User: "U1"}

// fakeSlack stands for Slack: its authorize page lets in whoever has a code.
type fakeSlack struct {
	mu       sync.Mutex
	accounts map[string]signin.Account // by code
	err      error                     // of Finish
	check    error
	written  []access.Person // whose grants were kept
	asked    int             // how often Slack was asked whose a code is
	hold     chan struct{}   // until it is closed the code "slow" is not answered
	released []access.Person
}

const slackOrigin = "https://slack.example"

func (f *fakeSlack) Start(state string, scopes []access.Scope) (string, error) {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return slackOrigin + "/oauth/v2/authorize?" + url.Values{"state": {state}, "user_scope": {strings.Join(words, ",")}}.Encode(), nil
}

func (f *fakeSlack) Finish(ctx context.Context, code string, used func(context.Context, signin.Account) error) (signin.Account, error) {
	f.mu.Lock()
	f.asked++
	f.mu.Unlock()
	if code == "slow" {
		<-f.hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return signin.Account{}, f.err
	}
	a, ok := f.accounts[code]
	if !ok {
		return signin.Account{}, &signin.RefusedError{Reason: signin.RefusedCode, Text: "Slack does not know the code."}
	}
	if err := used(ctx, a); err != nil {
		return a, err
	}
	f.written = append(f.written, a.Person)
	return a, nil
}

func (f *fakeSlack) Check(context.Context, access.Person) error { return f.check }

func (f *fakeSlack) Release(_ context.Context, p access.Person) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.released = append(f.released, p)
	return nil
}

// A rig is an authorization server and what is around it.
type rig struct {
	t       *testing.T
	web     *httptest.Server
	slack   *fakeSlack
	signIns *rows.SignIns
	state   state.Store
	log     bytes.Buffer
	mu      sync.Mutex
	ahead   time.Duration
	events  []oauth.Event
	came    int // how many requests have come to where turns are taken
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.ahead)
}

func (r *rig) forward(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += d
}

func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

// options change what newRig makes.
type options struct {
	named   []string
	ceiling []access.Scope
	egress  egress.Options
}

func newRig(t *testing.T, o options) *rig {
	t.Helper()
	r := &rig{t: t, slack: &fakeSlack{accounts: map[string]signin.Account{
		"annscode": {Person: ann, Name: "Ann <b>Other</b>", Workspace: "Acme", Scopes: access.Personal},
	}}}
	m, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	r.state = m.State()
	ring, err := seal.NewKeyring(bytes.Repeat([]byte{7}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if r.signIns, err = rows.New(rows.Options{State: r.state, Keys: ring, Now: r.now, Logger: log}); err != nil {
		t.Fatal(err)
	}
	named, err := oauth.ParseClients(o.named)
	if err != nil {
		t.Fatal(err)
	}
	if o.egress.RootCAs == nil { // there is no network
		o.egress.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }}
	}
	o.egress.HTTPSOnly, o.egress.Timeout, o.egress.MaxReply = true, oauth.FetchTime, oauth.MaxDocument
	out, err := egress.New(o.egress)
	if err != nil {
		t.Fatal(err)
	}
	r.web = httptest.NewUnstartedServer(nil)
	issuer := "http://" + r.web.Listener.Addr().String()
	s, err := oauth.New(oauth.Options{
		Issuer: issuer, Resource: issuer + "/mcp", Slack: r.slack, SignIns: r.signIns, Keys: ring, Named: named, Egress: out, Ceiling: o.ceiling,
		Now: r.now, Logger: log, Client: func(req *http.Request) netip.Prefix {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.came++
			p, _ := netip.ParsePrefix(req.Header.Get("X-Client"))
			return p
		},
		OnEvent: func(_ *http.Request, e oauth.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.web.Config.Handler = s
	r.web.Start()
	t.Cleanup(r.web.Close)
	return r
}

// count is how many values the store has.
func (r *rig) count() int {
	r.t.Helper()
	all, err := r.state.List(r.t.Context(), "", "", 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	return len(all)
}

// A browser keeps cookies and follows no redirect out of the server.
type browser struct {
	r    *rig
	http *http.Client
	from string // the client that it counts for
}

func (r *rig) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &browser{r: r, http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// A page is an answer with its body.
type page struct {
	*http.Response
	body string
}

func (b *browser) do(req *http.Request) page {
	b.r.t.Helper()
	req.Header.Set("X-Client", b.from)
	res, err := b.http.Do(req)
	if err != nil {
		b.r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.r.t.Fatal(err)
	}
	return page{res, string(body)}
}

func (b *browser) get(path string, q url.Values) page {
	b.r.t.Helper()
	req, err := http.NewRequestWithContext(b.r.t.Context(), http.MethodGet, b.r.web.URL+path+"?"+q.Encode(), nil)
	if err != nil {
		b.r.t.Fatal(err)
	}
	return b.do(req)
}

func (b *browser) post(path string, f url.Values, header ...string) page {
	b.r.t.Helper()
	req, err := http.NewRequestWithContext(b.r.t.Context(), http.MethodPost, b.r.web.URL+path, strings.NewReader(f.Encode()))
	if err != nil {
		b.r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return b.do(req)
}

var hidden = regexp.MustCompile(`name="t" value="([^"]*)"`)

// form is the sealed value of a page's form.
func (p page) form(t *testing.T) string {
	t.Helper()
	m := hidden.FindStringSubmatch(p.body)
	if p.StatusCode != http.StatusOK || m == nil {
		t.Fatalf("%d, no form: %s", p.StatusCode, p.body)
	}
	return html.UnescapeString(m[1])
}

// to is where a page sends the browser, and with which parameters.
func (p page) to(t *testing.T) (address string, q url.Values) {
	t.Helper()
	u, err := url.Parse(p.Header.Get("Location"))
	if err != nil || p.StatusCode != http.StatusSeeOther || u.Host == "" {
		t.Fatalf("%d, to %q: %s", p.StatusCode, p.Header.Get("Location"), p.body)
	}
	q = u.Query()
	u.RawQuery = ""
	return u.String(), q
}

const (
	verifier = "a-verifier-of-more-than-forty-three-characters-0123456789"
	loopback = "http://127.0.0.1:50123/callback"
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// register registers a client and returns its id.
func (r *rig) register(name string, redirects ...string) string {
	r.t.Helper()
	status, answer := r.registration(name, redirects...)
	if status != http.StatusCreated {
		r.t.Fatalf("%d, %v", status, answer)
	}
	return answer["client_id"].(string) //nolint:forcetypeassert // a panic fails the test
}

func (r *rig) registration(name string, redirects ...string) (int, map[string]any) {
	r.t.Helper()
	body, err := json.Marshal(map[string]any{"client_name": name, "redirect_uris": redirects})
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.Post(r.web.URL+"/register", "application/json", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, answer
}

// request is what a good client asks for.
func request(client, redirect string) url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirect}, "code_challenge": {challenge()},
		"code_challenge_method": {"S256"}, "state": {"client's state"},
	}
}

// atSlack consents, and returns the state with which the browser is at Slack.
func (b *browser) atSlack(q url.Values) string {
	b.r.t.Helper()
	form := b.get("/authorize", q).form(b.r.t)
	to, sent := b.post("/authorize/consent", url.Values{"t": {form}, "answer": {"allow"}, "write": {"on"}}).to(b.r.t)
	if !strings.HasPrefix(to, slackOrigin) {
		b.r.t.Fatalf("sent to %s", to)
	}
	return sent.Get("state")
}

// code signs in, and returns the code that the client gets.
func (b *browser) code(q url.Values) string {
	b.r.t.Helper()
	t := b.r.t
	state := b.atSlack(q)
	form := b.get(signin.CallbackPath, url.Values{"state": {state}, "code": {"annscode"}}).form(t)
	to, sent := b.post("/authorize/done", url.Values{"t": {form}, "answer": {"continue"}}).to(t)
	if to != q.Get("redirect_uri") || sent.Get("state") != q.Get("state") || sent.Get("iss") != b.r.web.URL {
		t.Fatalf("sent to %s with %v", to, sent)
	}
	return sent.Get("code")
}

// token posts to the token endpoint.
func (r *rig) token(f url.Values) (int, map[string]any) {
	r.t.Helper()
	p := r.browser().post("/token", f)
	if p.Header.Get("Cache-Control") != "no-store" {
		r.t.Error("a token answer may be kept")
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(p.body), &answer); err != nil {
		r.t.Fatalf("%d: %s", p.StatusCode, p.body)
	}
	return p.StatusCode, answer
}

func exchange(client, redirect, code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "client_id": {client}, "redirect_uri": {redirect}, "code": {code}, "code_verifier": {verifier},
	}
}
