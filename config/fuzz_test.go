package config_test

import (
	"strings"
	"testing"

	"slackmcp/config"
)

// FuzzEnvFile loads arbitrary .env files. It holds that Load never panics, that a
// secret never shows in an error or a warning, and that a value
// loads again from how it is shown.
func FuzzEnvFile(f *testing.F) {
	f.Add(config.EnvExample())
	f.Add("export SLACK_BOT_TOKEN='xoxb-1' # bot\nPORT=80\r\nLOG_LEVEL=WARNING\n")
	f.Add("WEBHOOK_SECRET=\"a\\u00e9\\ud83d\\ude00\"\nTRUSTED_PROXIES=10.0.0.0/8, ::1\n")
	f.Add("MCP_TOKENS=a:read+admin:canary\nRETENTION_AGE=1w2d3h\nMAX_BODY_BYTES=1.5MiB\nMCP_MOUNT_PATH=//\n")
	f.Add("REDIS_URL=redis://:canary@h/%zz\nQUEUE_BACKEND=redis\nSLACK_SIGNING_SECRETS=x\n=\n#\n'\n")
	f.Fuzz(func(t *testing.T, content string) {
		const marked = "marked-canary-secret"
		content += "\nWEBHOOK_SECRET=" + marked + "\nSLACK_SIGNING_SECRET=" + marked + "\n"
		c, err := config.Load(config.Sources{EnvFile: ".env", ReadFile: files(map[string]string{".env": content})})
		shown := strings.Join(c.Warnings, "\n")
		if err != nil {
			shown += err.Error()
		}
		if strings.Contains(shown, marked) {
			t.Errorf("a secret is shown:\n%s", shown)
		}
		if err != nil {
			return
		}
		if got := c.Senders.Webhook.Reveal(); got != marked {
			t.Errorf("the last line gives %q", got)
		}
		for _, setting := range config.Settings() {
			if !setting.Secret() && c.Origin(setting.Key).Kind == config.FromEnvFile {
				reload(t, setting.Key, c.Shown(setting.Key))
			}
		}
	})
}

// reload sets one setting to a value as it was shown, and wants it shown so again.
func reload(t *testing.T, key, shown string) {
	t.Helper()
	c, err := config.Load(config.Sources{LookupEnv: env(map[string]string{key: shown})})
	if got := c.Shown(key); got != shown {
		t.Errorf("%s=%q loads again as %q: %v", key, shown, got, err)
	}
}
