package transport_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
	"slackmcp/store/state"
)

// TestAPrincipalNeverTravels leaves messages for an SSE session in the shared values, as somebody can
// who may write to the store: they run as the caller of the session's stream or not at all, and with
// no scope that this caller does not have.
func TestAPrincipalNeverTravels(t *testing.T) {
	t.Parallel()
	tokens, err := access.NewTokens(access.Token{Name: "ann", Secret: "the-token-of-ann", Scopes: []access.Scope{access.Read, access.Events}})
	if err != nil {
		t.Fatal(err)
	}
	require, err := access.Require(access.RequireOptions{Authenticator: tokens})
	if err != nil {
		t.Fatal(err)
	}
	shared := newState(t)
	f := newFixture(t, transport.Options{Shared: shared, Authenticate: require})
	c := f.sseAs(t, "the-token-of-ann")
	owner, err := shared.Get(t.Context(), "mcp/owners/"+c.id())
	if err != nil {
		t.Fatal(err)
	}
	leave := func(id int, who map[string]any) {
		t.Helper()
		who["session"], who["message"] = c.id(), []byte(encodeRequest(t, id, "tools/call", tool("whoami", nil)))
		parcel, err := json.Marshal(who)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shared.Put(t.Context(), "mcp/inbox/"+string(owner.Value)+fmt.Sprint("/planted", id), parcel, state.Put{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, who := range map[string]map[string]any{
		"a principal": {"principal": map[string]any{"Name": "token:ann", "Scopes": []string{"admin"}}},
		"nobody":      {},
		"somebody":    {"from": "token:bob", "scopes": []string{"events"}},
	} {
		leave(1, who)
		leave(2, map[string]any{"from": "token:ann", "scopes": []string{"events", "admin"}})
		if m, _ := c.next(t); string(m.ID) != "2" || !strings.Contains(string(m.Result), `"token:ann [events]"`) {
			t.Errorf("%s: id %s, %s", name, m.ID, m.Result)
		}
	}
}
