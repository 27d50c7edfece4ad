package main

import (
	"testing"
	"time"

	"slackmcp/mcp/visibility"
	"slackmcp/server"
)

// An explanation is readable at a terminal, and what Slack sent cannot steer it.
func TestExplained(t *testing.T) {
	t.Parallel()
	now := time.Now()
	x := server.Explained{Source: "slack", EventID: "Ev1\x1b[2J", Type: "message", Explanation: visibility.Explanation{
		Person: "T1/U1", Verdict: "hidden", Why: "the person has left", Conversation: "C1", Kind: "private channel", Shared: true,
		Typed: now.Add(-3 * time.Minute), Membership: "has left", Since: now.Add(-90 * time.Second),
	}}
	const want = `hidden to T1/U1: the person has left.
  event         Ev1[2J of slack, message
  conversation  C1
  kind          private channel that is shared with other organizations, said 3m0s ago
  membership    has left, said 1m30s ago`
	if got := explained(x, now); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
