package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"slackmcp/server"
	"slackmcp/slackapi/sandbox"
)

// call calls a tool in a session of a token's, and returns the result as it came.
func (s *signedSlack) call(token, tool, args string) string {
	s.t.Helper()
	status, session, body := rpc(s.t, s.base, token, "", initialize)
	if status != http.StatusOK {
		s.t.Fatalf("%d, %s", status, body)
	}
	_, _, body = rpc(s.t, s.base, token, session, fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, args))
	return body
}

// newest is the newest message of a channel.
func (s *signedSlack) newest(channel string) (user, text string) {
	s.t.Helper()
	res, err := http.PostForm(s.web.URL+"/api/conversations.history", url.Values{"token": {sandbox.DefaultBotToken}, "channel": {channel}, "limit": {"1"}})
	s.ok(err)
	defer res.Body.Close()
	var page struct {
		Messages []struct{ User, Text string }
	}
	s.ok(json.NewDecoder(res.Body).Decode(&page))
	if len(page.Messages) != 1 {
		s.t.Fatalf("%d messages", len(page.Messages))
	}
	return page.Messages[0].User, page.Messages[0].Text
}

// TestToolsActAsThePerson has two people write by the same tool, and one of them take back at Slack what
// they allowed: nothing is ever done with the bot's token in their place, and they are signed out.
func TestToolsActAsThePerson(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	s.ok(s.start(nil))
	bob, _, _ := signIn(t, s.base, sandbox.Bob)
	alice, _, _ := signIn(t, s.base, sandbox.Alice)
	asked := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for call, times := range s.seen {
			if strings.HasPrefix(call, "users.info ") {
				n += times
			}
		}
		return n
	}
	before := asked()
	for _, c := range []struct{ token, user, text string }{{bob, sandbox.Bob, "of bob"}, {alice, sandbox.Alice, "of alice"}} {
		if body := s.call(c.token, "slack_post_message", `{"channel":"#general","text":"`+c.text+`"}`); strings.Contains(body, `"isError":true`) {
			t.Fatal(body)
		}
		if user, text := s.newest(sandbox.General); user != c.user || text != c.text {
			t.Errorf("%s posted %q, want %s", user, text, c.user)
		}
	}
	if n := asked() - before; n != 0 {
		t.Errorf("Slack was asked %d times who people are that have just signed in", n)
	}
	if n := s.calls("chat.postMessage", sandbox.DefaultBotToken); n != 0 {
		t.Errorf("%d posts with the bot's token", n)
	}
	s.ok(s.box.RevokeGrant("bob")) // no event tells of it
	body := s.call(bob, "slack_post_message", `{"channel":"#general","text":"after"}`)
	if !strings.Contains(body, `"isError":true`) || !strings.Contains(body, "sign_in_again") {
		t.Errorf("without a grant: %s", body)
	}
	s.ends("bob", bob)
	if user, text := s.newest(sandbox.General); user != sandbox.Alice || s.calls("chat.postMessage", sandbox.DefaultBotToken) != 0 {
		t.Errorf("%s posted %q", user, text)
	}
	if !s.signedIn(alice) {
		t.Error("somebody else was signed out")
	}
}

// TestTheSandboxSaysHowToSignIn starts a sandbox with people who sign in, and without.
func TestTheSandboxSaysHowToSignIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ teams, want string }{
		"off": {"", "SIGN_IN_TEAMS=" + sandbox.Team},
		"on":  {sandbox.Team, "Be Alice Nguyen in one and Bob Okafor in the other"},
	} {
		var out notebook
		s, err := server.New(t.Context(), server.Options{
			Config: load(t, map[string]string{"SANDBOX": "true", "SIGN_IN_TEAMS": c.teams, "PUBLIC_URL": "http://127.0.0.1:3000"}), Out: &out,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, stop := run(t, s)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

var toolOfPeople = regexp.MustCompile(`(?m)^\| \[([a-z_]+)\]\(.*\| person`)

// TestPeopleAreAskedForEnough wants every tool for people to be there for who has allowed at Slack what
// they are asked for.
func TestPeopleAreAskedForEnough(t *testing.T) {
	t.Parallel()
	s := newSignedSlack(t)
	s.ok(s.start(map[string]string{"TOOLSETS": "all", "SIGN_IN_SCOPES": "read,events,write"}))
	bob, _, _ := signIn(t, s.base, sandbox.Bob)
	_, session, _ := rpc(t, s.base, bob, "", initialize)
	_, _, list := rpc(t, s.base, bob, session, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	table, err := os.ReadFile("../docs/tools.md")
	s.ok(err)
	all := toolOfPeople.FindAllStringSubmatch(string(table), -1)
	if len(all) < 30 {
		t.Fatalf("only %d tools for people in the table", len(all))
	}
	for _, tool := range all {
		if !strings.Contains(list, `"name":"`+tool[1]+`"`) {
			t.Errorf("%s is not there: what people are asked for lacks a scope that it needs", tool[1])
		}
	}
}
