package main

import (
	"testing"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/visibility"
	"slackmcp/server"
	"slackmcp/signin/rows"
	"slackmcp/signin/slack"
)

// A person is readable at a terminal, and what a program calls itself cannot steer it.
func TestShown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	d := server.PersonDetail{
		Person: server.Person{Person: "T1/U1", Name: "ann\x1b[2J", Workspace: "Works"},
		List: []rows.Info{{
			ID: "abc", ClientName: "Code\nadmin", Host: "agents.example.com", Scopes: []access.Scope{access.Read, access.Events},
			Used: now.Add(-90 * time.Second), Until: now.Add(24 * time.Hour),
		}},
		Grant: &slack.Info{Scopes: []string{"users:read", "im:read"}, Checked: now.Add(-3 * time.Hour)},
		Sees:  &visibility.Known{Account: "guest", Asked: now.Add(-2 * time.Minute), Visible: 8, Hidden: 3, Unknown: 1},
	}
	const want = `T1/U1, ann[2J of Works
  account  a guest, said 2m0s ago
  sees     8 conversations of those that the app knows; hidden: 3, not known yet: 1
  sign-in  abc: Code admin, agents.example.com; read, events; used 1m30s ago, ends 2026-12-02
  at Slack checked 3h0m ago; users:read, im:read`
	if got := shown(d, now); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
