package server_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/signin"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/sqlite"
)

// A signedSlack is a workspace in another process, as Slack is, and the settings of a server for it.
type signedSlack struct {
	t    *testing.T
	box  *sandbox.Sandbox
	web  *httptest.Server
	base string // of the server
	vars map[string]string

	srv  *server.Server
	stop func() error
	log  *notebook

	mu   sync.Mutex
	seen map[string]int // calls by method and token
}

// ServeHTTP is the workspace, and counts its calls.
func (s *signedSlack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.seen[strings.TrimPrefix(r.URL.Path, "/api/")+" "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]++
	s.mu.Unlock()
	s.box.Handler().ServeHTTP(w, r)
}

// calls counts the calls of a method with a token.
func (s *signedSlack) calls(method, token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[method+" "+token]
}

// keysFile writes a file of keys.
func keysFile(t *testing.T, key byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{key}, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newSignedSlack(t *testing.T) *signedSlack {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := &signedSlack{t: t, base: "http://127.0.0.1:" + port, seen: map[string]int{}}
	s.box, err = sandbox.New(sandbox.Options{SigningSecret: secret, RedirectURLs: []string{s.base + signin.CallbackPath}, TokenRotation: true})
	if err != nil {
		t.Fatal(err)
	}
	s.web = httptest.NewServer(s)
	t.Cleanup(s.web.Close)
	go func() { _ = s.box.Run(t.Context()) }()
	s.vars = map[string]string{
		"INTEGRATED": "true", "SLACK_API_URL": s.web.URL + "/api/", "SLACK_BOT_TOKEN": sandbox.DefaultBotToken, "QUEUE_BACKEND_TYPE": "sqlite",
		"DATA_DIR": t.TempDir(), "PORT": port, "PUBLIC_URL": s.base, "SIGN_IN_TEAMS": sandbox.Team, "SLACK_CLIENT_ID": sandbox.DefaultClientID,
		"SLACK_CLIENT_SECRET": sandbox.DefaultClientSecret, "IDENTITY_KEYS_FILE": keysFile(t, 1), "AUDIT_LOG": "stderr",
	}
	return s
}

// start starts the server, after changes of its settings; an error is that of New.
func (s *signedSlack) start(change map[string]string) error {
	s.t.Helper()
	maps.Copy(s.vars, change)
	s.log = &notebook{}
	srv, err := server.New(s.t.Context(), server.Options{
		Config: load(s.t, s.vars), Logger: slog.New(slog.NewJSONHandler(s.log, nil)), Stderr: s.log,
		Reread: func() (config.Config, error) { return load(s.t, s.vars), nil },
	})
	if err != nil {
		return err
	}
	s.srv = srv
	_, s.stop = run(s.t, srv)
	return nil
}

// signedIn reports whether a token lets its bearer in.
func (s *signedSlack) signedIn(token string) bool {
	s.t.Helper()
	status, _, body := rpc(s.t, s.base, token, "", initialize)
	if status == http.StatusServiceUnavailable { // the sign-in has ended while the session was opened
		return s.signedIn(token)
	}
	if status != http.StatusOK && status != http.StatusUnauthorized {
		s.t.Fatalf("%d, %s", status, body)
	}
	return status == http.StatusOK
}

// ends waits until a token is good no more.
func (s *signedSlack) ends(who, token string) {
	s.t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if !s.signedIn(token) {
			return
		}
	}
	s.t.Fatalf("%s is signed in still: %s", who, s.log)
}

