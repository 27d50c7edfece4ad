package slack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/signin/seal"
	"slackmcp/signin/slack"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/memory"
	"slackmcp/store/state"
)

const redirect = "https://mcp.example" + signin.CallbackPath

// A rig is a sandbox, whose answers a test may change, and sides of Slack before it.
type rig struct {
	t     *testing.T
	box   *sandbox.Sandbox
	web   *httptest.Server
	state state.Store
	keys  *seal.Keyring

	mu     sync.Mutex
	ahead  time.Duration
	edit   func(method string, reply map[string]any)
	calls  map[string]int
	tokens []string // that were given
}

func newRig(t *testing.T, rotation bool) *rig {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{RedirectURLs: []string{redirect}, TokenRotation: rotation})
	ok(t, err)
	keys, err := seal.NewKeyring(bytes.Repeat([]byte{7}, seal.KeyBytes))
	ok(t, err)
	m, err := memory.New(memory.Options{})
	ok(t, err)
	t.Cleanup(func() { _ = m.Close() })
	r := &rig{t: t, box: box, keys: keys, state: m.State(), calls: map[string]int{}}
	r.web = httptest.NewServer(r)
	t.Cleanup(r.web.Close)
	return r
}

// ServeHTTP lets the sandbox answer, and changes what it says.
func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	answer := httptest.NewRecorder()
	r.box.Handler().ServeHTTP(answer, req)
	body := answer.Body.Bytes()
	r.mu.Lock()
	method := strings.TrimPrefix(req.URL.Path, "/api/")
	r.calls[method]++
	var reply map[string]any
	if json.Unmarshal(body, &reply) == nil {
		for _, part := range []any{reply, reply["authed_user"]} {
			if m, is := part.(map[string]any); is && method == "oauth.v2.access" && m["access_token"] != nil {
				r.tokens = append(r.tokens, m["access_token"].(string))
			}
		}
		if r.edit != nil {
			r.edit(method, reply)
		}
		body, _ = json.Marshal(reply)
	}
	r.mu.Unlock()
	header := w.Header()
	maps.Copy(header, answer.Header())
	header.Del("Content-Length")
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body)
}

func (r *rig) pass(d time.Duration) {
	r.box.PassTime(d)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += d
}

func (r *rig) side(change func(*slack.Options)) *slack.Side {
	r.t.Helper()
	app, err := slackapi.NewApp(slackapi.AppOptions{
		ClientID: sandbox.DefaultClientID, ClientSecret: sandbox.DefaultClientSecret, URL: r.web.URL + "/api/",
	})
	ok(r.t, err)
	o := slack.Options{
		App: app, ClientID: sandbox.DefaultClientID, AuthorizeURL: r.web.URL + "/oauth/v2/authorize", Redirect: redirect,
		Teams: []string{sandbox.Team}, State: r.state, Keys: r.keys,
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return time.Now().Add(r.ahead)
		},
	}
	if change != nil {
		change(&o)
	}
	s, err := slack.New(o)
	ok(r.t, err)
	return s
}

// code lets a person allow what the side asks for.
func (r *rig) code(s *slack.Side, user string, scopes ...access.Scope) string {
	r.t.Helper()
	to, err := s.Start("state-1", scopes)
	ok(r.t, err)
	u, err := url.Parse(to)
	ok(r.t, err)
	form := u.Query()
	form.Set("user", user)
	form.Set("answer", "allow")
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.web.URL+"/oauth/v2/authorize", strings.NewReader(form.Encode()))
	ok(r.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	ok(r.t, err)
	defer resp.Body.Close()
	back, err := resp.Location()
	ok(r.t, err)
	if back.Query().Get("state") != "state-1" || back.Query().Get("code") == "" {
		r.t.Fatalf("sent back to %s", back)
	}
	return back.Query().Get("code")
}

// alive reports whether the sandbox takes the newest token.
func (r *rig) alive() bool {
	r.t.Helper()
	app, err := slackapi.NewApp(slackapi.AppOptions{ClientID: "1", ClientSecret: "2", URL: r.web.URL + "/api/"})
	ok(r.t, err)
	r.mu.Lock()
	token, edit := r.tokens[len(r.tokens)-1], r.edit
	r.edit = nil
	r.mu.Unlock()
	_, err = app.Identify(r.t.Context(), token)
	r.mu.Lock()
	r.edit = edit
	r.mu.Unlock()
	return err == nil
}

