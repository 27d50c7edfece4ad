package config_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"slackmcp/config"

	"github.com/google/go-cmp/cmp"
)

// TestAUserTokenAloneIsWarnedOf: over HTTP whoever may call acts as its owner, and beside people who sign
// in that is refused.
func TestAUserTokenAloneIsWarnedOf(t *testing.T) {
	t.Parallel()
	const says = "SLACK_USER_TOKEN is set without SLACK_BOT_TOKEN"
	for name, tc := range map[string]struct {
		vars   map[string]string
		warned bool
	}{
		"over HTTP":       {nil, true},
		"over stdio":      {map[string]string{"MCP_TRANSPORT": "stdio"}, false},
		"beside the bot":  {map[string]string{"SLACK_BOT_TOKEN": "xoxb-1"}, false},
		"with its reads":  {map[string]string{"SLACK_USER_TOKEN_READS": "true"}, true},
		"and with scopes": {map[string]string{"MCP_TOKENS": "ada:read+as-user:0123456789abcdef0123"}, true},
	} {
		vars := map[string]string{"SLACK_USER_TOKEN": "xoxp-1"}
		maps.Copy(vars, tc.vars)
		c, err := config.Load(config.Sources{Command: config.CommandMCP, LookupEnv: env(vars)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if warned := slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.Contains(w, says) }); warned != tc.warned {
			t.Errorf("%s: %v", name, c.Warnings)
		}
		if slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.Contains(w, "bot token alone") }) {
			t.Errorf("%s speaks of a bot token: %v", name, c.Warnings)
		}
	}
}

