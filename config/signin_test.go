package config_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"slackmcp/config"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"SIGN_IN_TEAMS": "T0123456789,E0123456789", "PUBLIC_URL": "https://slack.example.com", "IDENTITY_KEYS_FILE": "/etc/keys", "SLACK_CLIENT_ID": "1.2",
		"SLACK_CLIENT_SECRET": "s3cret", "INTEGRATED": "1",
	}
	for name, c := range map[string]struct {
		change map[string]string
		want   []string // settings with a problem
	}{
		"all that it needs":         {nil, nil},
		"off":                       {map[string]string{"SIGN_IN_TEAMS": "", "PUBLIC_URL": "", "IDENTITY_KEYS_FILE": "", "SLACK_CLIENT_ID": ""}, nil},
		"no keys":                   {map[string]string{"IDENTITY_KEYS_FILE": ""}, []string{"IDENTITY_KEYS_FILE"}},
		"no app":                    {map[string]string{"SLACK_CLIENT_ID": "", "SLACK_CLIENT_SECRET": ""}, []string{"SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"}},
		"no address":                {map[string]string{"PUBLIC_URL": ""}, []string{"PUBLIC_URL"}},
		"in clear":                  {map[string]string{"PUBLIC_URL": "http://slack.example.com"}, []string{"PUBLIC_URL"}},
		"in clear on this computer": {map[string]string{"PUBLIC_URL": "http://127.0.0.1:3000"}, nil},
		"below a path":              {map[string]string{"PUBLIC_URL": "https://example.com/slack"}, []string{"PUBLIC_URL"}},
		"memory":                    {map[string]string{"QUEUE_BACKEND": "memory"}, []string{"QUEUE_BACKEND"}},
		"open to everyone":          {map[string]string{"MCP_NO_AUTH": "2"}, []string{"MCP_NO_AUTH"}},
		"another issuer":            {map[string]string{"MCP_OAUTH_ISSUER": "https://i.example"}, []string{"MCP_OAUTH_ISSUER"}},
		"a user token":              {map[string]string{"SLACK_USER_TOKEN": "xoxp-1"}, []string{"SLACK_USER_TOKEN"}},
		"a user token for a scope":  {map[string]string{"SLACK_USER_TOKEN": "xoxp-1", "SLACK_USER_TOKEN_READS": "true"}, nil},
		"everybody's workspaces":    {map[string]string{"SIGN_IN_TEAMS": "*"}, []string{"SIGN_IN_TEAMS"}},
		"a channel":                 {map[string]string{"SIGN_IN_TEAMS": "C0123456789"}, []string{"SIGN_IN_TEAMS"}},
		"admin by consent":          {map[string]string{"SIGN_IN_SCOPES": "read,admin"}, []string{"SIGN_IN_SCOPES"}},
		"mounted in the way":        {map[string]string{"MCP_MOUNT_PATH": "/oauth/mcp"}, []string{"MCP_MOUNT_PATH"}},
		"mounted at the own page":   {map[string]string{"MCP_MOUNT_PATH": "/sign-ins"}, []string{"MCP_MOUNT_PATH"}},
	} {
		vars := enough(good)
		maps.Copy(vars, c.change)
		found := problems(t, config.Sources{Command: config.CommandServe, LookupEnv: env(vars)})
		if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, c.want) {
			t.Errorf("%s: problems with %v, want %v: %v", name, got, c.want, found)
		}
	}
	alone := enough(good)
	alone["MCP_TRANSPORT"] = "streamable-http"
	if found := problems(t, config.Sources{Command: config.CommandMCP, LookupEnv: env(alone)}); found["QUEUE_BACKEND"] == "" {
		t.Errorf("the MCP side alone, beside a store of another process: %v", found)
	}
	alone["REDIS_URL"] = "redis://h"
	if found := problems(t, config.Sources{Command: config.CommandMCP, LookupEnv: env(alone)}); len(found) > 0 {
		t.Errorf("the MCP side alone, with a shared store: %v", found)
	}
	inSandbox := map[string]string{"SANDBOX": "true", "SIGN_IN_TEAMS": "T1", "PORT": "3210"}
	if c := load(t, config.Sources{Command: config.CommandServe, LookupEnv: env(inSandbox)}); c.Listen.PublicURL != "http://127.0.0.1:3210" {
		t.Errorf("the sandbox's people are sent back to %q", c.Listen.PublicURL)
	}
	vars := enough(good)
	vars["SIGN_IN_TEAMS"] = "T1"
	vars["REPLICAS"], vars["REDIS_URL"] = "2", "redis://h"
	c := load(t, config.Sources{Command: config.CommandServe, LookupEnv: env(vars)})
	if !slices.Equal(c.SignIn.Teams, []string{"T1"}) || !c.SignIn.Enabled() {
		t.Errorf("teams %v", c.SignIn.Teams)
	}
	if c.NeedsDataDir() {
		t.Error("a token would be made beside signing in")
	}
}

// TestServiceTokensAreNamed has check name each token that sees more than people do.
func TestServiceTokensAreNamed(t *testing.T) {
	t.Parallel()
	vars := map[string]string{
		"SANDBOX": "true", "SIGN_IN_TEAMS": "T1", "MCP_AUTH_TOKEN": "a-token-of-the-test",
		"MCP_TOKENS": "poster:write:0123456789abcdef0,reader:read:0123456789abcdef1,operator:admin:0123456789abcdef2",
	}
	about := func() string {
		t.Helper()
		for _, w := range load(t, config.Sources{Command: config.CommandServe, LookupEnv: env(vars)}).Warnings {
			if strings.Contains(w, "service tokens") {
				return w
			}
		}
		return ""
	}
	got := about()
	for _, want := range []string{"MCP_AUTH_TOKEN", "reader of MCP_TOKENS", "operator of MCP_TOKENS"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %s", got, want)
		}
	}
	if strings.Contains(got, "poster") || strings.Contains(got, "0123456789") {
		t.Errorf("%q names what sees nothing, or a secret", got)
	}
	delete(vars, "SIGN_IN_TEAMS")
	if got := about(); got != "" {
		t.Errorf("nobody signs in: %q", got)
	}
}
