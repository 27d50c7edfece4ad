package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/visibility"
	"slackmcp/server"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/sqlite"
)

// An operator is told why a person sees an event, and nothing of what it says. What is kept of who is a
// member is sealed, and no copy of the store has it.
func TestVisibilityExplain(t *testing.T) {
	t.Parallel()
	p := startPeopled(t, map[string]string{"SLACK_SIGNING_SECRET": secret})
	people, err := server.OperatePeople(p.operator(t))
	if err != nil {
		t.Fatal(err)
	}
	signIn(t, p.base, sandbox.Alice)
	signIn(t, p.base, sandbox.Bob)
	const words = "the-words-of-the-message"
	body := func(id, inner string) string {
		return fmt.Sprintf(`{"type":"event_callback","team_id":%q,"event_id":%q,"event":%s}`, sandbox.Team, id, inner)
	}
	said := fmt.Sprintf(`{"type":"message","channel":%q,"user":%q,"text":%q,"ts":"1.1"}`, sandbox.Leads, sandbox.Alice, words)
	if status := post(t, p.base, body("EvLEADS", said)); status != http.StatusOK {
		t.Fatal(status)
	}
	explained := func(who, want string) (x server.Explained) {
		t.Helper()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if x, err = people.Explain(t.Context(), who, "EvLEADS", ""); err == nil && x.Verdict == want {
				return x
			}
		}
		t.Fatalf("to %s it is %+v, %v", who, x, err)
		return x
	}
	x := explained(sandbox.Alice, "visible")
	if x.Membership != "a member" || x.Kind != "private channel" || x.Conversation != sandbox.Leads || x.Since.IsZero() || x.Type != "message" || strings.Contains(fmt.Sprintf("%+v", x), words) {
		t.Errorf("%+v", x)
	}
	if x := explained(sandbox.Team+"/"+sandbox.Bob, "hidden"); x.Membership != "not a member" {
		t.Errorf("%+v", x)
	}
	if _, err := people.Explain(t.Context(), sandbox.Alice, "EvNONE", ""); err == nil || !strings.Contains(err.Error(), "events list") {
		t.Errorf("an event that there is not: %v", err)
	}
	if _, err := people.Explain(t.Context(), "U0NOBODY", "EvLEADS", ""); err == nil || !strings.Contains(err.Error(), "people list") {
		t.Errorf("a person that there is not: %v", err)
	}
	d, err := people.Show(t.Context(), sandbox.Alice)
	if err != nil || d.Sees == nil || d.Sees.Account != "member" || d.Sees.Visible == 0 {
		t.Errorf("%+v, %v", d.Sees, err)
	}
	if !strings.Contains(p.log.String(), "visibility_explain") {
		t.Error("the audit trail does not say who was asked about")
	}

	// A leave acts with the event.
	left := fmt.Sprintf(`{"type":"member_left_channel","channel":%q,"user":%q,"team":%q}`, sandbox.Leads, sandbox.Alice, sandbox.Team)
	if status := post(t, p.base, body("EvLEFT", left)); status != http.StatusOK {
		t.Fatal(status)
	}
	if x := explained(sandbox.Alice, "hidden"); x.Membership != "has left" {
		t.Errorf("%+v", x)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: p.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	list, err := store.State().List(t.Context(), visibility.Prefix, "", 0)
	if err != nil || len(list) < 2 {
		t.Fatalf("%d rows are kept, %v", len(list), err)
	}
	for _, e := range list {
		if bytes.Contains(e.Value, []byte(sandbox.Alice)) || bytes.Contains(e.Value, []byte("epoch")) {
			t.Errorf("%s is not sealed", e.Key)
		}
	}
}

// Where nobody signs in, nothing judges and Slack is asked nothing for it.
func TestNoJudge(t *testing.T) {
	t.Parallel()
	p := startPeopled(t, map[string]string{"SIGN_IN_TEAMS": "", "IDENTITY_KEYS_FILE": "", "SLACK_CLIENT_ID": "", "SLACK_CLIENT_SECRET": ""})
	people, err := server.OperatePeople(p.operator(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := people.Explain(t.Context(), sandbox.Alice, "Ev1", ""); err == nil || !strings.Contains(err.Error(), "SIGN_IN_TEAMS") {
		t.Errorf("%v", err)
	}
	if _, metrics := get(t, p.base+"/metrics", ""); strings.Contains(metrics, "users.conversations") || strings.Contains(metrics, "visibility_conversations ") {
		t.Error("it asks Slack, or counts")
	}
}
