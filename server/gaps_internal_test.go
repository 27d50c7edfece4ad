package server

import (
	"encoding/json"
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/store/memory"
	"slackmcp/store/state"
	"slackmcp/webhook/gaps"
)

// A person reads when events may have been missed in their workspace, and whether that was filled; how much was found
// and where, of which a part is hidden from them, is the operator's.
func TestGapsOfAPerson(t *testing.T) {
	t.Parallel()
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for id, row := range map[string]string{
		"0000000000001-downtime":             `{"id":"0000000000001-downtime","kind":"downtime","from":"2026-01-01T00:00:00Z","to":"2026-01-01T01:00:00Z","fill":{"done_at":"2026-01-02T00:00:00Z","through":"C0SECRET001","channels":4711,"messages":4712,"stored":4713,"skipped":["C0SECRET002: not_in_channel"]}}`,
		"0000000000002-rate_limited-T0OURS":  `{"id":"0000000000002-rate_limited-T0OURS","kind":"rate_limited","team":"T0OURS","from":"2026-01-01T00:00:00Z","to":"2026-01-01T01:00:00Z"}`,
		"0000000000003-rate_limited-T0OTHER": `{"id":"0000000000003-rate_limited-T0OTHER","kind":"rate_limited","team":"T0OTHER","from":"2026-01-01T00:00:00Z","to":"2026-01-01T01:00:00Z"}`,
	} {
		if _, err := store.State().Put(t.Context(), "gaps/at/"+id, []byte(row), state.Put{}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := gaps.New(gaps.Options{State: store.State()})
	if err != nil {
		t.Fatal(err)
	}
	read := func(p *access.Principal) string {
		t.Helper()
		value, err := (&gapKeeper{ledger: l}).view(access.With(t.Context(), p))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	theirs := read(access.SignedIn(access.SignIn{ID: "s1", Person: access.Person{Host: "slack.com", Team: "T0OURS", User: "U1"}}, access.Events))
	for _, want := range []string{"0000000000001-downtime", `"state":"filled"`, "0000000000002-rate_limited-T0OURS", `"state":"open"`} {
		if !strings.Contains(theirs, want) {
			t.Errorf("a person is not told %s: %s", want, theirs)
		}
	}
	for _, secret := range []string{"SECRET", "471", "T0OTHER"} {
		if strings.Contains(theirs, secret) {
			t.Errorf("a person is told %s: %s", secret, theirs)
		}
	}
	if all := read(&access.Principal{Name: "service", Scopes: []access.Scope{access.Events}}); !strings.Contains(all, "C0SECRET001") || !strings.Contains(all, "T0OTHER") {
		t.Errorf("a service reads %s", all)
	}
}
