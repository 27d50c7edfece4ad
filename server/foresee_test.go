package server_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/server"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		vars map[string]string
		want []string
	}{
		"the webhook side alone": {
			map[string]string{"PORT": "3000", "WEBHOOK_SECRET": "another-long-secret"},
			[]string{"127.0.0.1:3000/", "127.0.0.1:3000/docs", "127.0.0.1:3000/events/*", "127.0.0.1:3000/health", "127.0.0.1:3000/health/detailed", "127.0.0.1:3000/livez", "127.0.0.1:3000/metrics", "127.0.0.1:3000/openapi.json", "127.0.0.1:3000/readyz", "127.0.0.1:3000/slack/events", "127.0.0.1:3000/webhooks"},
		},
		"both sides, with OAuth and a listener for operators": {
			map[string]string{
				"PORT": "3000", "INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-1", "ADMIN_ADDR": "127.0.0.1:9090", "MCP_MOUNT_PATH": "/tools",
				"PUBLIC_URL": "https://p.example", "MCP_OAUTH_ISSUER": "https://i.example",
			},
			[]string{
				"127.0.0.1:3000/", "127.0.0.1:3000/.well-known/oauth-protected-resource", "127.0.0.1:3000/.well-known/oauth-protected-resource/tools",
				"127.0.0.1:3000/events/*", "127.0.0.1:3000/health", "127.0.0.1:3000/livez", "127.0.0.1:3000/readyz",
				"127.0.0.1:3000/register", "127.0.0.1:3000/slack/events", "127.0.0.1:3000/tools", "127.0.0.1:3000/tools/*", "127.0.0.1:9090/docs", "127.0.0.1:9090/health/detailed", "127.0.0.1:9090/metrics", "127.0.0.1:9090/openapi.json",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			routes, err := server.Routes(t.Context(), load(t, tc.vars))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range routes {
				got = append(got, r.Addr+r.Path)
				if r.For == "operating" {
					t.Errorf("nobody said what %s is for", r.Path)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHealthURL(t *testing.T) {
	t.Parallel()
	for want, vars := range map[string]map[string]string{
		"":                                      {"PORT": "0"},
		"http://127.0.0.1:3000/health/detailed": {"HOST": "0.0.0.0", "PORT": "3000"},
		"http://[::1]:3000/health/detailed":     {"HOST": "::1", "PORT": "3000"},
		"http://127.0.0.1:9090/health/detailed": {"ADMIN_ADDR": ":9090"},
	} {
		if got := server.HealthURL(load(t, vars)); got != want {
			t.Errorf("%v: %s, want %s", vars, got, want)
		}
	}
}
