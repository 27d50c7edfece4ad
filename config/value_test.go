package config_test

import (
	"log/slog"
	"testing"

	"slackmcp/config"
)

// values are how people write them, and how they are shown; an empty want is a refusal.
var values = []struct{ key, raw, want string }{
	{"REQUIRE_HTTPS", "Yes", "true"},
	{"REQUIRE_HTTPS", "on", "true"},
	{"REQUIRE_HTTPS", "0", "false"},
	{"REQUIRE_HTTPS", "maybe", ""},
	{"PORT", "8080", "8080"},
	{"PORT", " 8080 ", "8080"},
	{"PORT", "0", "0"},
	{"PORT", "65536", ""},
	{"PORT", "-1", ""},
	{"PORT", "80a", ""},
	{"RETENTION_COUNT", "1_000", "1000"},
	{"RETENTION_COUNT", "2,500,000", "2500000"},
	{"RETENTION_COUNT", "2,5", ""},
	{"RETENTION_COUNT", "1234,567", ""},
	{"RETENTION_COUNT", "0", ""},
	{"TIMESTAMP_TOLERANCE", "300", "5m"},
	{"TIMESTAMP_TOLERANCE", "90s", "1m30s"},
	{"TIMESTAMP_TOLERANCE", "0", ""},
	{"TIMESTAMP_TOLERANCE", "-5m", ""},
	{"TIMESTAMP_TOLERANCE", "99999999999999999999", ""},
	{"RETENTION_AGE", "30d", "30d"},
	{"RETENTION_AGE", "2w", "14d"},
	{"RETENTION_AGE", "1w 1d", "8d"},
	{"RETENTION_AGE", "1d12h", "36h"},
	{"RETENTION_AGE", "720H", "30d"},
	{"RETENTION_AGE", "1d-1h", ""},
	{"RETENTION_AGE", "99999999999w", ""},
	{"RETENTION_AGE", "d", ""},
	{"DRAIN_TIMEOUT", "0", "0s"},
	{"MAX_BODY_BYTES", "65536", "64KiB"},
	{"MAX_BODY_BYTES", "2MiB", "2MiB"},
	{"MAX_BODY_BYTES", "2 mb", "2000000B"},
	{"MAX_BODY_BYTES", "1.5M", "1536KiB"},
	{"MAX_BODY_BYTES", "0", ""},
	{"MAX_BODY_BYTES", "2048.5", ""},
	{"MAX_BODY_BYTES", "1TiB", ""},
	{"MAX_BODY_BYTES", "NaN", ""},
	{"LOG_LEVEL", "WARNING", "warn"},
	{"LOG_LEVEL", "Critical", "critical"},
	{"LOG_LEVEL", "verbose", ""},
	{"LOG_FORMAT", "JSON", "json"},
	{"LOG_FORMAT", "%(message)s", ""},
	{"TOOLSETS", "messages, events  users,events", "messages,events,users"},
	{"LOCKDOWN", "yes", "true"},
	{"LOCKDOWN", "off", "false"},
	{"LOCKDOWN", "Members", "members"},
	{"LOCKDOWN", "guests", ""},
	{"LOCKDOWN_APPS", "A0123456789 A0123456780", "A0123456789,A0123456780"},
	{"LOCKDOWN_APPS", "B0123456789", ""},
	{"LOCKDOWN_APPS", "github", ""},
	{"TRUSTED_PROXIES", "10.1.2.3/8, 192.0.2.7 ::1", "10.0.0.0/8,192.0.2.7/32,::1/128"},
	{"TRUSTED_PROXIES", "proxy.example", ""},
	{"PUBLIC_URL", "https://a.example/", "https://a.example"},
	{"PUBLIC_URL", "a.example", ""},
	{"PUBLIC_URL", "https://u:p@a.example", ""},
	{"SLACK_API_URL", "http://127.0.0.1:1/api", "http://127.0.0.1:1/api/"},
	{"MCP_TRANSPORT", "Streamable-HTTP", "streamable-http"},
	{"MCP_TRANSPORT", "HTTP", "streamable-http"},
	{"MCP_TRANSPORT", "https", ""},
	{"MCP_ALLOWED_ORIGINS", "https://App.example/,http://b.example:81", "https://app.example,http://b.example:81"},
	{"MCP_ALLOWED_ORIGINS", "*", ""},
	{"MCP_ALLOWED_ORIGINS", "app.example", ""},
	{"MCP_MOUNT_PATH", "/api/mcp/", "/api/mcp"},
	{"MCP_MOUNT_PATH", "mcp", ""},
	{"MCP_MOUNT_PATH", "/", ""},
	{"MCP_MOUNT_PATH", "/a/../b", ""},
	{"MCP_MOUNT_PATH", "/a//b", ""},
	{"MCP_MOUNT_PATH", "/:id", ""},
	{"MCP_MOUNT_PATH", "/slack", ""},
	{"MCP_MOUNT_PATH", "/health", ""},
	{"MCP_MOUNT_PATH", "/events/mcp", ""},
	{"MCP_MOUNT_PATH", "/eventsmcp", "/eventsmcp"},
	{"MCP_TOKENS", "a:read+events:t1,b:admin:t:2", "a:read+events:[redacted],b:admin:[redacted]"},
	{"MCP_TOKENS", "a:read", ""},
	{"MCP_TOKENS", "a:root:t1", ""},
	{"MCP_TOKENS", "a:read:t1,a:read:t2", ""},
	{"MCP_TOKENS", "a:read:t1,b:read:t1", ""},
	{"REDIS_URL", "rediss://u:p@h:6379/0?x=y", "rediss://[redacted]@h:6379/0"},
	{"REDIS_URL", "http://h", ""},
	{"NATS_URL", "nats://a:4222, nats://b:4222", "nats://a:4222,nats://b:4222"},
	{"SLACK_BOT_TOKEN", "xoxb-a b", ""},
	{"SLACK_BOT_TOKEN", " xoxb-ab ", "[redacted]"},
	{"SLACK_SIGNING_SECRET", "a, b,", "[redacted] (2 of them)"},
	{"SLACK_SIGNING_SECRET", ",", ""},
	{"HOST", "::1", "::1"},
	{"HOST", "a b", ""},
	{"HOST", "a:1", ""},
	{"ADMIN_ADDR", "127.0.0.1:9090", "127.0.0.1:9090"},
	{"ADMIN_ADDR", ":9090", ":9090"},
	{"ADMIN_ADDR", "127.0.0.1", ""},
	{"ADMIN_ADDR", "127.0.0.1:x", ""},
}

// TestValues loads each value from the environment and reads it back.
func TestValues(t *testing.T) {
	t.Parallel()
	for _, tc := range values {
		t.Run(tc.key+"="+tc.raw, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(config.Sources{LookupEnv: env(enough(map[string]string{tc.key: tc.raw}))})
			if err != nil && tc.want != "" {
				t.Fatalf("Load: %v", err)
			}
			if err == nil && tc.want == "" {
				t.Fatalf("accepted as %q, want a problem", c.Shown(tc.key))
			}
			if got := c.Shown(tc.key); err == nil && got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestSeveralSigningSecrets(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(map[string]string{"SLACK_SIGNING_SECRET": "new , old"})})
	got := c.Slack.SigningSecrets.Reveal()
	if len(got) != 2 || got[0] != "new" || got[1] != "old" {
		t.Errorf("secrets %q", got)
	}
}

func TestCriticalHidesErrors(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(enough(map[string]string{"LOG_LEVEL": "CRITICAL"}))})
	if c.Log.Level <= slog.LevelError {
		t.Errorf("level %v is not above error", c.Log.Level)
	}
}
