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
		{"MAX_CONNECTIONS", "4096", "MAX_CONNECTIONS is 4096, which is too low for MCP_MAX_STREAMS: each stream has a connection, and senders need some too; raise it to at least 4097"},
		{"MCP_MAX_STREAMS", "10001", "raise it to at least 10002, or lower MCP_MAX_STREAMS"},
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
