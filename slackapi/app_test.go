package slackapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// tourSignIn calls what an app calls while a person signs in, stays and leaves.
func tourSignIn(t *testing.T, seen *calls) {
	const back = "https://app.example/callback"
	sb, err := sandbox.New(sandbox.Options{RedirectURLs: []string{back}, TokenRotation: true})
	succeed(t, err)
	web := httptest.NewServer(sb.Handler())
	t.Cleanup(web.Close)
	form := url.Values{
		"client_id": {sandbox.DefaultClientID}, "user_scope": {"users:read"}, "redirect_uri": {back}, "user": {sandbox.Bob}, "answer": {"allow"},
	}
	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+"/oauth/v2/authorize", strings.NewReader(form.Encode())))(t)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(req)
	succeed(t, err)
	defer resp.Body.Close()
	code := must(resp.Location())(t).Query().Get("code")

	app := must(slackapi.NewApp(slackapi.AppOptions{
		ClientID: sandbox.DefaultClientID, ClientSecret: sandbox.DefaultClientSecret, URL: web.URL + "/api/", OnCall: seen.add,
	}))(t)
	g := must(app.Exchange(t.Context(), code, back))(t)
	if g.User != sandbox.Bob || g.Team != sandbox.Team || g.EnterpriseInstall || g.Lives != 12*time.Hour || len(g.Scopes) != 1 {
		t.Errorf("exchanged %+v", g)
	}
	if who := must(app.Identify(t.Context(), g.Token))(t); who.UserID != sandbox.Bob || who.BotID != "" || !who.Has("users:read") {
		t.Errorf("identity %+v", who)
	}
	if u := must(app.User(t.Context(), g.Token, sandbox.Bob))(t); u.ID != sandbox.Bob {
		t.Errorf("user %+v", u)
	}
	next := must(app.Refresh(t.Context(), g.Refresh))(t)
	if next.Token == g.Token || next.Refresh == g.Refresh || next.Token == "" || next.Lives != 12*time.Hour {
		t.Error("a refresh gave no new tokens")
	}
	succeed(t, app.Revoke(t.Context(), next.Token))
	succeed(t, app.Revoke(t.Context(), next.Token)) // it has ended already
	succeed(t, app.Revoke(t.Context(), next.Refresh))
	if _, err := app.Refresh(t.Context(), next.Refresh); err == nil || strings.Contains(err.Error(), "xoxe") {
		t.Errorf("a revoked refresh token: %v", err)
	}
}

// TestCodesDoNotHoldRefreshesBack has Slack refuse the exchange of codes for an hour, as for a flood of them.
func TestCodesDoNotHoldRefreshesBack(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("grant_type") == "authorization_code" {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true,"access_token":"xoxe.xoxp-1","token_type":"user","refresh_token":"xoxe-1","expires_in":43200}`))
	}))
	t.Cleanup(web.Close)
	app := must(slackapi.NewApp(slackapi.AppOptions{ClientID: "1.2", ClientSecret: "s", URL: web.URL + "/api/"}))(t)
	if _, err := app.Exchange(t.Context(), "junk", "https://slack.example/"); err == nil {
		t.Fatal("the exchange was answered")
	}
	if _, err := app.Refresh(t.Context(), "xoxe-0"); err != nil {
		t.Errorf("a refresh: %v", err)
	}
}

func TestAppOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]slackapi.AppOptions{
		"no id":              {ClientSecret: "s"},
		"no secret":          {ClientID: "1.2"},
		"a negative timeout": {ClientID: "1.2", ClientSecret: "s", Timeout: -1},
		"in the clear":       {ClientID: "1.2", ClientSecret: "s", URL: "http://slack.example/api/"},
	} {
		if _, err := slackapi.NewApp(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := slackapi.NewApp(slackapi.AppOptions{ClientID: "1.2", ClientSecret: "s", URL: "http://127.0.0.1:1/api/"}); err != nil {
		t.Error(err)
	}
}

func TestGrantHidesItsTokens(t *testing.T) {
	t.Parallel()
	g := slackapi.Grant{User: "U1", Token: "canary-1", Refresh: "canary-2"}
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(form, g); strings.Contains(got, "canary") {
			t.Errorf("%s prints %s", form, got)
		}
	}
}
