package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"slackmcp/signin"
	"slackmcp/slackapi/sandbox"
)

// tool calls a tool as the person in a session of its own, and returns its result's text.
func (s signedInPerson) tool(t testing.TB, base, public, name, arguments string) (string, error) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, name, arguments)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/mcp", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Host = strings.TrimPrefix(public, "http://")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+s.access)
	if s.session != "" {
		req.Header.Set("Mcp-Session-Id", s.session)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d, %s, %w", res.StatusCode, b, err)
	}
	text := string(b)
	if _, data, ok := strings.Cut(text, "data: "); ok {
		text, _, _ = strings.Cut(data, "\n")
	}
	var answer struct {
		Error  json.RawMessage
		Result struct {
			IsError bool
			Content []struct{ Text string }
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Error != nil || answer.Result.IsError || len(answer.Result.Content) == 0 {
		return "", fmt.Errorf("%s, %w", text, err)
	}
	return answer.Result.Content[0].Text, nil
}

// TestReplicasRefreshOneGrant: a person's token of Slack is near its end when their clients call three
// servers at once. One of them refreshes it, once; every call is served, and nobody is signed out.
func TestReplicasRefreshOneGrant(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"redis", "nats"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			public := "http://127.0.0.1:" + port
			slack := startSlackOfPeople(t, sandbox.Options{RedirectURLs: []string{public + signin.CallbackPath}, SigningSecret: signingSecret})
			slack.changes(func(refresh bool, reply map[string]any) bool {
				if who, ok := reply["authed_user"].(map[string]any); ok && !refresh && who["expires_in"] != nil {
					who["expires_in"] = 60 * 60 // of twelve hours: servers refresh when less than ninety minutes are left
				}
				return true
			})
			env := append(slack.peopleEnv(t, public), backendEnv(t, backend)...)
			replicas := []*process{start(t, options{port: port, env: slices.Clone(env)})}
			for range 2 {
				replicas = append(replicas, start(t, options{env: slices.Clone(env)}))
			}
			var clients []signedInPerson
			for range 2 {
				clients = append(clients, enterPerson(t, public, sandbox.Bob))
			}
			for i := range clients {
				clients[i].session = clients[i].open(t, public, public)
			}
			var all sync.WaitGroup
			for i := range 24 {
				who, at := clients[i%len(clients)], replicas[i%len(replicas)]
				all.Go(func() {
					if _, err := who.tool(t, at.url, public, "slack_get_user_profiles", `{"users":["`+sandbox.Alice+`"]}`); err != nil {
						t.Errorf("call %d: %v", i, err)
					}
				})
			}
			all.Wait()
			if n := slack.refreshes(); n != 1 {
				t.Errorf("the grant was refreshed %d times", n)
			}
			for i, who := range clients {
				if next, err := who.refreshed(public); err != nil || next.call(t, replicas[2].url, public) != http.StatusOK {
					t.Errorf("client %d is signed out: %v", i, err)
				}
			}
		})
	}
}

// TestPeopleSignOut: a person sees and ends what they have signed in with on their own page, and an operator
// by the commands.
func TestPeopleSignOut(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	public := "http://127.0.0.1:" + port
	slack := startSlackOfPeople(t, sandbox.Options{RedirectURLs: []string{public + signin.CallbackPath}, SigningSecret: signingSecret})
	var last sync.Map // the newest token of each person
	slack.changes(func(_ bool, reply map[string]any) bool {
		if who, ok := reply["authed_user"].(map[string]any); ok {
			last.Store(fmt.Sprint(who["id"]), fmt.Sprint(who["access_token"]))
		}
		return true
	})
	at := place{data: shortDir(t)}
	start(t, options{port: port, data: at.data, env: append(slack.peopleEnv(t, public), "QUEUE_BACKEND_TYPE=sqlite")})
	bob, alice := enterPerson(t, public, sandbox.Bob), enterPerson(t, public, sandbox.Alice)

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &way{base: public, c: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	body, _ := w.do(http.MethodGet, public+"/sign-ins", "", "")
	_, to := w.post(public+"/sign-ins/slack", url.Values{"t": {w.form(body)}})
	atSlack := to.Query()
	atSlack.Set("user", sandbox.Bob)
	atSlack.Set("answer", "allow")
	to.RawQuery = ""
	_, to = w.post(to.String(), atSlack)
	body, _ = w.do(http.MethodGet, to.String(), "", "")
	if id := strings.Split(bob.access, ".")[1]; strings.Count(body, id) != 1 || strings.Contains(body, strings.Split(alice.access, ".")[1]) {
		t.Errorf("the page shows %s", body)
	}
	body, _ = w.post(public+"/sign-ins/end", url.Values{"t": {w.form(body)}, "end": {"all"}})
	if w.err != nil || !strings.Contains(body, "No program") {
		t.Fatalf("%s, %v", body, w.err)
	}
	if status := bob.call(t, public, public); status != http.StatusUnauthorized {
		t.Errorf("what the person has ended: %d", status)
	}

	var listed struct {
		People []struct {
			Person  string
			SignIns int `json:"sign_ins"`
		}
	}
	if err := json.Unmarshal([]byte(at.do(t, "people", "list", "-o", "json")), &listed); err != nil || len(listed.People) != 1 || listed.People[0].Person != sandbox.Team+"/"+sandbox.Alice {
		t.Fatalf("%+v, %v", listed, err)
	}
	if table := at.do(t, "people", "list", "-o", "table"); !strings.Contains(table, "PERSON") || !strings.Contains(table, sandbox.Alice) {
		t.Error(table)
	}
	shown := at.do(t, "people", "show", sandbox.Alice, "-o", "json")
	for part := range strings.SplitSeq(alice.access+"."+alice.refresh, ".") {
		if len(part) > 44 && strings.Contains(shown, part) {
			t.Errorf("a token is shown: %s", shown)
		}
	}
	if !strings.Contains(shown, `"users:read"`) || strings.Contains(shown, "xoxe") {
		t.Error(shown)
	}
	if _, stderr, code := at.try(t, "people", "sign-out", sandbox.Alice); code != 2 || !strings.Contains(stderr, "--yes") {
		t.Errorf("without a person to ask: %d, %s", code, stderr)
	}
	if _, stderr, code := at.try(t, "people", "sign-out", "U0NOBODY", "--yes"); code != 1 || !strings.Contains(stderr, "people list") {
		t.Errorf("nobody: %d, %s", code, stderr)
	}
	at.do(t, "people", "sign-out", sandbox.Alice, "--yes")
	if status := alice.call(t, public, public); status != http.StatusUnauthorized {
		t.Errorf("what the operator has ended: %d", status)
	}
	if out := at.do(t, "people", "list", "-o", "table"); !strings.Contains(out, "Nobody has signed in.") {
		t.Error(out)
	}
	had := 0
	for user, token := range last.Range {
		had++
		res, err := http.PostForm(slack.url+"/api/auth.test", url.Values{"token": {token.(string)}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || !strings.Contains(string(b), `"token_revoked"`) {
			t.Errorf("what %s allowed at Slack goes on: %s, %v", user, b, err)
		}
	}
	if had != 2 {
		t.Errorf("%d people had tokens", had)
	}
}