func (r *rig) rows() []state.Entry {
	r.t.Helper()
	all, err := r.state.List(r.t.Context(), slack.Prefix, "", 0)
	ok(r.t, err)
	return all
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func accept(context.Context, signin.Account) error { return nil }

// reason is the reason of a refusal, "unavailable", or empty for none.
func reason(err error) string {
	if r, is := errors.AsType[*signin.RefusedError](err); is {
		return r.Reason
	}
	if errors.Is(err, signin.ErrUnavailable) {
		return "unavailable"
	}
	return fmt.Sprint(map[bool]any{true: "", false: err}[err == nil])
}

var bob = access.Person{Host: "slack.com", Team: sandbox.Team, User: sandbox.Bob}

func TestSignIn(t *testing.T) {
	t.Parallel()
	for _, rotation := range []bool{false, true} {
		r := newRig(t, rotation)
		s := r.side(nil)
		asked := 0
		account, err := s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read), func(_ context.Context, a signin.Account) error {
			asked++
			if a.Person != bob || len(r.rows()) != 0 {
				t.Errorf("asked for %v with %d rows", a, len(r.rows()))
			}
			return nil
		})
		ok(t, err)
		if asked != 1 || account.Name != "bob" || account.Workspace != "Lantern Works" || account.Guest || !slices.Equal(account.Scopes, []access.Scope{access.Read, access.Events}) {
			t.Errorf("asked %d times, account %+v", asked, account)
		}
		account, err = s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read, access.Write), accept)
		ok(t, err)
		if !slices.Equal(account.Scopes, access.Personal) {
			t.Errorf("scopes %v", account.Scopes)
		}
		ok(t, s.Check(t.Context(), bob))
		rows := r.rows()
		if len(rows) != 1 {
			t.Fatalf("%d rows", len(rows))
		}
		for _, secret := range append(r.tokens, sandbox.Bob, "xox") {
			if bytes.Contains(rows[0].Value, []byte(secret)) || strings.Contains(rows[0].Key, secret) {
				t.Error("the row shows what it keeps")
			}
		}
		ok(t, s.Release(t.Context(), bob))
		if r.alive() || len(r.rows()) != 0 {
			t.Errorf("after release the token lives: %v, rows %d", r.alive(), len(r.rows()))
		}
		ok(t, s.Release(t.Context(), bob))
		if got := reason(s.Check(t.Context(), bob)); got != signin.RefusedGrant {
			t.Errorf("checked without a grant: %s", got)
		}
	}
}

// of changes the answer of one method.
func of(method string, change func(reply map[string]any)) func(string, map[string]any) {
	return func(m string, reply map[string]any) {
		if m == method {
			change(reply)
		}
	}
}

func user(change func(u map[string]any)) func(string, map[string]any) {
	return of("users.info", func(r map[string]any) { change(r["user"].(map[string]any)) })
}

// org makes the app one that is installed for an organization.
func org(method string, reply map[string]any) {
	switch method {
	case "oauth.v2.access":
		reply["team"], reply["enterprise"], reply["is_enterprise_install"] = nil, map[string]any{"id": "E1"}, true
	case "auth.test":
		reply["enterprise_id"], reply["is_enterprise_install"] = "E1", true
	case "users.info":
		reply["user"].(map[string]any)["enterprise_user"] = map[string]any{"enterprise_id": "E1"}
	}
}

func TestWhoMaySignIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		user   string
		teams  []string
		guests bool
		edit   func(string, map[string]any)
		want   string
	}{
		"a member":                            {},
		"another workspace's list":            {teams: []string{"T0OTHER"}, want: signin.RefusedWorkspace},
		"an organization's list":              {teams: []string{"E1"}, want: signin.RefusedWorkspace},
		"a guest":                             {user: sandbox.Kira, want: signin.RefusedGuest},
		"a guest where guests are let in":     {user: sandbox.Kira, guests: true},
		"a guest of one channel":              {edit: user(func(u map[string]any) { u["is_ultra_restricted"] = true }), want: signin.RefusedGuest},
		"a bot":                               {edit: user(func(u map[string]any) { u["is_bot"] = true }), want: signin.RefusedAccount},
		"a bot's token":                       {edit: of("auth.test", func(r map[string]any) { r["bot_id"] = "B1" }), want: signin.RefusedMismatch},
		"a deactivated person":                {edit: user(func(u map[string]any) { u["deleted"] = true }), want: signin.RefusedAccount},
		"a stranger":                          {edit: user(func(u map[string]any) { u["is_stranger"] = true }), want: signin.RefusedAccount},
		"a user of another workspace":         {edit: user(func(u map[string]any) { u["team_id"] = "T0OTHER" }), want: signin.RefusedMismatch},
		"another user in users.info":          {edit: user(func(u map[string]any) { u["id"] = sandbox.Alice }), want: signin.RefusedMismatch},
		"another user in auth.test":           {edit: of("auth.test", func(r map[string]any) { r["user_id"] = sandbox.Alice }), want: signin.RefusedMismatch},
		"another workspace in auth.test":      {edit: of("auth.test", func(r map[string]any) { r["team_id"] = "T0OTHER" }), want: signin.RefusedMismatch},
		"another organization in auth.test":   {edit: of("auth.test", func(r map[string]any) { r["enterprise_id"] = "E1" }), want: signin.RefusedMismatch},
		"an install that auth.test calls org": {edit: of("auth.test", func(r map[string]any) { r["is_enterprise_install"] = true }), want: signin.RefusedMismatch},
		"another workspace in the exchange":   {edit: of("oauth.v2.access", func(r map[string]any) { r["team"] = map[string]any{"id": "T0OTHER"} }), want: signin.RefusedMismatch},
		"no workspace at all":                 {edit: func(m string, r map[string]any) { r["team"], r["team_id"] = nil, "" }, want: signin.RefusedMismatch},
		"nobody in the exchange":              {edit: of("oauth.v2.access", func(r map[string]any) { r["authed_user"].(map[string]any)["id"] = "" }), want: signin.RefusedMismatch},
		"an org install, workspace listed":    {edit: org, want: signin.RefusedWorkspace},
		"an org install, organization listed": {edit: org, teams: []string{"E1"}},
		"an org install that names a workspace, which is listed": {edit: func(m string, r map[string]any) {
			org(m, r)
			if m == "oauth.v2.access" {
				r["team"] = map[string]any{"id": sandbox.Team}
			}
		}, want: signin.RefusedWorkspace},
		"an org install of another": {edit: org, teams: []string{"E2"}, want: signin.RefusedWorkspace},
		"a workspace of an organization": {teams: []string{sandbox.Team}, edit: func(m string, r map[string]any) {
			org(m, r)
			if m == "oauth.v2.access" {
				r["team"] = map[string]any{"id": sandbox.Team}
			}
			if m != "users.info" {
				r["is_enterprise_install"] = false
			}
		}},
		"an org user of nobody's": {teams: []string{"E1"}, edit: func(m string, r map[string]any) {
			if m != "users.info" {
				org(m, r)
			}
		}, want: signin.RefusedMismatch},
		"less than reading needs":  {edit: of("oauth.v2.access", func(r map[string]any) { r["authed_user"].(map[string]any)["scope"] = "users:read" }), want: signin.RefusedScopes},
		"a user that Slack hides":  {edit: of("users.info", func(r map[string]any) { clear(r); r["ok"], r["error"] = false, "user_not_found" }), want: signin.RefusedAccount},
		"auth.test without answer": {edit: of("auth.test", func(r map[string]any) { clear(r); r["ok"], r["error"] = false, "internal_error" }), want: "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, true)
			s := r.side(func(o *slack.Options) {
				o.Guests = c.guests
				if c.teams != nil {
					o.Teams = c.teams
				}
			})
			who := c.user
			if who == "" {
				who = sandbox.Bob
			}
			code := r.code(s, who, access.Read)
			r.edit = c.edit
			asked := 0
			account, err := s.Finish(t.Context(), code, func(context.Context, signin.Account) error { asked++; return nil })
			if got := reason(err); got != c.want {
				t.Errorf("refused for %q, want %q", got, c.want)
			}
			in := c.want == ""
			if (asked == 1) != in || (len(r.rows()) == 1) != in || r.alive() != in {
				t.Errorf("asked %d times, %d rows, the token lives: %v", asked, len(r.rows()), r.alive())
			}
			if in {
				ok(t, s.Check(t.Context(), account.Person))
			}
			if err != nil && strings.Contains(err.Error(), "xox") {
				t.Errorf("the error shows a token: %v", err)
			}
		})
	}
}

