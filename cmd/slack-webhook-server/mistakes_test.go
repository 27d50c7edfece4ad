package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A mistake is what a person may get wrong, on the way to a running server.
type mistake struct {
	name  string
	args  []string          // after the program's name
	env   map[string]string // beside HOME
	file  string            // the content of .env; "" is no file
	files map[string]string // others
	usage bool              // a command line that cannot be meant: check is not asked
}

const (
	secretOf = "0123456789abcdef0123456789abcdef"
	botOf    = "xoxb-1111-2222-abcdef"
)

// both is an environment in which nothing is wrong, with some variables changed; "" takes one out.
func both(change map[string]string) map[string]string {
	env := map[string]string{"INTEGRATED": "true", "SLACK_SIGNING_SECRET": secretOf, "SLACK_BOT_TOKEN": botOf}
	maps.Copy(env, change)
	maps.DeleteFunc(env, func(_, v string) bool { return v == "" })
	return env
}

func mistakes() []mistake {
	type env = map[string]string
	return []mistake{
		{name: "nothing is set", args: []string{"--integrated"}},
		{name: "the webhook side without its secret"},
		{name: "a misspelt variable", env: both(env{"SLACK_SIGNING_SECRET": "", "SLACK_SIGNING_SECERT": secretOf})},
		{name: "a misspelt key of the file", args: []string{"--integrated"}, file: "SLACK_SIGNING_SECRET=" + secretOf + "\nSLACK_BOT_TOKE=" + botOf + "\n"},
		{name: "a line without an equals sign", args: []string{"--integrated"}, file: "SLACK_SIGNING_SECRET=" + secretOf + "\nSLACK_BOT_TOKEN " + botOf + "\n"},
		{name: "a line as in YAML", args: []string{"--integrated"}, file: "SLACK_SIGNING_SECRET: " + secretOf + "\nSLACK_BOT_TOKEN=" + botOf + "\n"},
		{name: "a token where the signing secret belongs", env: both(env{"SLACK_SIGNING_SECRET": botOf})},
		{name: "the example's signing secret", env: both(env{"SLACK_SIGNING_SECRET": "your-signing-secret"})},
		{name: "a user token where the bot token belongs", env: both(env{"SLACK_BOT_TOKEN": "xoxp-1111-2222-abcdef"})},
		{name: "an app token where the bot token belongs", env: both(env{"SLACK_BOT_TOKEN": "xapp-1-A1-2-abcdef"})},
		{name: "the signing secret where the bot token belongs", env: both(env{"SLACK_BOT_TOKEN": secretOf})},
		{name: "the example's bot token", env: both(env{"SLACK_BOT_TOKEN": "xoxb-your-token"})},
		{name: "a bot token where the user token belongs", env: both(env{"SLACK_USER_TOKEN": botOf})},
		{name: "a user token alone for both sides", env: both(env{"SLACK_BOT_TOKEN": "", "SLACK_USER_TOKEN": "xoxp-1111-2222-abcdef"})},
		{name: "Socket Mode without its token", env: both(env{"SOCKET_MODE": "true"})},
		{name: "a bot token where the app token belongs", env: both(env{"SOCKET_MODE": "true", "SLACK_APP_TOKEN": botOf})},
		{name: "a public address with Slack's route", env: both(env{"PUBLIC_URL": "https://events.example.com/slack/events"})},
		{name: "a public address with the assistants' route", env: both(env{"PUBLIC_URL": "https://events.example.com/mcp"})},
		{name: "a public address without https", env: both(env{"PUBLIC_URL": "events.example.com"})},
		{name: "a port that there is not", env: both(env{"PORT": "99999"})},
		{name: "a port in words", env: both(env{"PORT": "http"})},
		{name: "an unknown toolset", env: both(env{"TOOLSETS": "default,mesages"})},
		{name: "an unknown tool", env: both(env{"TOOLS": "slack_post_mesage"})},
		{name: "an unknown way of MCP", env: both(env{"MCP_TRANSPORT": "websocket"})},
		{name: "stdio beside the webhook side", env: both(env{"MCP_TRANSPORT": "stdio"})},
		{name: "a short MCP token", env: both(env{"MCP_AUTH_TOKEN": "secret"})},
		{name: "an open MCP on all addresses", env: both(env{"MCP_NO_AUTH": "true"})},
		{name: "a mount path that is no path", env: both(env{"MCP_MOUNT_PATH": "mcp server"})},
		{name: "Redis without its address", env: both(env{"QUEUE_BACKEND_TYPE": "redis"})},
		{name: "NATS without its address", env: both(env{"QUEUE_BACKEND_TYPE": "nats"})},
		{name: "Redis and NATS", env: both(env{"REDIS_URL": "redis://localhost:6379/0", "NATS_URL": "nats://localhost:4222"})},
		{name: "an address that is none of Redis'", env: both(env{"REDIS_URL": "localhost:6379"})},
		{name: "an unknown backend", env: both(env{"QUEUE_BACKEND_TYPE": "postgres"})},
		{name: "a certificate without its key", env: both(env{"TLS_CERT_FILE": "tls.crt"})},
		{name: "a rules file that is not there", env: both(env{"RULES_FILE": "rules.yaml"})},
		{name: "rules that are none", env: both(env{"RULES_FILE": "rules.yaml"}), files: map[string]string{"rules.yaml": "rules:\n  - name: r\n    when2: {}\n"}},
		{name: "a sources file that is not there", env: both(env{"SOURCES_FILE": "sources.yaml"})},
		{name: "a file of settings that is not there", args: []string{"--env-file", "production.env"}, env: both(nil)},
		{name: "a file of settings that cannot be read", args: []string{"--env-file", "."}, env: both(nil)},
		{name: "a secret's file that is not there", env: both(env{"SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": "token"})},
		{name: "a secret's file that is empty", env: both(env{"SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": "token"}), files: map[string]string{"token": "\n"}},
		{name: "a secret and its file", env: both(env{"SLACK_BOT_TOKEN_FILE": "token"}), files: map[string]string{"token": botOf}},
		{name: "a proxy that is no address", env: both(env{"TRUSTED_PROXIES": "my-proxy"})},
		{name: "a duration in words", env: both(env{"RETENTION_AGE": "one month"})},
		{name: "ids that are forgotten too early", env: both(env{"DEDUPE_TTL": "1m"})},
		{name: "signing in without the app's client", env: both(env{"SIGN_IN_TEAMS": "T0123456789", "PUBLIC_URL": "https://events.example.com"})},
		{name: "a level of logging that there is not", env: both(env{"LOG_LEVEL": "loud"})},
		{name: "a data directory that is a file", env: both(env{"DATA_DIR": "data"}), files: map[string]string{"data": "x"}},
		{name: "yes for true", env: both(env{"READ_ONLY": "maybe"})},
		{name: "an unknown flag", args: []string{"--integrate"}, usage: true},
		{name: "a secret as a flag", args: []string{"--slack-token", botOf}, usage: true},
		{name: "an unknown command", args: []string{"chek"}, usage: true},
		{name: "a file of settings, and none", args: []string{"--env-file", "x", "--no-env-file"}, usage: true},
		{name: "send without a secret", args: []string{"send", "--text", "hello"}, usage: true},
		{name: "setup without a way for Slack", args: []string{"setup"}, usage: true},
		{name: "an unknown client", args: []string{"client-config", "claude"}, usage: true},
	}
}

