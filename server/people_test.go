package server_test

import (
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
	"testing"

	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/server/operate"
	"slackmcp/signin"
	"slackmcp/slackapi/sandbox"
)

// A peopled is a running server in which people sign in, with a sandbox for Slack.
type peopled struct {
	base, dir string
	cfg       config.Config
	box       *sandbox.Sandbox
	log       *notebook
	stop      func() error
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func startPeopled(t *testing.T, vars map[string]string) (p peopled) {
	t.Helper()
	port := freePort(t)
	p.base, p.log = "http://127.0.0.1:"+port, &notebook{}
	box, err := sandbox.New(sandbox.Options{RedirectURLs: []string{p.base + signin.CallbackPath}, TokenRotation: true})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(box.Handler())
	t.Cleanup(web.Close)
	keys := filepath.Join(t.TempDir(), "keys")
	writeKeys(t, keys, 1)
	all := map[string]string{
		"INTEGRATED": "true", "MCP_TRANSPORT": "streamable-http", "QUEUE_BACKEND_TYPE": "sqlite", "DATA_DIR": shortDir(t), "PORT": port, "AUDIT_LOG": "stderr",
		"SLACK_API_URL": web.URL + "/api/", "SLACK_BOT_TOKEN": sandbox.DefaultBotToken, "SLACK_CLIENT_ID": sandbox.DefaultClientID,
		"SLACK_CLIENT_SECRET": sandbox.DefaultClientSecret, "SIGN_IN_TEAMS": sandbox.Team, "PUBLIC_URL": p.base, "IDENTITY_KEYS_FILE": keys,
	}
	maps.Copy(all, vars)
	p.box, p.cfg, p.dir = box, load(t, all), all["DATA_DIR"]
	s, err := server.New(t.Context(), server.Options{Config: p.cfg, Logger: slog.New(slog.NewJSONHandler(p.log, nil)), Stderr: p.log})
	if err != nil {
		t.Fatal(err)
	}
	_, p.stop = run(t, s)
	return p
}

// shortDir is a directory whose name leaves room for the operator's socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pp") //nolint:usetesting // TempDir holds the test's name, which is too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// operator is what a command finds at a server's socket.
func (p peopled) operator(t *testing.T) *operate.Client {
	t.Helper()
	c, err := operate.Dial(t.Context(), operate.Path(p.dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// An operator sees who has signed in, without tokens, and ends one sign-in or all of a person; with the
// last the grant ends, again when Slack was away.
func TestPeople(t *testing.T) {
	t.Parallel()
	p := startPeopled(t, nil)
	people, err := server.OperatePeople(p.operator(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := people.Show(t.Context(), sandbox.Alice); err == nil || !strings.Contains(err.Error(), "people list") {
		t.Errorf("nobody: %v", err)
	}
	alice := sandbox.Team + "/" + sandbox.Alice
	first, firstRefresh, client := signIn(t, p.base, sandbox.Alice)
	second, _, _ := signIn(t, p.base, sandbox.Alice)
	other, _, _ := signIn(t, p.base, sandbox.Bob)
	var list []server.Person
	if err := people.List(t.Context(), func(one server.Person) error { list = append(list, one); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b server.Person) int { return strings.Compare(a.Person, b.Person) })
	if len(list) != 2 || list[0].Person != alice || list[0].SignIns != 2 || list[0].Workspace == "" || list[0].Name == "" || !slices.Equal(list[0].Clients, []string{"C"}) || list[1].SignIns != 1 {
		t.Fatalf("%+v", list)
	}
	d, err := people.Show(t.Context(), sandbox.Alice)
	if err != nil || len(d.List) != 2 || d.Grant == nil || !slices.Contains(d.Grant.Scopes, "users:read") || d.List[0].Host == "" {
		t.Fatalf("%+v, %v", d, err)
	}

	// One sign-in ends with what it has open; the others stay.
	_, session, _ := rpc(t, p.base, first, "", initialize)
	stream := openStream(t, p.base, first, session)
	id := strings.Split(first, ".")[1]
	out, err := people.SignOut(t.Context(), id)
	if err != nil || out.Person != alice || out.Left != 1 || len(out.Ended) != 1 || out.Ended[0].ID != id {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := io.Copy(io.Discard, stream); t.Context().Err() != nil {
		t.Errorf("the stream goes on: %v", err)
	}
	if status, _, _ := rpc(t, p.base, first, "", initialize); status != http.StatusUnauthorized {
		t.Errorf("the token that ended: %d", status)
	}
	if status := refreshed(t, p.base, firstRefresh, client); status != http.StatusBadRequest {
		t.Errorf("its refresh token: %d", status)
	}
	if status, _, _ := rpc(t, p.base, second, "", initialize); status != http.StatusOK {
		t.Errorf("the other one: %d", status)
	}
	if _, err := people.SignOut(t.Context(), id); err == nil {
		t.Error("it ends twice")
	}

	// The last one ends the grant, and what Slack did not hear of is said again.
	if err := p.box.Inject(sandbox.Fault{Method: "auth.revoke", Error: "internal_error", Times: 20}); err != nil {
		t.Fatal(err)
	}
	if out, err := people.SignOut(t.Context(), alice); err == nil || !strings.Contains(err.Error(), "again") {
		t.Errorf("%+v, %v", out, err)
	}
	if status, _, _ := rpc(t, p.base, second, "", initialize); status != http.StatusUnauthorized {
		t.Errorf("the token that ended: %d", status)
	}
	p.box.ClearFaults()
	if out, err := people.SignOut(t.Context(), alice); err != nil || out.Left != 0 || len(out.Ended) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := people.Show(t.Context(), sandbox.Alice); err == nil {
		t.Error("something is left of a person")
	}
	if status, _, _ := rpc(t, p.base, other, "", initialize); status != http.StatusOK {
		t.Errorf("another person: %d", status)
	}
	trail := p.log.String()
	for _, want := range []string{
		`"event":"operation","outcome":"ok","operation":"people_sign_out","target":"` + alice + `"`, `"outcome":"failed","reason":"error","operation":"people_sign_out"`,
		`"event":"person_signed_out","outcome":"ok","reason":"operator","principal":"` + alice + `","count":1`,
	} {
		if !strings.Contains(trail, want) {
			t.Errorf("the trail lacks %s", want)
		}
	}
}

// refreshed uses a refresh token, and returns the status of the answer.
func refreshed(t *testing.T, base, token, client string) int {
	t.Helper()
	res, err := http.PostForm(base+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {client}})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// openStream opens the stream of a session.
func openStream(t *testing.T, base, token, session string) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Mcp-Session-Id", session)
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res.Body
}

// Where nobody signs in, the commands say so.
func TestNoPeople(t *testing.T) {
	t.Parallel()
	p := startPeopled(t, map[string]string{"SIGN_IN_TEAMS": "", "PUBLIC_URL": "", "SLACK_CLIENT_ID": "", "SLACK_CLIENT_SECRET": "", "IDENTITY_KEYS_FILE": ""})
	people, err := server.OperatePeople(p.operator(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := people.SignOut(t.Context(), sandbox.Alice); err == nil || !strings.Contains(err.Error(), "SIGN_IN_TEAMS") {
		t.Error(err)
	}
	if _, err := server.OperatePeople(struct{}{}); !errors.Is(err, server.ErrNoRunningServer) {
		t.Error(err)
	}
}

// writeKeys writes a file of keys of the given bytes.
func writeKeys(t *testing.T, path string, keys ...byte) {
	t.Helper()
	var text strings.Builder
	for _, b := range keys {
		text.WriteString(base64.StdEncoding.EncodeToString(slices.Repeat([]byte{b}, 32)) + "\n")
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A key is exchanged beside a running server, and then taken out, and nobody is signed out.
func TestKeysAreExchanged(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	vars := map[string]string{"IDENTITY_KEYS_FILE": file, "DATA_DIR": shortDir(t)}
	rotate := func(p peopled, store any) (server.Rotation, error) {
		return server.RotateKeys(t.Context(), store, p.cfg, func(int) {})
	}
	start := func() peopled { return startPeopled(t, vars) }
	writeKeys(t, file, 1)
	p := start()
	token, refresh, client := signIn(t, p.base, sandbox.Alice)
	writeKeys(t, file, 2, 1) // the running server does not know it yet
	if _, err := rotate(p, p.operator(t)); err == nil || !strings.Contains(err.Error(), "restart the server") {
		t.Errorf("beside a server with older keys: %v", err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}

	p = start()
	if status, _, _ := rpc(t, p.base, token, "", initialize); status != http.StatusOK {
		t.Errorf("with both keys: %d", status)
	}
	first, err := rotate(p, p.operator(t))
	if err != nil || first.Sealed == 0 || first.Lost != 0 || len(first.Old) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := rotate(p, p.operator(t)); err != nil || again.Sealed != 0 || again.Fresh != first.Sealed+first.Fresh {
		t.Errorf("%+v, then %+v, %v", first, again, err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}

	writeKeys(t, file, 2)
	p = start()
	if status, _, _ := rpc(t, p.base, token, "", initialize); status != http.StatusOK {
		t.Errorf("without the old key: %d", status)
	}
	if status := refreshed(t, p.base, refresh, client); status != http.StatusOK {
		t.Errorf("a client that registered under the old key: %d", status)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	// A file of other keys opens nothing, and changes nothing.
	writeKeys(t, file, 3)
	store, err := server.OpenOperator(t.Context(), p.cfg, slog.New(slog.DiscardHandler), true)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if r, err := rotate(p, store); err == nil || !strings.Contains(err.Error(), "none of the") {
		t.Errorf("%+v, %v", r, err)
	}
	writeKeys(t, file, 2)
	if r, err := rotate(p, store); err != nil || r.Lost != 0 || r.Fresh == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
