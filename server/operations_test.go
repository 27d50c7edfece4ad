package server

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/mcp/toolset"
	"slackmcp/server/audit"
	"slackmcp/server/metrics"
)

// TestOperationsAreAudited tells the server of what operators did by the socket and by
// tools; what only looked is no operation.
func TestOperationsAreAudited(t *testing.T) {
	var trail bytes.Buffer
	l, err := audit.New(audit.Options{Writer: &trail})
	if err != nil {
		t.Fatal(err)
	}
	s := &hooks{metrics: metrics.New(metrics.Options{}), audit: l}
	s.operated(t.Context(), "drop", "handlers", nil)
	s.operated(t.Context(), "redrive", "handlers", errors.New("canary"))
	s.toolCalled(t.Context(), toolset.Outcome{Tool: "slack_admin_list_groups", Principal: "token:ops", Scope: access.Admin, ReadOnly: true})
	s.toolCalled(t.Context(), toolset.Outcome{Tool: "slack_admin_drop_dead_letters", Principal: "token:ops", Scope: access.Admin})
	s.toolCalled(t.Context(), toolset.Outcome{Tool: "slack_post_message", Principal: "token:ops", Scope: access.Write})
	var got []string
	for line := range strings.Lines(trail.String()) {
		_, rest, _ := strings.Cut(line, `"event":`)
		got = append(got, strings.TrimSpace(rest))
	}
	want := []string{
		`"operation","outcome":"ok","operation":"drop","target":"handlers"}`,
		`"operation","outcome":"failed","reason":"error","operation":"redrive","target":"handlers"}`,
		`"operation","outcome":"ok","principal":"token:ops","operation":"slack_admin_drop_dead_letters"}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("recorded\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