func (s *signedSlack) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestSlackEndsSignIns has people end at Slack what they allowed, be deactivated, and the app be removed.
// What an event says is asked for: one that is not so ends nothing.
func TestSlackEndsSignIns(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	s.ok(s.start(nil))
	s.ok(s.box.SetRequestURL(t.Context(), s.base+"/slack/events"))
	bob, _, _ := signIn(t, s.base, sandbox.Bob)
	alice, _, _ := signIn(t, s.base, sandbox.Alice)
	carla, refresh, client := signIn(t, s.base, sandbox.Carla)

	lie := `{"type":"event_callback","event_id":"EvLie","team_id":"` + sandbox.Team + `","event":{"type":"tokens_revoked","tokens":{"oauth":["` + sandbox.Bob + `"],"bot":[]}}}`
	if status := post(t, s.base, lie); status != http.StatusOK {
		t.Fatal(status)
	}
	s.ok(s.box.RevokeGrant("alice")) // it is worked after the lie
	s.ends("alice", alice)
	if !s.signedIn(bob) {
		t.Error("an event alone has signed bob out")
	}
	s.ok(s.box.Deactivate("bob"))
	s.ends("bob", bob)
	if !s.signedIn(carla) {
		t.Error("somebody else was signed out")
	}
	s.box.Uninstall()
	s.ends("carla", carla)
	res, err := http.PostForm(s.base+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {client}})
	s.ok(err)
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a refresh: %d, %s", res.StatusCode, body)
	}
	for _, want := range []string{
		`"event":"person_signed_out","outcome":"ok","reason":"grant"`, `"event":"person_signed_out","outcome":"ok","reason":"account"`,
	} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the trail lacks %s", want)
		}
	}
}

// TestWhoMaySignInChanges takes a workspace out of the settings, at a reload and at a start.
func TestWhoMaySignInChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reload bool
		change map[string]string
	}{
		"at a reload":         {true, map[string]string{"SIGN_IN_TEAMS": "T0OTHER"}},
		"at a start":          {false, map[string]string{"SIGN_IN_TEAMS": "T0OTHER"}},
		"nobody, at a reload": {true, map[string]string{"SIGN_IN_TEAMS": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSignedSlack(t)
			s.ok(s.start(nil))
			bob, _, _ := signIn(t, s.base, sandbox.Bob)
			maps.Copy(s.vars, c.change)
			if c.reload {
				s.srv.Reload(t.Context())
			} else {
				s.ok(s.stop())
				s.ok(s.start(nil))
			}
			s.ends("bob", bob)
			if err := s.box.RevokeGrant("bob"); c.reload && err != nil { // rotating tokens end one by one
				t.Errorf("the grant: %v", err)
			}
			if !strings.Contains(s.log.String(), `"reason":"workspace"`) {
				t.Errorf("nobody is told why: %s", s.log)
			}
		})
	}
}

// TestSignedInOverARestart wants people to stay signed in, and what the keys do not open to count for
// nothing.
func TestSignedInOverARestart(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	s.ok(s.start(nil))
	bob, _, _ := signIn(t, s.base, sandbox.Bob)
	s.ok(s.stop())
	s.ok(s.start(nil))
	if !s.signedIn(bob) || strings.Contains(s.log.String(), "do not open") {
		t.Errorf("after a restart: %v, %s", s.signedIn(bob), s.log)
	}
	s.ok(s.stop())
	s.ok(s.start(map[string]string{"IDENTITY_KEYS_FILE": keysFile(t, 2)}))
	if s.signedIn(bob) {
		t.Error("a row that does not open lets somebody in")
	}
	if !strings.Contains(s.log.String(), "rows of people in the store do not open") || !strings.Contains(s.log.String(), "IDENTITY_KEYS_FILE") {
		t.Errorf("nobody is told of the lost key: %s", s.log)
	}
}