// TestRequirements holds the table of what each way to start needs.
func TestRequirements(t *testing.T) {
	t.Parallel()
	const signing, bot = "SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN"
	for _, tc := range []struct {
		name    string
		command config.Command
		vars    map[string]string
		want    []string // settings with a problem
	}{
		{"standalone with nothing", config.CommandServe, nil, []string{signing}},
		{"standalone with the signing secret", config.CommandServe, map[string]string{signing: "s"}, nil},
		{"standalone with a contact secret", config.CommandServe, map[string]string{"CONTACT_WEBHOOK_SECRET": "s"}, nil},
		{"standalone with a stripe secret", config.CommandServe, map[string]string{"STRIPE_WEBHOOK_SECRET": "s"}, nil},
		{"standalone with a receipt secret", config.CommandServe, map[string]string{"WEBHOOK_SECRET": "s"}, nil},
		{"integrated with nothing", config.CommandServe, map[string]string{"INTEGRATED": "true"}, []string{signing, bot}},
		{"integrated with a sender's secret", config.CommandServe, map[string]string{"INTEGRATED": "true", bot: "xoxb-1", "WEBHOOK_SECRET": "s"}, []string{signing}},
		{"integrated with both", config.CommandServe, map[string]string{"INTEGRATED": "true", signing: "s", bot: "xoxb-1"}, nil},
		{"socket mode without an app token", config.CommandServe, map[string]string{"SOCKET_MODE": "true"}, []string{"SLACK_APP_TOKEN"}},
		{"socket mode needs no signing secret", config.CommandServe, map[string]string{"SOCKET_MODE": "true", "SLACK_APP_TOKEN": "xapp-1"}, nil},
		{"socket mode, integrated", config.CommandServe, map[string]string{"SOCKET_MODE": "true", "SLACK_APP_TOKEN": "xapp-1", "INTEGRATED": "true"}, []string{bot}},
		{"socket mode in the sandbox", config.CommandServe, map[string]string{"SOCKET_MODE": "true", "SANDBOX": "1"}, nil},
		{"sandbox with a real app token", config.CommandServe, map[string]string{"SANDBOX": "1", "SLACK_APP_TOKEN": "xapp-1"}, []string{"SLACK_APP_TOKEN"}},
		{"a function over socket mode", config.CommandLambda, map[string]string{"SOCKET_MODE": "1", "SLACK_APP_TOKEN": "xapp-1", "REDIS_URL": "redis://h"}, []string{"SOCKET_MODE"}},
		{"mcp with nothing", config.CommandMCP, nil, []string{bot}},
		{"mcp with a user token alone", config.CommandMCP, map[string]string{"SLACK_USER_TOKEN": "xoxp-1"}, nil},
		{"integrated with a user token alone", config.CommandServe, map[string]string{"INTEGRATED": "true", signing: "s", "SLACK_USER_TOKEN": "xoxp-1"}, []string{bot}},
		{"mcp with a bot token", config.CommandMCP, map[string]string{bot: "xoxb-1"}, nil},
		{"sandbox with nothing", config.CommandServe, map[string]string{"SANDBOX": "1"}, nil},
		{"sandbox with a signing secret", config.CommandServe, map[string]string{"SANDBOX": "1", signing: "s"}, nil},
		{"sandbox with a real bot token", config.CommandServe, map[string]string{"SANDBOX": "1", bot: "xoxb-1"}, []string{bot}},
		{"sandbox with real tokens of other kinds", config.CommandServe, map[string]string{"SANDBOX": "1", "SLACK_USER_TOKEN": "xoxp-1"}, []string{"SLACK_USER_TOKEN"}},
		{"sandbox with its own token", config.CommandServe, map[string]string{"SANDBOX": "1", bot: "xoxb-sandbox-bot"}, nil},
		{"mcp in the sandbox", config.CommandMCP, map[string]string{"SANDBOX": "1"}, nil},
		{"send with nothing", config.CommandSend, nil, []string{signing}},
		{"send with a secret", config.CommandSend, map[string]string{signing: "s"}, nil},
		{"the workspace alone with nothing", config.CommandSandbox, nil, nil},
		{"several with sqlite", config.CommandServe, map[string]string{signing: "s", "REPLICAS": "3"}, []string{"REPLICAS"}},
		{"several with memory", config.CommandServe, map[string]string{signing: "s", "REPLICAS": "2", "QUEUE_BACKEND": "memory"}, []string{"REPLICAS"}},
		{"several with Redis", config.CommandServe, map[string]string{signing: "s", "REPLICAS": "3", "REDIS_URL": "redis://h"}, nil},
		{"several for assistants, without a token", config.CommandServe, map[string]string{signing: "s", bot: "xoxb-1", "INTEGRATED": "1", "REPLICAS": "3", "NATS_URL": "nats://h"}, []string{"MCP_AUTH_TOKEN"}},
		{"several for assistants", config.CommandServe, map[string]string{signing: "s", bot: "xoxb-1", "INTEGRATED": "1", "REPLICAS": "3", "NATS_URL": "nats://h", "MCP_AUTH_TOKEN": "a-token-of-the-test"}, nil},
		{"several that only serve mcp", config.CommandMCP, map[string]string{bot: "xoxb-1", "REPLICAS": "3", "MCP_AUTH_TOKEN": "a-token-of-the-test"}, nil},
		{"the second dyno with sqlite", config.CommandServe, map[string]string{signing: "s", "DYNO": "web.2"}, []string{"REPLICAS"}},
		{"the first dyno with sqlite", config.CommandServe, map[string]string{signing: "s", "DYNO": "web.1"}, nil},
		{"the second pod of a set with sqlite", config.CommandServe, map[string]string{signing: "s", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "slack-1"}, []string{"REPLICAS"}},
		{"the second pod of a set with NATS", config.CommandServe, map[string]string{signing: "s", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "slack-1", "NATS_URL": "nats://h"}, nil},
		{"a pod of a deployment with sqlite", config.CommandServe, map[string]string{signing: "s", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "slack-7d9fbc5d5-x2x1q"}, nil},
		{"a machine named like a pod", config.CommandServe, map[string]string{signing: "s", "HOSTNAME": "web-2"}, nil},
		{"the second allocation with memory", config.CommandServe, map[string]string{signing: "s", "NOMAD_ALLOC_INDEX": "1", "QUEUE_BACKEND": "memory"}, []string{"REPLICAS"}},
		{"ids forgotten before signatures are stale", config.CommandServe, map[string]string{signing: "s", "DEDUPE_TTL": "4m"}, []string{"DEDUPE_TTL"}},
		{"ids known as long as signatures are fresh", config.CommandServe, map[string]string{signing: "s", "DEDUPE_TTL": "1m", "TIMESTAMP_TOLERANCE": "60"}, nil},
		{"health needs no secret", config.CommandHealth, nil, nil},
		{"a function with an engine", config.CommandLambda, map[string]string{signing: "s", "REDIS_URL": "redis://h"}, nil},
		{"a function that would forget", config.CommandLambda, map[string]string{signing: "s"}, []string{"QUEUE_BACKEND_TYPE"}},
		{"a function with nothing", config.CommandLambda, map[string]string{"QUEUE_BACKEND": "memory"}, []string{signing, "QUEUE_BACKEND_TYPE"}},
		{"a function for assistants", config.CommandLambda, map[string]string{signing: "s", bot: "xoxb-1", "NATS_URL": "nats://h", "INTEGRATED": "1"}, []string{"INTEGRATED"}},
		{"a function in the sandbox", config.CommandLambda, map[string]string{"SANDBOX": "1", "NATS_URL": "nats://h"}, []string{"SANDBOX"}},
		{"stdio is for the command mcp", config.CommandServe, map[string]string{signing: "s", bot: "xoxb-1", "INTEGRATED": "1", "MCP_TRANSPORT": "stdio"}, []string{"MCP_TRANSPORT"}},
		{"mcp over stdio", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_TRANSPORT": "stdio"}, nil},
		{"no auth on every address", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_NO_AUTH": "true"}, []string{"MCP_NO_AUTH"}},
		{"no auth said twice", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_NO_AUTH": "true,true"}, nil},
		{"no auth said twice by number", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_NO_AUTH": "2"}, nil},
		{"no auth on loopback", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_NO_AUTH": "1", "HOST": "127.0.0.1"}, nil},
		{"no auth on loopback by name", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_NO_AUTH": "1", "HOST": "localhost"}, nil},
		{"no auth over stdio", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_NO_AUTH": "1", "MCP_TRANSPORT": "stdio"}, nil},
		{"oauth without an audience", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_OAUTH_ISSUER": "https://i.example"}, []string{"MCP_OAUTH_AUDIENCE"}},
		{"oauth with a public address", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_OAUTH_ISSUER": "https://i.example", "PUBLIC_URL": "https://p.example"}, nil},
		{"keys without an issuer", config.CommandMCP, map[string]string{bot: "xoxb-1", "MCP_OAUTH_JWKS_URL": "https://i.example/k"}, []string{"MCP_OAUTH_ISSUER"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, config.Sources{Command: tc.command, LookupEnv: env(tc.vars)})
			names := slices.Sorted(maps.Keys(got))
			if diff := cmp.Diff(slices.Sorted(slices.Values(tc.want)), names); diff != "" {
				t.Errorf("settings with problems (-want +got):\n%s\n%v", diff, got)
			}
			for setting, text := range got {
				if !strings.Contains(text, ": ") {
					t.Errorf("%s has no remedy: %s", setting, text)
				}
			}
		})
	}
}

func TestMode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		command config.Command
		vars    map[string]string
		want    config.Mode
	}{
		{"alone", config.CommandServe, nil, config.ModeStandalone},
		{"integrated", config.CommandServe, map[string]string{"INTEGRATED": "yes"}, config.ModeIntegrated},
		{"the sandbox shows both sides", config.CommandServe, map[string]string{"SANDBOX": "yes", "SLACK_BOT_TOKEN": ""}, config.ModeIntegrated},
		{"unless it was told not to", config.CommandServe, map[string]string{"SANDBOX": "yes", "SLACK_BOT_TOKEN": "", "INTEGRATED": "no"}, config.ModeStandalone},
		{"mcp", config.CommandMCP, map[string]string{"INTEGRATED": "yes"}, config.ModeMCP},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, config.Sources{Command: tc.command, LookupEnv: env(enough(tc.vars))})
			if c.Mode != tc.want {
				t.Errorf("mode %q, want %q", c.Mode, tc.want)
			}
		})
	}
}

func TestBackendChoice(t *testing.T) {
	t.Parallel()
	const redisURL, natsURL = "redis://h", "nats://h"
	for _, tc := range []struct {
		name    string
		vars    map[string]string
		want    config.Backend
		because string
		problem string
	}{
		{"nothing said", nil, config.SQLite, "the default", ""},
		{"an address of Redis", map[string]string{"REDIS_URL": redisURL}, config.Redis, "chosen because REDIS_URL is set", ""},
		{"an address of NATS", map[string]string{"NATS_URL": natsURL}, config.NATS, "chosen because NATS_URL is set", ""},
		{"both addresses", map[string]string{"REDIS_URL": redisURL, "NATS_URL": natsURL}, "", "", "QUEUE_BACKEND_TYPE"},
		{"both, and a word", map[string]string{"REDIS_URL": redisURL, "NATS_URL": natsURL, "QUEUE_BACKEND_TYPE": "nats"}, config.NATS, "chosen by environment QUEUE_BACKEND_TYPE", ""},
		{"memory beside an address", map[string]string{"REDIS_URL": redisURL, "QUEUE_BACKEND_TYPE": "memory"}, config.Memory, "chosen by environment QUEUE_BACKEND_TYPE", ""},
		{"redis without an address", map[string]string{"QUEUE_BACKEND_TYPE": "redis"}, config.Redis, "chosen by environment QUEUE_BACKEND_TYPE", "REDIS_URL"},
		{"nats without an address", map[string]string{"QUEUE_BACKEND_TYPE": "nats"}, config.NATS, "chosen by environment QUEUE_BACKEND_TYPE", "NATS_URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			src := config.Sources{LookupEnv: env(enough(tc.vars))}
			got := problems(t, src)
			if _, ok := got[tc.problem]; ok != (tc.problem != "") || len(got) > 1 {
				t.Fatalf("problems %v, want one about %q", got, tc.problem)
			}
			c, _ := config.Load(src)
			if c.Queue.Backend != tc.want || c.Queue.Because != tc.because {
				t.Errorf("backend %q %q, want %q %q", c.Queue.Backend, c.Queue.Because, tc.want, tc.because)
			}
		})
	}
}

func TestDataDirDefault(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		root bool
		vars map[string]string
		want string
	}{
		{"root", true, map[string]string{"HOME": "/root"}, "/var/lib/slack-webhook-server"},
		{"a person", false, nil, "/home/u/.local/state/slack-webhook-server"},
		{"a person with a state directory", false, map[string]string{"XDG_STATE_HOME": "/state"}, "/state/slack-webhook-server"},
		{"a relative state directory is ignored", false, map[string]string{"XDG_STATE_HOME": "state"}, "/home/u/.local/state/slack-webhook-server"},
		{"nobody's home", false, map[string]string{"HOME": ""}, "/var/lib/slack-webhook-server"},
		{"the sandbox has its own", false, map[string]string{"SANDBOX": "1", "SLACK_BOT_TOKEN": ""}, "/home/u/.local/state/slack-webhook-server/sandbox"},
		{"a named one is taken as it is", false, map[string]string{"SANDBOX": "1", "SLACK_BOT_TOKEN": "", "DATA_DIR": "/d"}, "/d"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, config.Sources{Root: tc.root, LookupEnv: env(enough(tc.vars))})
			if c.Queue.DataDir != tc.want {
				t.Errorf("directory %q, want %q", c.Queue.DataDir, tc.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{Flags: integrated(), LookupEnv: env(enough(map[string]string{
		"SLACK_USER_TOKEN": "xoxp-right", "LOCKDOWN_APPS": "A0123456789",
	}))})
	want := []string{
		"LOCKDOWN_APPS is set, and LOCKDOWN is not: so nothing is withheld; set LOCKDOWN=true",
	}
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestProxiesAreWarnedOf: a proxy in front whose address is not known is warned of.
func TestProxiesAreWarnedOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		vars map[string]string
		want string // words of the one warning; empty is none
	}{
		{"nothing is known", nil, ""},
		{"a public address", map[string]string{"PUBLIC_URL": "https://events.example.com"}, "the addresses of the proxy that serves events.example.com"},
		{"a public address and its proxy", map[string]string{"PUBLIC_URL": "https://events.example.com", "TRUSTED_PROXIES": "10.0.0.1"}, ""},
		{"a certificate of our own", map[string]string{"PUBLIC_URL": "https://events.example.com", "TLS_CERT_FILE": "c.pem", "TLS_KEY_FILE": "k.pem"}, ""},
		{"this machine", map[string]string{"PUBLIC_URL": "http://127.0.0.1:3000"}, ""},
		{"Cloud Run", map[string]string{"K_SERVICE": "slack"}, "set TRUSTED_PROXIES=169.254.0.0/16"},
		{"Heroku, with a public address", map[string]string{"DYNO": "web.1", "PUBLIC_URL": "https://events.example.com"}, "set TRUSTED_PROXIES=10.0.0.0/8"},
		{"a function", map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "slack"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, config.Sources{LookupEnv: env(enough(tc.vars))})
			if tc.want == "" && len(c.Warnings) > 0 || tc.want != "" && (len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], tc.want)) {
				t.Errorf("warnings %q, want %q", c.Warnings, tc.want)
			}
		})
	}
}

