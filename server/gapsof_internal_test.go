package server

import (
	"slices"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/webhook/gaps"
)

// TestGapsOfAWorkspace: a person is told of the gaps of their workspace and of those that may be of any; one whose
// workspace is not known is told of the latter alone.
func TestGapsOfAWorkspace(t *testing.T) {
	t.Parallel()
	list := []gaps.Gap{{ID: "any"}, {ID: "one", Team: "T1"}, {ID: "two", Team: "T2"}}
	for team, want := range map[string][]string{"T1": {"any", "one"}, "": {"any"}} {
		var told []string
		for _, g := range gapsOf(access.Person{Team: team}, list).Gaps {
			told = append(told, g.ID)
		}
		if !slices.Equal(told, want) {
			t.Errorf("a person of %q is told of %v, want %v", team, told, want)
		}
	}
}
