package config_test

import (
	"strings"
	"testing"

	"slackmcp/config"
)

// TestBoundsThatDoNotFitAreSaid warns of a bound that another one keeps from being reached, and not by default.
func TestBoundsThatDoNotFitAreSaid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, value, want string }{
		{"MCP_MAX_STREAMS", "4096", ""},
		{"MAX_CONNECTIONS", "4096", "MAX_CONNECTIONS is 4096, which is too low for MCP_MAX_STREAMS and MCP_MAX_CALLS: each stream has a connection, over HTTP/1.1 each request too, and of all connections five eighths at most are those of assistants; raise it to at least 8192, or lower"},
		{"MCP_MAX_STREAMS", "4097", "raise it to at least 8194, or lower MCP_MAX_STREAMS and MCP_MAX_CALLS"},
		{"MCP_MAX_SESSIONS", "4095", "MCP_MAX_SESSIONS is 4095, which is too low for MCP_MAX_STREAMS"},
		{"MCP_MAX_CALLS", "199", "MCP_MAX_CALLS is 199, which is too low for MCP_MAX_WAITS"},
	} {
		cfg := load(t, config.Sources{LookupEnv: env(map[string]string{"SLACK_SIGNING_SECRET": "s", "INTEGRATED": "y", "SLACK_BOT_TOKEN": "xoxb-sandbox-1", c.key: c.value})})
		said := strings.Join(cfg.Warnings, "\n")
		if c.want == "" && strings.Contains(said, "too low") || !strings.Contains(said, c.want) {
			t.Errorf("%s=%s: the warnings are %q, want %q", c.key, c.value, said, c.want)
		}
	}
}
