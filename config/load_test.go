package config_test

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"time"

	"slackmcp/config"

	"github.com/google/go-cmp/cmp"
)

// env answers from a map.
func env(vars map[string]string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		value, ok := vars[key]
		return value, ok
	}
}

// files reads from a map.
func files(contents map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if content, ok := contents[name]; ok {
			return []byte(content), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
}

// enough are the secrets without which nothing is validated further.
func enough(more map[string]string) map[string]string {
	vars := map[string]string{"SLACK_SIGNING_SECRET": "s3cret", "SLACK_BOT_TOKEN": "xoxb-1", "HOME": "/home/u"}
	maps.Copy(vars, more)
	return vars
}

func load(t *testing.T, src config.Sources) config.Config {
	t.Helper()
	c, err := config.Load(src)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// problems loads and returns the settings that have a problem, each with its text.
func problems(t *testing.T, src config.Sources) map[string]string {
	t.Helper()
	_, err := config.Load(src)
	found := map[string]string{}
	if err == nil {
		return found
	}
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("Load: %v is no *config.Error", err)
	}
	for _, p := range e.Problems {
		found[p.Setting] = p.String()
	}
	return found
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	flag := map[string]config.Flag{"PORT": {Name: "port", Value: "1"}}
	vars := enough(map[string]string{"PORT": "2"})
	file := files(map[string]string{".env": "# shared\nPORT=3\n"})
	for _, tc := range []struct {
		name   string
		src    config.Sources
		want   int
		origin string
	}{
		{"flag wins", config.Sources{Flags: flag, LookupEnv: env(vars), EnvFile: ".env", ReadFile: file}, 1, "--port"},
		{"then the environment", config.Sources{LookupEnv: env(vars), EnvFile: ".env", ReadFile: file}, 2, "environment PORT"},
		{"then the .env file", config.Sources{LookupEnv: env(enough(nil)), EnvFile: ".env", ReadFile: file}, 3, ".env:2 PORT"},
		{"an empty variable counts as none", config.Sources{LookupEnv: env(enough(map[string]string{"PORT": " "})), EnvFile: ".env", ReadFile: file}, 3, ".env:2 PORT"},
		{"then the default", config.Sources{LookupEnv: env(enough(nil)), ReadFile: file}, 3000, "default"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, tc.src)
			if c.Listen.Port != tc.want || c.Origin("PORT").String() != tc.origin {
				t.Errorf("port %d from %q, want %d from %q", c.Listen.Port, c.Origin("PORT"), tc.want, tc.origin)
			}
		})
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	t.Run("an alias sets the setting", func(t *testing.T) {
		t.Parallel()
		c := load(t, config.Sources{LookupEnv: env(enough(map[string]string{"QUEUE_BACKEND": "memory"}))})
		if c.Queue.Backend != config.Memory || c.Origin("QUEUE_BACKEND_TYPE").String() != "environment QUEUE_BACKEND" {
			t.Errorf("backend %q from %q", c.Queue.Backend, c.Origin("QUEUE_BACKEND_TYPE"))
		}
	})
	t.Run("an alias in the environment beats the name in the .env file", func(t *testing.T) {
		t.Parallel()
		c := load(t, config.Sources{
			LookupEnv: env(enough(map[string]string{"QUEUE_BACKEND": "memory"})), EnvFile: ".env",
			ReadFile: files(map[string]string{".env": "QUEUE_BACKEND_TYPE=sqlite"}),
		})
		if c.Queue.Backend != config.Memory {
			t.Errorf("backend %q, want memory", c.Queue.Backend)
		}
	})
	t.Run("both names with different values are a problem", func(t *testing.T) {
		t.Parallel()
		got := problems(t, config.Sources{LookupEnv: env(enough(map[string]string{"QUEUE_BACKEND": "memory", "QUEUE_BACKEND_TYPE": "sqlite"}))})
		if !strings.Contains(got["QUEUE_BACKEND_TYPE"], "both set and differ") {
			t.Errorf("problems %v", got)
		}
	})
	t.Run("both names with one value are none", func(t *testing.T) {
		t.Parallel()
		load(t, config.Sources{LookupEnv: env(enough(map[string]string{"QUEUE_BACKEND": "memory", "QUEUE_BACKEND_TYPE": "memory"}))})
	})
}

// secretFiles are what the tests' VAR_FILEs name.
var secretFiles = map[string]string{"/run/bot": "xoxb-file\n", "/run/two": "a\n\n", "/run/crlf": "pass phrase\r\n", "/run/empty": "\n"}

