package config_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/config"
)

func TestEnvFileDialect(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, line, want string }{
		{"plain", `WEBHOOK_SECRET=abc`, `abc`},
		{"spaces around", `  WEBHOOK_SECRET =  abc  `, `abc`},
		{"export", `export WEBHOOK_SECRET=abc`, `abc`},
		{"carriage return", "WEBHOOK_SECRET=abc\r", `abc`},
		{"byte order mark", "\ufeffWEBHOOK_SECRET=abc", `abc`},
		{"dollar signs stay", `WEBHOOK_SECRET=a$HOME$$b`, `a$HOME$$b`},
		{"dollar signs stay in double quotes", `WEBHOOK_SECRET="a${HOME}b"`, `a${HOME}b`},
		{"single quotes are literal", `WEBHOOK_SECRET='a"b\n#c'`, `a"b\n#c`},
		{"double quotes know escapes", `WEBHOOK_SECRET="a\"b\tc"`, "a\"b\tc"},
		{"a comment after a space", `WEBHOOK_SECRET=abc # the secret`, `abc`},
		{"a comment and no value", "WEBHOOK_SECRET= # canary\nWEBHOOK_SECRET=x", `x`},
		{"a hash in quotes", `WEBHOOK_SECRET="ab#c"`, `ab#c`},
		{"an equals sign", `WEBHOOK_SECRET=abc==`, `abc==`},
		{"the last line wins", "WEBHOOK_SECRET=one\nWEBHOOK_SECRET=two", `two`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, config.Sources{EnvFile: ".env", ReadFile: files(map[string]string{".env": tc.line})})
			if got := c.Senders.Webhook.Reveal(); got != tc.want {
				t.Errorf("%s gives %q, want %q", tc.line, got, tc.want)
			}
		})
	}
}

func TestEnvFileProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, content, setting, want string }{
		{"a hash that would cut a secret", "\nWEBHOOK_SECRET=ab#canary", "WEBHOOK_SECRET", "has a # in its value, which would begin a comment (in .env:2 WEBHOOK_SECRET)"},
		{"a hash after an escaped quote", `WEBHOOK_SECRET="a\"b"c#canary`, "WEBHOOK_SECRET", "has a # in its value"},
		{"a hash at the beginning", `WEBHOOK_SECRET=#canary`, "WEBHOOK_SECRET", "has a # in its value"},
		{"an open quote", `WEBHOOK_SECRET="canary`, "WEBHOOK_SECRET", "is ill-formed (in .env:1 WEBHOOK_SECRET)"},
		{"an unknown escape", `WEBHOOK_SECRET="canary\x"`, "WEBHOOK_SECRET", "is ill-formed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, config.Sources{EnvFile: ".env", ReadFile: files(map[string]string{".env": tc.content})})
			if !strings.Contains(got[tc.setting], tc.want) {
				t.Errorf("problems %v, want %q", got, tc.want)
			}
			for _, text := range got {
				if strings.Contains(text, "canary") {
					t.Errorf("the secret is shown: %s", text)
				}
			}
		})
	}
}

func TestEnvFileOfAWholeProject(t *testing.T) {
	t.Parallel()
	content := `POSTGRES_PASSWORD="open quote
-----BEGIN KEY-----
abc==
npm-token=1
WEBHOOK_SECRET=ours
SLACK_SIGNING_SECRETS=misspelt
SLACK_TOKEN=other name
REDIS_URI=redis://x
slack_bot_token=lower case
SLACK_BOT_TOKEN xoxb-1
SLACK_APP_TOKEN: xapp-1
PORT
`
	c := load(t, config.Sources{EnvFile: "deploy.env", EnvFileNamed: true, ReadFile: files(map[string]string{"deploy.env": content})})
	if got := c.Senders.Webhook.Reveal(); got != "ours" {
		t.Errorf("webhook secret %q", got)
	}
	want := []string{
		"deploy.env:6 SLACK_SIGNING_SECRETS is not a setting; did you mean SLACK_SIGNING_SECRET?",
		"deploy.env:7 SLACK_TOKEN is not a setting; did you mean SLACK_BOT_TOKEN?",
		"deploy.env:8 REDIS_URI is not a setting; did you mean REDIS_URL?",
		"deploy.env:9 slack_bot_token is not a setting; did you mean SLACK_BOT_TOKEN?",
		"deploy.env:10 has no =, so it sets nothing: write SLACK_BOT_TOKEN=value",
		"deploy.env:11 has no =, so it sets nothing: write SLACK_APP_TOKEN=value",
		"deploy.env:12 has no =, so it sets nothing: write PORT=value",
	}
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestMissingEnvFile(t *testing.T) {
	t.Parallel()
	vars := env(enough(nil))
	t.Run("the default one is silent", func(t *testing.T) {
		t.Parallel()
		c := load(t, config.Sources{LookupEnv: vars, EnvFile: ".env", ReadFile: files(nil)})
		if len(c.Warnings) > 0 {
			t.Errorf("warnings %v", c.Warnings)
		}
	})
	t.Run("a named one is a problem", func(t *testing.T) {
		t.Parallel()
		got := problems(t, config.Sources{LookupEnv: vars, EnvFile: "prod.env", EnvFileNamed: true, ReadFile: files(nil)})
		if !strings.Contains(got["prod.env"], "cannot be read (file does not exist)") {
			t.Errorf("problems %v", got)
		}
	})
	t.Run("one that may not be read is a problem of its rights", func(t *testing.T) {
		t.Parallel()
		denied := func(name string) ([]byte, error) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		got := problems(t, config.Sources{LookupEnv: vars, EnvFile: ".env", ReadFile: denied})
		if !strings.Contains(got[".env"], "cannot be read (permission denied): let the user that runs the program read it (chown or chmod)") {
			t.Errorf("problems %v", got)
		}
	})
	t.Run("none is read when none is named", func(t *testing.T) {
		t.Parallel()
		c := load(t, config.Sources{LookupEnv: vars, ReadFile: files(map[string]string{"": "PORT=1", ".env": "PORT=1"})})
		if c.Listen.Port != 3000 {
			t.Errorf("port %d", c.Listen.Port)
		}
	})
}