// TestReadingWithTheUserTokenIsWarnedOf says what SLACK_USER_TOKEN_READS opens, and when it opens nothing.
func TestReadingWithTheUserTokenIsWarnedOf(t *testing.T) {
	t.Parallel()
	const reads, user, mine = "SLACK_USER_TOKEN_READS", "SLACK_USER_TOKEN", "MCP_TOKENS"
	const scoped = "worker:read+as-user:0123456789abcdef"
	for _, tc := range []struct {
		set  map[string]string
		want string
	}{
		{map[string]string{}, ""},
		{map[string]string{user: "xoxp-right", mine: "worker:read:0123456789abcdef"}, ""},
		{map[string]string{user: "xoxp-right", mine: scoped}, "reads with the bot token alone"},
		{map[string]string{reads: "true", mine: scoped}, "SLACK_USER_TOKEN is not"},
		{map[string]string{reads: "true", user: "xoxp-right"}, "no token of MCP_TOKENS has the scope as-user"},
		{map[string]string{reads: "true", user: "xoxp-right", mine: scoped}, "read all that the owner of SLACK_USER_TOKEN sees"},
	} {
		c := load(t, config.Sources{Flags: integrated(), LookupEnv: env(enough(tc.set))})
		if tc.want == "" && len(c.Warnings) > 0 || tc.want != "" && (len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], tc.want)) {
			t.Errorf("%v warns %q, want %q", tc.set, c.Warnings, tc.want)
		}
	}
}

func TestInSandbox(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		vars map[string]string
		want string
	}{
		"its own directory, below the real one": {map[string]string{"XDG_STATE_HOME": "/state"}, "/state/slack-webhook-server/sandbox"},
		"a directory that is named":             {map[string]string{"DATA_DIR": "/d"}, "/d"},
		"a sandbox already":                     {map[string]string{"XDG_STATE_HOME": "/state", "SANDBOX": "1", "SLACK_BOT_TOKEN": ""}, "/state/slack-webhook-server/sandbox"},
	} {
		if c := load(t, config.Sources{LookupEnv: env(enough(tc.vars))}).InSandbox(); c.Queue.DataDir != tc.want || !c.Sandbox {
			t.Errorf("%s: %s, sandbox %v, want %s", name, c.Queue.DataDir, c.Sandbox, tc.want)
		}
	}
}
