package e2e_test

import (
	"strconv"
	"testing"

	mcpclients "slackmcp/test/mcp-clients"
)

// TestOfficialClients lets the official SDKs follow a channel of the shipped binary while
// others call it: each of the events, 100 ms apart and posted to the webhook as Slack
// does, is one notification, in each era; unsubscribed, it is none. SDK_RUNS and
// SDK_EVENTS make it longer.
func TestOfficialClients(t *testing.T) {
	t.Parallel()
	runs, events := number(t, "SDK_RUNS", 1), number(t, "SDK_EVENTS", 60)
	mcpclients.Install(t, mcpclients.Dir())
	for _, tc := range []struct{ name, script, path, transport string }{
		{"1.x over SSE", "sdk.mjs", "/mcp/sse", "sse"},
		{"1.x over SSE, the seeds' mount", "sdk.mjs", "/mcp", "sse"},
		{"1.x over streamable HTTP", "sdk.mjs", "/mcp", "streamable-http"},
		{"1.x over streamable HTTP at the bare address", "sdk.mjs", "/", "streamable-http"},
		{"2.x in 2026-07-28", "client.mjs", "/mcp", "streamable-http"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := integrated(t, options{args: []string{"--mcp-transport", tc.transport}})
			args := []string{p.url + tc.path, "--trigger", p.url + "/slack/events", "--n", strconv.Itoa(events), "--noise", "3", "--token", authToken}
			if tc.name == "1.x over SSE, the seeds' mount" {
				args = append(args, "--transport", "sse")
			}
			for range runs {
				mcpclients.Run(t, []string{"SLACK_SIGNING_SECRET=" + signingSecret}, tc.script, args...)
			}
		})
	}
}