func TestSecretFile(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{ReadFile: files(secretFiles), LookupEnv: env(map[string]string{
		"SLACK_SIGNING_SECRET": "s", "SLACK_BOT_TOKEN_FILE": "/run/bot", "WEBHOOK_SECRET_FILE": "/run/two", "STRIPE_WEBHOOK_SECRET_FILE": "/run/crlf",
		"CONTACT_WEBHOOK_SECRET": "from base64\n",
		"PORT_FILE":              "/run/bot", // only secrets come from files
	})})
	for _, tc := range []struct{ name, got, want string }{
		{"one line break is cut", c.Slack.BotToken.Reveal(), "xoxb-file"},
		{"a second one is kept", c.Senders.Webhook.Reveal(), "a\n"},
		{"that of Windows is cut, a space is kept", c.Senders.Stripe.Reveal(), "pass phrase"},
		{"of a variable too", c.Senders.Contact.Reveal(), "from base64"},
		{"origin", c.Origin("SLACK_BOT_TOKEN").String(), "environment SLACK_BOT_TOKEN_FILE (/run/bot)"},
		{"no secret", c.Shown("PORT"), "3000"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, tc.got, tc.want)
		}
	}
}

func TestSecretFileProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		vars map[string]string
		want string
	}{
		{"both are set", map[string]string{"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_BOT_TOKEN_FILE": "/run/bot"}, "both set"},
		{"the file is missing", map[string]string{"SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": "/run/none"}, "cannot be read from /run/none (file does not exist)"},
		{"the file is empty", map[string]string{"SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": "/run/empty"}, "is to be read from /run/empty, which is empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, config.Sources{LookupEnv: env(enough(tc.vars)), ReadFile: files(secretFiles), Flags: integrated()})
			if !strings.Contains(got["SLACK_BOT_TOKEN"], tc.want) || len(got) != 1 {
				t.Errorf("problems %v, want one with %q", got, tc.want)
			}
		})
	}
}

func TestSecretBeatsTheFileOfAWeakerSource(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(enough(nil)), EnvFile: ".env", ReadFile: files(map[string]string{".env": "SLACK_BOT_TOKEN_FILE=/nowhere"})})
	if got := c.Slack.BotToken.Reveal(); got != "xoxb-1" {
		t.Errorf("bot token %q", got)
	}
}

func integrated() map[string]config.Flag {
	return map[string]config.Flag{"INTEGRATED": {Name: "integrated", Value: "true"}}
}

func TestEmptyFlagIsAProblem(t *testing.T) {
	t.Parallel()
	got := problems(t, config.Sources{LookupEnv: env(enough(nil)), Flags: map[string]config.Flag{"PORT": {Name: "port"}}})
	if !strings.Contains(got["PORT"], "is empty (from --port)") {
		t.Errorf("problems %v", got)
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Sources{Flags: integrated(), LookupEnv: env(map[string]string{
		"PORT": "http", "QUEUE_BACKEND": "kafka", "MCP_MOUNT_PATH": "/slack", "REDIS_URL": "localhost:6379",
	})})
	want := `6 problems with the configuration:
  - SLACK_SIGNING_SECRET is missing, and --integrated needs it: copy the Signing Secret from api.slack.com/apps, your app, Basic Information, and set it in the environment or the .env file; or try --sandbox, which needs nothing
  - SLACK_BOT_TOKEN is missing, and --integrated needs it: copy the Bot User OAuth Token from api.slack.com/apps, your app, OAuth & Permissions, and set it in the environment or the .env file; or try --sandbox, which needs nothing
  - PORT is "http", which does not fit (from environment PORT): write a whole number from 0 to 65535
  - QUEUE_BACKEND_TYPE is "kafka", which does not fit (from environment QUEUE_BACKEND): write one of sqlite, memory, redis, nats
  - REDIS_URL cannot be used (from environment REDIS_URL): write it as redis://host:port, with special characters of a password percent-encoded
  - MCP_MOUNT_PATH is "/slack", which does not fit (from environment MCP_MOUNT_PATH): choose another path: it meets the server's own route /slack/events`
	if err == nil {
		t.Fatal("Load: no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(enough(nil))})
	if got := c.Listen.Addr(); got != "0.0.0.0:3000" {
		t.Errorf("address %q", got)
	}
	if c.Queue.DedupeTTL != 48*time.Hour || c.Queue.RetentionAge != 720*time.Hour || c.Queue.RetentionCount != 1_000_000 {
		t.Errorf("queue %+v", c.Queue)
	}
	if c.Retry != 3 || c.Worker.Workers != 8 || c.Receive.TimestampTolerance != 300*time.Second || c.Receive.MaxBodyBytes != 1<<20 {
		t.Errorf("retry %d, worker %+v, receive %+v", c.Retry, c.Worker, c.Receive)
	}
	if c.Queue.RedisMaxConnections != 50 || c.Queue.Topic != "slack.events" || c.MCP.MountPath != "/mcp" || c.MCP.Transport != config.SSE {
		t.Errorf("queue %+v, mcp %+v", c.Queue, c.MCP)
	}
	if c.Drain != 10*time.Second || c.Slack.APIURL != "https://slack.com/api/" {
		t.Errorf("drain %s, api %q", c.Drain, c.Slack.APIURL)
	}
}
