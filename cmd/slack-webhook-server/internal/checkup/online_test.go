package checkup_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/cmd/slack-webhook-server/internal/checkup"
	"slackmcp/config"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/sqlite"
)

// load makes a configuration from variables.
func load(t *testing.T, vars map[string]string) config.Config {
	t.Helper()
	all := map[string]string{
		"SLACK_SIGNING_SECRET": "canary-signing-secret", "SLACK_BOT_TOKEN": sandbox.DefaultBotToken,
		"INTEGRATED": "true", "QUEUE_BACKEND_TYPE": "memory", "DATA_DIR": t.TempDir(), "SLACK_API_URL": "http://127.0.0.1:1/api/",
	}
	maps.Copy(all, vars)
	c, err := config.Load(config.Sources{LookupEnv: func(k string) (string, bool) { v, ok := all[k]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// check runs the online checks and gives them by name.
func check(t *testing.T, vars map[string]string) map[string]checkup.Item {
	t.Helper()
	o := checkup.Online{Config: load(t, vars)}
	items := map[string]checkup.Item{}
	for _, i := range o.Run(t.Context()) {
		if strings.Contains(i.Found+i.Remedy, "canary") {
			t.Errorf("%s shows a secret: %s", i.Name, i.Found)
		}
		items[i.Name] = i
	}
	return items
}

// want compares an item's status, and a part of what it says.
func want(t *testing.T, i checkup.Item, status checkup.Status, part string) {
	t.Helper()
	if i.Status != status || !strings.Contains(i.Found+"; "+i.Remedy, part) {
		t.Errorf("%q: %s, %s; %s: want %s, %q", i.Name, i.Status, i.Found, i.Remedy, status, part)
	}
}

// workspace serves a fake Slack whose tokens have these scopes.
func workspace(t *testing.T, bot, user []string) string {
	t.Helper()
	api, _ := workspaceOf(t, sandbox.Options{BotScopes: bot, UserScopes: user})
	return api
}

// workspaceOf is workspace with its inside.
func workspaceOf(t *testing.T, so sandbox.Options) (api string, box *sandbox.Sandbox) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	so.BaseURL = "http://" + l.Addr().String()
	if box, err = sandbox.New(so); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- box.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return so.BaseURL + "/api/", box
}

func TestScopes(t *testing.T) {
	t.Parallel()
	api := workspace(t, []string{"chat:write", "channels:history"}, []string{"channels:read"})
	chosen := map[string]string{"SLACK_API_URL": api, "TOOLS": "slack_post_message,slack_add_reactions,slack_search_messages"}

	t.Run("a scope that the bot lacks", func(t *testing.T) {
		t.Parallel()
		items := check(t, chosen)
		want(t, items["bot token"], checkup.OK, "scopes chat:write,channels:history")
		want(t, items["tool slack_add_reactions"], checkup.Warning, "hidden: lacks reactions:write; add the scope under OAuth & Permissions")
		if _, hidden := items["tool slack_post_message"]; hidden {
			t.Error("slack_post_message has its scope, and is said to be hidden")
		}
	})
	t.Run("a lockdown that cannot look authors up", func(t *testing.T) {
		t.Parallel()
		vars := maps.Clone(chosen)
		vars["LOCKDOWN"] = "true"
		want(t, check(t, vars)["lockdown"], checkup.Warning, "without users:read")
		if _, warned := check(t, chosen)["lockdown"]; warned {
			t.Error("without LOCKDOWN it is warned of as well")
		}
	})
	t.Run("a user token is listed with what it lacks", func(t *testing.T) {
		t.Parallel()
		vars := maps.Clone(chosen)
		vars["SLACK_USER_TOKEN"] = sandbox.DefaultUserToken
		want(t, check(t, vars)["user token"], checkup.OK, "scopes channels:read")
	})
	t.Run("a user token that Slack refuses", func(t *testing.T) {
		t.Parallel()
		vars := maps.Clone(chosen)
		vars["SLACK_USER_TOKEN"] = "xoxp-canary-unknown"
		want(t, check(t, vars)["user token"], checkup.Failed, "copy its User OAuth Token to SLACK_USER_TOKEN")
	})
	t.Run("a user token alone is held against all tools", func(t *testing.T) {
		t.Parallel()
		vars := map[string]string{
			"SLACK_API_URL": workspace(t, nil, []string{"chat:write", "search:read"}), "SLACK_BOT_TOKEN": "", "SLACK_USER_TOKEN": sandbox.DefaultUserToken,
			"TOOLS": "slack_post_message,slack_add_reactions,slack_search_messages",
		}
		all := map[string]string{"QUEUE_BACKEND_TYPE": "memory", "DATA_DIR": t.TempDir()}
		maps.Copy(all, vars)
		c, err := config.Load(config.Sources{Command: config.CommandMCP, LookupEnv: func(k string) (string, bool) { v, ok := all[k]; return v, ok }})
		if err != nil {
			t.Fatal(err)
		}
		o, items := checkup.Online{Config: c}, map[string]checkup.Item{}
		for _, i := range o.Run(t.Context()) {
			items[i.Name] = i
		}
		want(t, items["user token"], checkup.OK, "scopes chat:write,search:read")
		want(t, items["tools"], checkup.OK, "2 of the 3 chosen are offered")
		want(t, items["tool slack_add_reactions"], checkup.Warning, "hidden: lacks reactions:write of a user token; add the scope under OAuth & Permissions")
		if _, asked := items["bot token"]; asked {
			t.Error("a bot token is spoken of")
		}
	})
	t.Run("without a token nobody is asked", func(t *testing.T) {
		t.Parallel()
		items := check(t, map[string]string{"INTEGRATED": "false", "SLACK_BOT_TOKEN": ""})
		want(t, items["bot token"], checkup.OK, "none is set")
	})
}

func TestAppToken(t *testing.T) {
	t.Parallel()
	api, box := workspaceOf(t, sandbox.Options{SocketMode: true})
	off, _ := workspaceOf(t, sandbox.Options{})
	for name, tc := range map[string]struct {
		vars   map[string]string
		status checkup.Status
		part   string
	}{
		"a good token":        {map[string]string{"SLACK_APP_TOKEN": sandbox.DefaultAppToken, "SOCKET_MODE": "true"}, checkup.OK, "would open a Socket Mode connection; none was opened"},
		"a good one unused":   {map[string]string{"SLACK_APP_TOKEN": sandbox.DefaultAppToken}, checkup.OK, "without --socket-mode the token is not used"},
		"an unknown one":      {map[string]string{"SLACK_APP_TOKEN": "xapp-canary-unknown", "SOCKET_MODE": "true"}, checkup.Failed, "Slack refuses the token (invalid_auth); at api.slack.com/apps, Basic Information, App-Level Tokens"},
		"an unknown unused":   {map[string]string{"SLACK_APP_TOKEN": "xapp-canary-unknown"}, checkup.Warning, "refuses the token"},
		"Socket Mode is off":  {map[string]string{"SLACK_APP_TOKEN": sandbox.DefaultAppToken, "SOCKET_MODE": "true", "SLACK_API_URL": off}, checkup.Failed, "turn Socket Mode on at api.slack.com/apps"},
		"nobody answers":      {map[string]string{"SLACK_APP_TOKEN": sandbox.DefaultAppToken, "SOCKET_MODE": "true", "SLACK_API_URL": "http://127.0.0.1:1/api/"}, checkup.Failed, "out of reach"},
		"without a bot token": {map[string]string{"SLACK_APP_TOKEN": sandbox.DefaultAppToken, "SOCKET_MODE": "true", "INTEGRATED": "false", "SLACK_BOT_TOKEN": "", "SLACK_SIGNING_SECRET": ""}, checkup.OK, "none was opened"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vars := map[string]string{"SLACK_API_URL": api}
			maps.Copy(vars, tc.vars)
			want(t, check(t, vars)["app token"], tc.status, tc.part)
		})
	}
	t.Cleanup(func() {
		if n := box.SocketConnections(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
	})
	items := check(t, map[string]string{"SLACK_API_URL": api, "SLACK_SIGNING_SECRET": "", "SLACK_APP_TOKEN": sandbox.DefaultAppToken, "SOCKET_MODE": "true"})
	want(t, items["public url"], checkup.OK, "come over Socket Mode")
	if _, there := check(t, map[string]string{"SLACK_API_URL": api})["app token"]; there {
		t.Error("a token that is not set is checked")
	}
}

// receiver answers as the function says, at a time that is off.
func receiver(t *testing.T, off time.Duration, answer func(w http.ResponseWriter, challenge string, n int)) string {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		var body struct{ Type, Challenge string }
		if err := json.Unmarshal(raw, &body); err != nil || body.Type != "url_verification" || r.URL.Path != "/slack/events" {
			t.Errorf("%s %s", r.URL.Path, raw)
		}
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		answer(w, body.Challenge, int(n.Add(1)))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// honest is a receiver that knows the first post for genuine and the second for not.
func honest(w http.ResponseWriter, challenge string, n int) {
	if n > 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = io.WriteString(w, challenge)
}

// TestSignIn tries the client id and secret without a person.
func TestSignIn(t *testing.T) {
	t.Parallel()
	api, _ := workspaceOf(t, sandbox.Options{})
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok":true,"authed_user":{"id":"U1","access_token":"xoxp-1","token_type":"user"}}`)
	}))
	t.Cleanup(broken.Close)
	for name, tc := range map[string]struct {
		vars   map[string]string
		status checkup.Status
		part   string
	}{
		"an app that Slack knows":        {nil, checkup.OK, "Slack takes client id and secret; the redirect URL https://slack.example.com/oauth/slack/callback and the user scopes show only when somebody signs in"},
		"another secret":                 {map[string]string{"SLACK_CLIENT_SECRET": "canary-secret"}, checkup.Failed, "refuses SLACK_CLIENT_SECRET"},
		"another app":                    {map[string]string{"SLACK_CLIENT_ID": "1.2"}, checkup.Failed, "knows no app of this SLACK_CLIENT_ID"},
		"nobody answers":                 {map[string]string{"SLACK_API_URL": "http://127.0.0.1:1/api/"}, checkup.Warning, "does not say"},
		"whoever gives everybody tokens": {map[string]string{"SLACK_API_URL": broken.URL + "/api/"}, checkup.Failed, "correct SLACK_API_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vars := map[string]string{
				"SLACK_API_URL": api, "SIGN_IN_TEAMS": sandbox.Team, "PUBLIC_URL": "https://slack.example.com", "IDENTITY_KEYS_FILE": "/nowhere",
				"SLACK_CLIENT_ID": sandbox.DefaultClientID, "SLACK_CLIENT_SECRET": sandbox.DefaultClientSecret, "QUEUE_BACKEND_TYPE": "sqlite",
			}
			maps.Copy(vars, tc.vars)
			o := checkup.Online{Config: load(t, vars), URL: "http://127.0.0.1:1"}
			for _, i := range o.Run(t.Context()) {
				if strings.Contains(i.Found+i.Remedy, "canary") {
					t.Errorf("%s shows a secret: %s", i.Name, i.Found)
				}
				if i.Name == "sign-in" {
					want(t, i, tc.status, tc.part)
					return
				}
			}
			t.Error("signing in was not tried")
		})
	}
	if i, there := check(t, map[string]string{"SLACK_API_URL": api})["sign-in"]; there {
		t.Errorf("nobody signs in: %+v", i)
	}
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter, challenge string, n int)
		item   string
		status checkup.Status
		part   string
	}{
		"the bare challenge is enough": {honest, "public url", checkup.OK, "came back"},
		"a wrong signature is refused": {honest, "wrong signature", checkup.OK, "401"},
		"whoever takes every signature is no receiver": {
			func(w http.ResponseWriter, challenge string, _ int) { _, _ = io.WriteString(w, challenge) },
			"wrong signature", checkup.Failed, "status 200 came back, not 401",
		},
		"a page in the server's place": {
			func(w http.ResponseWriter, _ string, _ int) { _, _ = io.WriteString(w, "<html>") },
			"public url", checkup.Failed, "without the challenge",
		},
		"a redirect is not followed": {
			func(w http.ResponseWriter, _ string, _ int) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(http.StatusFound)
			},
			"public url", checkup.Failed, "status 302",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, check(t, map[string]string{"PUBLIC_URL": receiver(t, 0, tc.answer)})[tc.item], tc.status, tc.part)
		})
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		off    time.Duration
		status checkup.Status
		part   string
	}{
		"the same time":     {0, checkup.OK, "the public address's"},
		"half a minute off": {30 * time.Second, checkup.OK, "behind"},
		"two minutes off":   {-2 * time.Minute, checkup.Warning, "ahead of"},
		"six minutes off":   {6 * time.Minute, checkup.Failed, "set this machine's clock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, check(t, map[string]string{"PUBLIC_URL": receiver(t, tc.off, honest)})["clock"], tc.status, tc.part)
		})
	}
}

