package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	mcpclients "slackmcp/test/mcp-clients"
)

// TestEventsClients lets the clients of npm use the events extension of the shipped
// binary: a list, a poll whose cursor outlives the server, a stream; and subscriptions by
// webhook, verified by the client's own library.
func TestEventsClients(t *testing.T) {
	secrets := []string{"SLACK_SIGNING_SECRET=" + signingSecret}
	t.Run("polls and a stream, over a restart", func(t *testing.T) {
		o := options{data: t.TempDir(), port: freePort(t)}
		p := integrated(t, o)
		args := []string{p.url + "/mcp", "--trigger", p.url + "/slack/events", "--token", authToken}
		_, cursor, ok := strings.Cut(mcpclients.Run(t, secrets, "events.mjs", args...), "CURSOR ")
		if !ok {
			t.Fatal("the script ended without a cursor")
		}
		var expect []string
		for i := range 3 {
			id := fmt.Sprintf("EvBETWEEN%d", i)
			if status, answer := p.post(message(id, "C1", "while no client polls")); status != 200 {
				t.Fatal(status, answer)
			}
			expect = append(expect, id)
		}
		p.stop()
		integrated(t, o)
		mcpclients.Run(t, secrets, "events.mjs", append(args, "--cursor", strings.TrimSpace(cursor), "--expect", strings.Join(expect, ","))...)
	})
	t.Run("webhooks", func(t *testing.T) {
		p := pushing(t, options{})
		mcpclients.Run(t, secrets, "webhook.mjs", p.url+"/mcp", "--trigger", p.url+"/slack/events", "--token", authToken)
	})
}
