package config_test

import (
	"strings"
	"testing"

	"slackmcp/config"
)

// TestMistakesAreTold has each mistake told with its remedy, before anything is started.
func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		vars map[string]string
		want string
	}{
		{"a token where the signing secret belongs", map[string]string{"SLACK_SIGNING_SECRET": "xoxb-canary"}, "SLACK_SIGNING_SECRET holds a token where the signing secret belongs: copy the Signing Secret from"},
		{"an example's secret", map[string]string{"SLACK_SIGNING_SECRET": "your-signing-secret"}, "SLACK_SIGNING_SECRET holds an example's words and no secret"},
		{"one of several", map[string]string{"SLACK_SIGNING_SECRET": "8f742231b10e8888abcd99fffeee85a5,<secret>"}, "SLACK_SIGNING_SECRET holds an example's words"},
		{"a user token for the bot", map[string]string{"SLACK_BOT_TOKEN": "xoxp-canary"}, "SLACK_BOT_TOKEN does not begin with xoxb-, so it is something else: copy the Bot User OAuth Token from"},
		{"an example's token", map[string]string{"SLACK_BOT_TOKEN": "xoxb-..."}, "SLACK_BOT_TOKEN holds an example's words and no token"},
		{"a bot token for the person", map[string]string{"SLACK_USER_TOKEN": "xoxb-canary"}, "SLACK_USER_TOKEN does not begin with xoxp-"},
		{"a bot token for the app", map[string]string{"SLACK_APP_TOKEN": "xoxb-canary"}, "SLACK_APP_TOKEN does not begin with xapp-"},
		{"a route in the public address", map[string]string{"PUBLIC_URL": "https://example.com/x/slack/events/", "TRUSTED_PROXIES": "10.0.0.1"}, "PUBLIC_URL ends in /slack/events, which is one route of this server: write https://example.com/x"},
		{"the MCP route in it", map[string]string{"PUBLIC_URL": "https://example.com/mcp", "TRUSTED_PROXIES": "10.0.0.1"}, "PUBLIC_URL ends in /mcp, which is one route of this server: write https://example.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Sources{Flags: integrated(), LookupEnv: env(enough(tc.vars))})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the secret is told: %v", err)
			}
		})
	}
}

// TestMisspeltVariables are told together with the setting that is missing for want of them.
func TestMisspeltVariables(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Sources{
		Flags: integrated(), LookupEnv: env(map[string]string{"SLACK_SIGNING_SECRET": "8f742231b10e8888abcd99fffeee85a5", "SLACK_BOT_TOKE": "xoxb-canary"}),
		EnvNames: []string{"SLACK_SIGNING_SECRET", "SLACK_BOT_TOKE", "HOSTS", "GOFLAGS", "LC_ALL", "SSL_CERT_FILE", "SLACK_BOT_TOKEN_FILE"},
	})
	const want = "note: the variable SLACK_BOT_TOKE is not a setting; did you mean SLACK_BOT_TOKEN?"
	if err == nil || !strings.Contains(err.Error(), "SLACK_BOT_TOKEN is missing") || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "note: ") != 1 {
		t.Errorf("%v, want the missing one and %q", err, want)
	}
}
