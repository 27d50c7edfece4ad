package browser

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"slackmcp/slackapi/sandbox"
)

// signIn signs a person in as a client and a browser do it, and returns the client's token.
func signIn(t *testing.T, s *server, user string) string {
	t.Helper()
	codes := make(chan string, 1)
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := r.URL.Query().Get("code"); code != "" {
			codes <- code
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!DOCTYPE html><html lang="en"><title>client</title><link rel="icon" href="data:,"><main>Signed in</main>`))
	}))
	defer client.Close()
	redirect := client.URL + "/callback"
	var registered struct {
		ID string `json:"client_id"`
	}
	exchange(t, s.Base+"/register", "application/json", `{"client_name":"A client","redirect_uris":["`+redirect+`"]}`, &registered)
	const verifier = "a-verifier-of-more-than-forty-three-characters-0123456789"
	sum := sha256.Sum256([]byte(verifier))
	b := open(t, s.Base+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {registered.ID}, "redirect_uri": {redirect}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "resource": {s.Base + "/mcp"},
	}.Encode())
	b.do(chromedp.Click(chromedp.CSS(`button[value="allow"]`)))
	b.sees("h1", "asks to act for you")
	b.everywhere("the page of signing in")
	b.do(chromedp.SetValue(chromedp.CSS("select"), user), chromedp.Click(chromedp.CSS(`button[value="allow"]`)), chromedp.WaitVisible(chromedp.CSS(`button[value="continue"]`)),
		chromedp.Click(chromedp.CSS(`button[value="continue"]`)))
	b.sees("main", "Signed in")
	var given struct {
		Token string `json:"access_token"`
	}
	exchange(t, s.Base+"/token", "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {registered.ID}, "redirect_uri": {redirect}, "code": {<-codes}, "code_verifier": {verifier},
	}.Encode(), &given)
	return given.Token
}

// exchange posts a body and reads the answer's JSON.
func exchange(t *testing.T, to, media, body string, into any) {
	t.Helper()
	res, err := http.Post(to, media, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s: %d, %v", to, res.StatusCode, err)
	}
}

// TestTwoPeopleSignIn: each assistant acts as its own person, and the workspace shows as whom.
func TestTwoPeopleSignIn(t *testing.T) {
	s := start(t, []string{"SIGN_IN_TEAMS=" + sandbox.Team, "PUBLIC_URL=http://127.0.0.1:{port}"}, "--sandbox")
	alice, bob := signIn(t, s, sandbox.Alice), signIn(t, s, sandbox.Bob)
	b := open(t, s.workspace+"/?as="+sandbox.Carla+"&in="+sandbox.General)
	s.callAs(t, alice, "slack_post_message", map[string]any{"channel": "#general", "text": "from Alice's assistant"})
	s.callAs(t, bob, "slack_post_message", map[string]any{"channel": "#general", "text": "from Bob's assistant"})
	b.sees("#log", "from Alice's assistant")
	b.sees("#log", "from Bob's assistant")
	for _, name := range []string{"Alice Nguyen", "Bob Okafor"} {
		b.sees("#calls .grants", name)
		b.sees("#log .message:has(.badge.app)", name)
	}
	b.picture("workspace-people")
	b.everywhere("the workspace with people")
	b.presses(`@id="calls"`, "Take it back")
	b.sees("#sent", "tokens_revoked")
}