func TestTeamsAreMandatory(t *testing.T) {
	t.Parallel()
	r := newRig(t, false)
	for _, teams := range [][]string{nil, {""}, {sandbox.Team, ""}, {"U0BOB000001"}} {
		app, err := slackapi.NewApp(slackapi.AppOptions{ClientID: "1.2", ClientSecret: "s", URL: r.web.URL + "/api/"})
		ok(t, err)
		if _, err := slack.New(slack.Options{App: app, ClientID: "1.2", Redirect: redirect, Teams: teams, State: r.state, Keys: r.keys}); err == nil {
			t.Errorf("%q was taken", teams)
		}
	}
}

func TestCodesAndUse(t *testing.T) {
	t.Parallel()
	r := newRig(t, false)
	s := r.side(nil)
	code := r.code(s, sandbox.Bob, access.Read)
	if _, err := s.Finish(t.Context(), "1.2.3", accept); reason(err) != signin.RefusedCode {
		t.Errorf("an unknown code: %v", err)
	}
	taken := errors.New("the state was used")
	refuse := func(context.Context, signin.Account) error { return taken }
	if _, err := s.Finish(t.Context(), code, refuse); !errors.Is(err, taken) || len(r.rows()) != 0 || r.alive() {
		t.Errorf("a used state: %v, %d rows", err, len(r.rows()))
	}
	if _, err := s.Finish(t.Context(), code, accept); reason(err) != signin.RefusedCode {
		t.Errorf("a code again: %v", err)
	}
	_, err := s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read), accept)
	ok(t, err)
	// The token of who is signed in already is the same one, and stays.
	if _, err := s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read), refuse); !errors.Is(err, taken) || len(r.rows()) != 1 || !r.alive() {
		t.Errorf("a used state beside a grant: %v, %d rows, alive %v", err, len(r.rows()), r.alive())
	}
	other := r.side(func(o *slack.Options) { o.Teams = []string{"T0OTHER"} })
	if got := reason(other.Check(t.Context(), bob)); got != signin.RefusedWorkspace {
		t.Errorf("off the list: %q", got)
	}
	if _, err := s.Start("x", []access.Scope{access.Admin}); err == nil {
		t.Error("people could give admin")
	}
}

func TestDailyCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*rig)
		want   string
		rows   int
	}{
		"still there":  {func(r *rig) { r.edit = user(func(u map[string]any) { u["tz"] = "Asia/Tokyo" }) }, "", 1},
		"deactivated":  {func(r *rig) { ok(r.t, r.box.Deactivate("bob")) }, signin.RefusedAccount, 0},
		"taken back":   {func(r *rig) { ok(r.t, r.box.RevokeGrant("bob")) }, signin.RefusedGrant, 0},
		"uninstalled":  {func(r *rig) { r.box.Uninstall() }, signin.RefusedAccount, 0},
		"now a guest":  {func(r *rig) { r.edit = user(func(u map[string]any) { u["is_restricted"] = true }) }, signin.RefusedGuest, 1},
		"Slack is out": {func(r *rig) { ok(r.t, r.box.Inject(sandbox.Fault{Status: 503, Times: -1})) }, "unavailable", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, false)
			s := r.side(nil)
			_, err := s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read), accept)
			ok(t, err)
			c.change(r)
			before := r.calls["auth.test"]
			ok(t, s.Check(t.Context(), bob))
			if r.calls["auth.test"] != before {
				t.Error("Slack was asked within the day")
			}
			r.pass(25 * time.Hour)
			if got := reason(s.Check(t.Context(), bob)); got != c.want || len(r.rows()) != c.rows {
				t.Errorf("%q with %d rows, want %q with %d", got, len(r.rows()), c.want, c.rows)
			}
			if g, err := s.Grant(t.Context(), bob); c.want == "" && (err != nil || g.Zone != "Asia/Tokyo" || g.Home != sandbox.Team) {
				t.Errorf("what is known then: %+v, %v", g, err)
			}
		})
	}
}

