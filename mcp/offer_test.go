package mcp_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp"
	"slackmcp/mcp/toolset"
)

func TestOffer(t *testing.T) {
	t.Parallel()
	some := toolset.Choice{Tools: []string{"slack_post_message", "slack_add_reactions"}}
	got, err := mcp.Offer(some, true, true, toolset.Grant{Known: true, Bot: []string{"chat:write"}})
	want := []mcp.Offered{
		{Toolset: "messages", Tool: "slack_post_message"},
		{Toolset: "reactions", Tool: "slack_add_reactions", Missing: []string{"reactions:write"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := mcp.Offer(some, false, true, toolset.Grant{}); err == nil {
		t.Error("a server without Slack offers Slack's tools")
	}
	all, err := mcp.Offer(toolset.Choice{Toolsets: []string{toolset.All}}, true, false, toolset.Grant{})
	if err != nil || len(all) == 0 || slices.ContainsFunc(all, func(o mcp.Offered) bool { return o.Toolset == "events" }) {
		t.Errorf("a server without events offers %v, %v", all, err)
	}
}
