package transport_test

import (
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"slackmcp/mcp/access"
	"slackmcp/mcp/transport"
	mcpclients "slackmcp/test/mcp-clients"
)

var (
	sdkRuns   = flag.Int("sdk.runs", 1, "how often each SDK client runs, in a row")
	sdkEvents = flag.Int("sdk.events", 20, "how many events an SDK client follows")
)

const sdkToken = "a-token-for-the-sdk-clients"

// sdkFixture is a server that looks enough like the product for the scripts: it wants a
// token, and each POST to the trigger is an event in channel C1.
func sdkFixture(t *testing.T) (f *fixture, trigger string) {
	t.Helper()
	tokens, err := access.NewTokens(access.Token{Name: "sdk", Secret: sdkToken, Scopes: []access.Scope{access.Events}})
	if err != nil {
		t.Fatal(err)
	}
	require, err := access.Require(access.RequireOptions{Authenticator: tokens})
	if err != nil {
		t.Fatal(err)
	}
	f = newFixture(t, transport.Options{Authenticate: require, Default: transport.StreamableHTTP})
	f.mcp.AddTool(mcp.NewTool("slack_list_events", mcp.WithDescription("lists events")),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText("[]"), nil
		})
	f.mcp.AddResourceTemplate(mcp.NewResourceTemplate("slack://channels/{channel}/events", "channel_events"),
		func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: r.Params.URI, Text: "[]"}}, nil
		})
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		f.Notify("slack://events", "slack://channels/C1/events")
	}))
	t.Cleanup(hook.Close)
	return f, hook.URL
}

// TestSDKClients lets the official clients follow a channel under the noise of other
// callers: every event 100 ms apart is one update, in each era.
func TestSDKClients(t *testing.T) {
	t.Parallel()
	mcpclients.Install(t, mcpclients.Dir())
	for _, tc := range []struct{ name, script, path string }{
		{"1.x over streamable HTTP", "sdk.mjs", "/mcp"},
		{"1.x over SSE", "sdk.mjs", "/mcp/sse"},
		{"1.x at the bare address", "sdk.mjs", "/"},
		{"2.x in 2026-07-28", "client.mjs", "/mcp"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, trigger := sdkFixture(t)
			for range *sdkRuns {
				mcpclients.Run(t, nil, tc.script, f.base+tc.path, "--trigger", trigger, "--n", strconv.Itoa(*sdkEvents), "--noise", "3", "--token", sdkToken)
			}
		})
	}
}