// TestOneRefresh has three replicas check a grant whose token has ended.
func TestOneRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	sides := []*slack.Side{r.side(nil), r.side(nil), r.side(nil)}
	_, err := sides[0].Finish(t.Context(), r.code(sides[0], sandbox.Bob, access.Read), accept)
	ok(t, err)
	r.pass(25 * time.Hour)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			if err := sides[i%3].Check(t.Context(), bob); err != nil {
				t.Errorf("check %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if got := r.calls["oauth.v2.access"]; got != 2 || !r.alive() {
		t.Errorf("%d exchanges and refreshes, want one of each", got)
	}

	// Without an answer nothing is known: the right to refresh lapses, and another replica goes on.
	r.pass(25 * time.Hour)
	ok(t, r.box.Inject(sandbox.Fault{Method: "oauth.v2.access", Drop: true}))
	if got := reason(sides[0].Check(t.Context(), bob)); got != "unavailable" || len(r.rows()) != 1 {
		t.Errorf("%q with %d rows", got, len(r.rows()))
	}
	r.pass(21 * time.Second)
	ok(t, sides[1].Check(t.Context(), bob))

	// A refresh that Slack does not know any more ends the grant.
	r.pass(25 * time.Hour)
	r.edit = of("oauth.v2.access", func(m map[string]any) { clear(m); m["ok"], m["error"] = false, "invalid_refresh_token" })
	if got := reason(sides[1].Check(t.Context(), bob)); got != signin.RefusedGrant || len(r.rows()) != 0 {
		t.Errorf("%q with %d rows", got, len(r.rows()))
	}
}

// TestReleasedWhileRefreshed has a grant let go while Slack gives new tokens for it.
func TestReleasedWhileRefreshed(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	s := r.side(nil)
	_, err := s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read), accept)
	ok(t, err)
	r.pass(25 * time.Hour)
	row := r.rows()[0]
	r.edit = of("oauth.v2.access", func(map[string]any) {
		if err := r.state.Delete(context.Background(), row.Key, ""); err != nil {
			t.Error(err)
		}
	})
	if got := reason(s.Check(t.Context(), bob)); got != signin.RefusedGrant || len(r.rows()) != 0 || len(r.tokens) != 2 || r.alive() {
		t.Errorf("%q with %d rows and %d tokens, alive %v", got, len(r.rows()), len(r.tokens), r.alive())
	}
}

// awayState fails the writes that it is told to.
type awayState struct {
	state.Store
	mu   sync.Mutex
	fail int
}

func (a *awayState) Put(ctx context.Context, key string, value []byte, p state.Put) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail > 0 {
		a.fail--
		return "", state.ErrUnavailable
	}
	return a.Store.Put(ctx, key, value, p)
}

// TestRefreshedWhileTheStoreIsAway shows that tokens of a refresh are not lost when the first write of
// them fails.
func TestRefreshedWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	away := &awayState{Store: r.state}
	r.state = away
	s := r.side(nil)
	_, err := s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read), accept)
	ok(t, err)
	r.pass(25 * time.Hour)
	r.edit = of("oauth.v2.access", func(map[string]any) {
		away.mu.Lock()
		defer away.mu.Unlock()
		away.fail = 2
	})
	ok(t, s.Check(t.Context(), bob))
	if len(r.rows()) != 1 || !r.alive() {
		t.Errorf("%d rows, alive %v", len(r.rows()), r.alive())
	}
}

// What operators see of grants is who, what and until when, and no token.
func TestGrants(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	s := r.side(nil)
	if got := reason(second(s.Grant(t.Context(), bob))); got != signin.RefusedGrant {
		t.Errorf("before: %q", got)
	}
	_, err := s.Finish(t.Context(), r.code(s, sandbox.Bob, access.Read), accept)
	ok(t, err)
	g, err := s.Grant(t.Context(), bob)
	ok(t, err)
	if g.Person != bob || !g.Renews || g.Until.IsZero() || g.Checked.IsZero() || !slices.Contains(g.Scopes, "users:read") || g.Home != sandbox.Team || !strings.Contains(g.Zone, "/") {
		t.Errorf("%+v", g)
	}
	text, err := json.Marshal(g)
	ok(t, err)
	for _, token := range r.tokens {
		if bytes.Contains(text, []byte(token)) {
			t.Error("a token is shown")
		}
	}
	page, next, err := s.Grants(t.Context(), "")
	ok(t, err)
	if len(page) != 1 || page[0].Person != bob || next == "" {
		t.Errorf("%+v, next %q", page, next)
	}
	if page, next, err := s.Grants(t.Context(), next); err != nil || len(page) != 0 || next != "" {
		t.Errorf("%+v, %q, %v", page, next, err)
	}
}

func second[T any](_ T, err error) error { return err }
