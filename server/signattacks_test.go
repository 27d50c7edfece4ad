package server_test

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/server"
	"slackmcp/signin"
	"slackmcp/signin/rows"
	"slackmcp/signin/slack"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
)

// inStore opens the store of a server that has stopped.
func (s *signedSlack) inStore(look func(state.Store)) {
	s.t.Helper()
	store, err := sqlite.Open(s.t.Context(), server.SQLiteOptions(load(s.t, s.vars), slog.New(slog.DiscardHandler)))
	s.ok(err)
	look(store.State())
	s.ok(store.Close())
}

// values are what the store has, by key.
func (s *signedSlack) values(v state.Store) map[string][]byte {
	s.t.Helper()
	all, err := v.List(s.t.Context(), "", "", 0)
	s.ok(err)
	found := map[string][]byte{}
	for _, e := range all {
		found[e.Key] = e.Value
	}
	return found
}

// flood sends what strangers can to the routes of signing in, until ctx is done, and counts the answers.
func flood(ctx context.Context, base string, answered *atomic.Int64) {
	jar, _ := cookiejar.New(nil) // without options it does not fail
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	send := func(method, path, media, body string) *http.Response {
		req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
		if err != nil {
			return nil
		}
		req.Header.Set("Content-Type", media)
		req.Header.Set("X-Forwarded-For", "203.0.113.7")
		res, err := c.Do(req)
		if err != nil {
			return nil
		}
		answered.Add(1)
		return res
	}
	for ctx.Err() == nil {
		res := send(http.MethodPost, "/register", "application/json", `{"client_name":"Flood","redirect_uris":["http://127.0.0.1:1/callback"]}`)
		if res == nil {
			continue
		}
		var client struct {
			ID string `json:"client_id"`
		}
		_ = json.NewDecoder(res.Body).Decode(&client)
		_ = res.Body.Close()
		const form = "application/x-www-form-urlencoded"
		asked := url.Values{
			"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {"http://127.0.0.1:1/callback"}, "code_challenge_method": {"S256"},
			"code_challenge": {strings.Repeat("a", 43)},
		}.Encode()
		for _, one := range [][4]string{
			{http.MethodGet, "/authorize?" + asked, "", ""},
			{http.MethodGet, "/authorize?client_id=unknown", "", ""},
			{http.MethodGet, signin.CallbackPath + "?code=junk&state=" + strings.Repeat("a", 32), "", ""},
			{http.MethodPost, "/authorize/consent", form, "t=junk&answer=allow"},
			{http.MethodPost, "/authorize/done", form, "t=junk&answer=continue"},
			{http.MethodPost, "/token", form, "grant_type=authorization_code&code=junk&client_id=" + client.ID},
			{http.MethodPost, "/token", form, "grant_type=refresh_token&refresh_token=swr.junk.junk&client_id=" + client.ID},
			{http.MethodPost, "/revoke", form, "token=swr.junk.junk&client_id=" + client.ID},
		} {
			if res := send(one[0], one[1], one[2], one[3]); res != nil {
				_ = res.Body.Close()
			}
		}
		junkCodes(base, jar, send)
	}
}

// junkCodes comes back from Slack with codes of nobody and a state that is good, which the jar does not forget.
func junkCodes(base string, jar http.CookieJar, send func(method, path, media, body string) *http.Response) {
	res := send(http.MethodGet, "/sign-ins", "", "")
	if res == nil {
		return
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	m := formValue.FindSubmatch(body)
	if m == nil {
		return
	}
	if res = send(http.MethodPost, "/sign-ins/slack", "application/x-www-form-urlencoded", "t="+url.QueryEscape(html.UnescapeString(string(m[1])))); res == nil {
		return
	}
	_ = res.Body.Close()
	at, _ := url.Parse(base)
	to, _ := url.Parse(res.Header.Get("Location"))
	kept := jar.Cookies(at)
	for range 4 {
		jar.SetCookies(at, kept)
		if res = send(http.MethodGet, signin.CallbackPath+"?code=junk&state="+to.Query().Get("state"), "", ""); res != nil {
			_ = res.Body.Close()
		}
	}
}

// TestAFloodStoresNothingAndLocksNobodyOut has strangers register and begin to sign in without end, while
// somebody signs in.
func TestAFloodStoresNothingAndLocksNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	s.ok(s.start(nil))
	s.ok(s.stop())
	var before map[string][]byte
	s.vars["TRUSTED_PROXIES"] = "127.0.0.1"
	s.inStore(func(v state.Store) { before = s.values(v) })
	s.ok(s.start(nil))
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var sent atomic.Int64
	for range 8 {
		all.Go(func() { flood(ctx, s.base, &sent) })
	}
	for sent.Load() < 200 { // it runs
		time.Sleep(time.Millisecond)
	}
	bob, _, _ := signIn(t, s.base, sandbox.Bob)
	alice, _, _ := signIn(t, s.base, sandbox.Alice)
	for until := sent.Load() + 200; sent.Load() < until; { // and goes on
		time.Sleep(time.Millisecond)
	}
	stop()
	all.Wait()
	if !s.signedIn(bob) || !s.signedIn(alice) {
		t.Error("who signed in during the flood is not let in")
	}
	s.ok(s.stop())
	if n := strings.Count(s.log.String(), `"reason":"code","request_id"`); n < 1 || n > 3 {
		t.Errorf("%d lines say that a code was refused, want one a minute", n)
	}
	found := map[string]int{}
	s.inStore(func(v state.Store) {
		for key := range s.values(v) {
			kind, _, _ := strings.Cut(key, "/")
			if _, old := before[key]; !old {
				found[kind]++
			}
		}
	})
	// Of each of the two: a sign-in, a grant, a code, and the marks of what was used.
	for kind, most := range map[string]int{"signins": 2, "slack-grants": 2, "signin-codes": 2, "signin-states": 4} {
		if found[kind] > most || kind == "signins" && found[kind] != most {
			t.Errorf("%d rows of %s", found[kind], kind)
		}
		delete(found, kind)
	}
	for kind, n := range found {
		if n > 10 {
			t.Errorf("%d rows of %s are new", n, kind)
		}
	}
}