// TestRunningServer holds what is made of the health answer of the server that owns
// the store.
func TestRunningServer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code   int
		body   string
		status checkup.Status
		part   string
	}{
		"healthy":         {200, `{"status":"healthy","queue":{"backend":"sqlite","events":7,"groups":[{"waiting":2,"dead_letters":1}]}}`, checkup.OK, "events 7, waiting 2, dead letters 1"},
		"stalled":         {200, `{"status":"healthy","queue":{"groups":[{"name":"g","stalled":true}]}}`, checkup.Warning, "group g is stalled"},
		"degraded":        {503, `{"status":"degraded"}`, checkup.Failed, "degraded"},
		"something else":  {404, `not found`, checkup.Failed, "status 404 is no health answer"},
		"control letters": {200, `{"status":"heal\u001bthy"}`, checkup.Failed, ", healthy;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			owner, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Topic: "slack.events"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = owner.Close() })
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.code)
				_, _ = io.WriteString(w, tc.body)
			}))
			t.Cleanup(s.Close)
			items := check(t, map[string]string{"QUEUE_BACKEND_TYPE": "sqlite", "DATA_DIR": dir, "ADMIN_ADDR": s.Listener.Addr().String()})
			want(t, items["store"], tc.status, tc.part)
		})
	}
}