// TestABackupSignsNobodyIn puts an older store in place, in which somebody was signed in who has been
// signed out since.
func TestABackupSignsNobodyIn(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	s.ok(s.start(nil))
	bob, refresh, client := signIn(t, s.base, sandbox.Bob)
	s.ok(s.stop())
	kept := t.TempDir()
	s.ok(os.CopyFS(filepath.Join(kept, "data"), os.DirFS(s.vars["DATA_DIR"])))
	s.ok(s.start(nil))
	res, err := http.PostForm(s.base+"/revoke", url.Values{"token": {refresh}, "client_id": {client}})
	s.ok(err)
	s.ok(res.Body.Close())
	for i := range 3 { // the store goes on after the copy
		if status := post(t, s.base, delivery("EvAfter"+string(rune('0'+i)))); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	s.ok(s.stop())
	for _, dir := range []string{s.vars["DATA_DIR"], filepath.Join(kept, "data")} {
		files, err := filepath.Glob(filepath.Join(dir, "*.db*"))
		s.ok(err)
		for _, file := range files {
			if dir == s.vars["DATA_DIR"] {
				s.ok(os.Remove(file))
				continue
			}
			b, err := os.ReadFile(file)
			s.ok(err)
			s.ok(os.WriteFile(filepath.Join(s.vars["DATA_DIR"], filepath.Base(file)), b, 0o600))
		}
	}
	if err := s.start(nil); err == nil {
		t.Fatal("an older store starts as if nothing had happened")
	}
	store, err := sqlite.Accept(t.Context(), server.SQLiteOptions(load(t, s.vars), slog.New(slog.DiscardHandler)))
	s.ok(err)
	s.ok(store.Close())
	s.ok(s.start(nil))
	if s.signedIn(bob) {
		t.Error("a backup has signed somebody in again")
	}
	again, _, _ := signIn(t, s.base, sandbox.Bob)
	if !s.signedIn(again) {
		t.Error("nobody can sign in any more")
	}
}

// TestPeopleOfTheSandboxStayThere refuses a real start on a store with people of the sandbox, where
// everybody can be anybody, and the other way round.
func TestPeopleOfTheSandboxStayThere(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	inSandbox := map[string]string{
		"SANDBOX": "true", "SLACK_API_URL": "", "SLACK_BOT_TOKEN": "", "SLACK_CLIENT_ID": "", "SLACK_CLIENT_SECRET": "", "IDENTITY_KEYS_FILE": "",
	}
	outside := map[string]string{"SANDBOX": "", "SIGN_IN_TEAMS": sandbox.Team}
	for name := range inSandbox {
		if _, ok := outside[name]; !ok {
			outside[name] = s.vars[name]
		}
	}
	s.ok(s.start(inSandbox))
	bob, _, _ := signIn(t, s.base, sandbox.Bob)
	if !s.signedIn(bob) {
		t.Fatal("bob has not signed in")
	}
	s.ok(s.stop())
	err := s.start(outside)
	if err == nil || !strings.Contains(err.Error(), "people of the sandbox") || !strings.Contains(err.Error(), "without SIGN_IN_TEAMS") {
		t.Fatalf("a real start: %v", err)
	}
	// What the error says helps.
	s.ok(s.start(map[string]string{"SANDBOX": "true", "SIGN_IN_TEAMS": "", "SLACK_API_URL": "", "SLACK_BOT_TOKEN": ""}))
	s.ok(s.stop())
	s.ok(s.start(outside))
	if s.signedIn(bob) {
		t.Error("somebody of the sandbox is signed in")
	}
	_, _, _ = signIn(t, s.base, sandbox.Bob)
	s.ok(s.stop())
	if err := s.start(inSandbox); err == nil || !strings.Contains(err.Error(), "the store has people of 127.0.0.1") {
		t.Errorf("a sandbox on a store with people: %v", err)
	}
}

// TestNobodySignsInAnyMore switches signing in off: the group of its hints would keep events for ever.
func TestNobodySignsInAnyMore(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	s.ok(s.start(nil))
	bob, _, _ := signIn(t, s.base, sandbox.Bob)
	groups := func() []string {
		t.Helper()
		s.ok(s.stop())
		store, err := server.OpenStore(t.Context(), load(t, s.vars), nil)
		s.ok(err)
		list, err := store.Groups(t.Context())
		s.ok(errors.Join(err, store.Close()))
		return list
	}
	if got := groups(); !slices.Contains(got, "people") {
		t.Fatalf("hints are not taken: %v", got)
	}
	s.ok(s.start(map[string]string{"SIGN_IN_TEAMS": ""}))
	if s.signedIn(bob) {
		t.Error("somebody is signed in still")
	}
	if got := groups(); slices.Contains(got, "people") {
		t.Errorf("the group stays: %v", got)
	}
}
