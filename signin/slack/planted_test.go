package slack_test

import (
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/signin"
	"slackmcp/slackapi/sandbox"
	"slackmcp/store/state"
)

// TestSwappedGrants puts each of two people's grants in the place of the other's: neither is given a token
// of the other's.
func TestSwappedGrants(t *testing.T) {
	t.Parallel()
	r := newRig(t, true)
	s := r.side(nil)
	alice := access.Person{Host: "slack.com", Team: sandbox.Team, User: sandbox.Alice}
	for _, who := range []access.Person{bob, alice} {
		_, err := s.Finish(t.Context(), r.code(s, who.User, access.Read, access.Write), accept)
		ok(t, err)
		_, err = s.Token(t.Context(), who)
		ok(t, err)
	}
	of := r.rows()
	if len(of) != 2 {
		t.Fatalf("%d rows", len(of))
	}
	for i, e := range of {
		_, err := r.state.Put(t.Context(), e.Key, of[1-i].Value, state.Put{})
		ok(t, err)
	}
	for _, who := range []access.Person{bob, alice} {
		token, err := s.Token(t.Context(), who)
		if token != "" || reason(err) != signin.RefusedGrant {
			t.Errorf("%v is given a token, or is refused for %q", who, reason(err))
		}
		if err != nil && strings.Contains(err.Error(), "xox") {
			t.Error("the error shows a token")
		}
	}
}