// TestMistakes holds what a person is told of each mistake to testdata/mistakes.txt, which a person has read: the setting,
// what is wrong, and what to do. The start and check say the same, with the same exit code, and no secret.
func TestMistakes(t *testing.T) {
	path, err := filepath.Abs("testdata/mistakes.txt") // each mistake has a directory of its own
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	list := mistakes()
	if len(list) < 40 {
		t.Errorf("%d mistakes", len(list))
	}
	for _, m := range list {
		told, code := m.try(t, m.args)
		fmt.Fprintf(&got, "== %s (%d)\n%s\n", m.name, code, told)
		if code == exitOK || code == exitFailed {
			t.Errorf("%s ends with %d: %s", m.name, code, told)
		}
		for _, secret := range []string{secretOf, "1111-2222-abcdef", "A1-2-abcdef"} {
			if strings.Contains(told, secret) {
				t.Errorf("%s tells the secret: %s", m.name, told)
			}
		}
		if m.usage {
			continue
		}
		if checked, checkCode := m.try(t, append([]string{"check"}, m.args...)); checkCode != code || checked != told {
			t.Errorf("%s: check ends with %d, the start with %d:\n%s", m.name, checkCode, code, cmp.Diff(told, checked))
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("read what has changed, and take it with -update (-file +now):\n%s", diff)
	}
}

// try makes the mistake in a directory of its own and returns what stands on stderr, without the names of the
// directory.
func (m mistake) try(t *testing.T, args []string) (told string, code int) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	files := map[string]string{}
	maps.Copy(files, m.files)
	if m.file != "" {
		files[".env"] = m.file
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"HOME": dir}
	maps.Copy(env, m.env)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	code = run(ctx, world{
		program: program, args: append([]string{}, args...), envNames: slices.Collect(maps.Keys(env)), stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		lookupEnv: func(key string) (string, bool) { v, ok := env[key]; return v, ok },
	})
	return strings.ReplaceAll(errs.String(), dir, "$WORK"), code
}
