package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"slackmcp/slackapi/sandbox"
)

// People are shown the events of their own conversations, and of no other, by one server.
func TestPeopleSeeTheirEvents(t *testing.T) {
	t.Parallel()
	p := startPeopled(t, map[string]string{"SLACK_SIGNING_SECRET": secret, "SIGN_IN_SCOPES": "read,events,write"})
	alice, _, _ := signIn(t, p.base, sandbox.Alice)
	bob, _, _ := signIn(t, p.base, sandbox.Bob)
	for i, channel := range []string{sandbox.Leads, sandbox.General, sandbox.AliceDM} {
		body := fmt.Sprintf(`{"type":"event_callback","team_id":%q,"event_id":"Ev%d","event":{"type":"message","channel":%q,"user":%q,"text":"words-%d","ts":"1.%d"}}`,
			sandbox.Team, i, channel, sandbox.Alice, i, i)
		if status := post(t, p.base, body); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	sees := func(token string) string {
		t.Helper()
		_, session, _ := rpc(t, p.base, token, "", initialize)
		status, _, out := rpc(t, p.base, token, session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slack_list_events","arguments":{}}}`)
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, out)
		}
		found := ""
		for i := range 3 {
			if strings.Contains(out, fmt.Sprint("words-", i)) {
				found += fmt.Sprint(i)
			}
		}
		return found
	}
	if a, b := sees(alice), sees(bob); a != "012" || b != "1" {
		t.Errorf("Alice sees %q, Bob %q", a, b)
	}
	left := fmt.Sprintf(`{"type":"event_callback","team_id":%q,"event_id":"EvLEFT","event":{"type":"member_left_channel","channel":%q,"user":%q,"team":%q}}`,
		sandbox.Team, sandbox.Leads, sandbox.Alice, sandbox.Team)
	if status := post(t, p.base, left); status != http.StatusOK {
		t.Fatal(status)
	}
	if a := sees(alice); a != "12" {
		t.Errorf("after she has left a conversation Alice sees %q", a)
	}
}