// TestPlantedRows changes the store under people who have signed in: their rows change places, others
// are copied, and some are invented. None of them lets anybody in, or shows one person what is another's.
func TestPlantedRows(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	s.ok(s.start(nil))
	tokens := map[string]string{}
	refresh := map[string]url.Values{}
	for _, user := range []string{sandbox.Alice, sandbox.Bob} {
		token, again, client := signIn(t, s.base, user)
		tokens[user], refresh[user] = token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {again}, "client_id": {client}}
	}
	s.ok(s.stop())
	planted := 0
	s.inStore(func(v state.Store) {
		for _, prefix := range append(rows.Prefixes(), slack.Prefix) {
			of, err := v.List(t.Context(), prefix, "", 0)
			s.ok(err)
			for i, e := range of {
				_, err := v.Put(t.Context(), e.Key, of[(i+1)%len(of)].Value, state.Put{})
				s.ok(err)
				_, err = v.Put(t.Context(), e.Key+"x", e.Value, state.Put{})
				s.ok(err)
				_, err = v.Put(t.Context(), e.Key+"y", []byte(`{"person":{"host":"127.0.0.1","team":"T1","user":"U1"},"scopes":["read","write"],"until":"2099-01-01T00:00:00Z"}`), state.Put{})
				s.ok(err)
				planted++
			}
		}
	})
	if planted < 6 {
		t.Fatalf("%d rows: the test changes nothing", planted)
	}
	s.ok(s.start(nil))
	for user, token := range tokens {
		if s.signedIn(token) {
			t.Errorf("%s is let in by another's row", user)
		}
		res, err := http.PostForm(s.base+"/token", refresh[user])
		s.ok(err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("a refresh of %s: %d", user, res.StatusCode)
		}
	}
	if !strings.Contains(s.log.String(), "rows of people in the store do not open") {
		t.Errorf("nobody is told: %s", s.log)
	}
	again, _, _ := signIn(t, s.base, sandbox.Bob)
	if !s.signedIn(again) {
		t.Error("nobody can sign in any more")
	}
}

// TestASessionIsOfOneSignIn uses a session with the tokens of others: another client of the same person,
// another person, and a service. A session that is not theirs does not exist for them.
func TestASessionIsOfOneSignIn(t *testing.T) {
	t.Parallel()
	_, base, _ := signInServer(t, map[string]string{"DATA_DIR": t.TempDir()})
	own, _, _ := signIn(t, base, sandbox.Alice)
	second, _, _ := signIn(t, base, sandbox.Alice)
	other, _, _ := signIn(t, base, sandbox.Bob)
	_, session, _ := rpc(t, base, own, "", initialize)
	try := func(method, token string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+"/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Mcp-Session-Id", session)
		req.Header.Set("Accept", "text/event-stream")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	const ping = `{"jsonrpc":"2.0","id":2,"method":"ping"}`
	for name, token := range map[string]string{"the person's other client": second, "another person": other, "a service": "a-token-of-the-test"} {
		if status, _, body := rpc(t, base, token, session, ping); status != http.StatusNotFound {
			t.Errorf("%s calls: %d, %.200s", name, status, body)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			if status := try(method, token); status != http.StatusNotFound {
				t.Errorf("%s, %s: %d", name, method, status)
			}
		}
	}
	if status, _, body := rpc(t, base, own, session, ping); status != http.StatusOK {
		t.Errorf("its own: %d, %s", status, body)
	}
}
