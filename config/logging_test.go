package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"slackmcp/config"
)

func TestLogFormat(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		format   string
		terminal bool
		json     bool
	}{
		{"auto", true, false},
		{"auto", false, true},
		{"text", false, false},
		{"json", true, true},
	} {
		c := load(t, config.Sources{LookupEnv: env(enough(map[string]string{"LOG_FORMAT": tc.format}))})
		var out bytes.Buffer
		config.NewLogger(c, &out, tc.terminal).Info("started", slog.String("addr", "127.0.0.1:1"), slog.Float64("took_seconds", 90.000001))
		if got := strings.HasPrefix(out.String(), "{"); got != tc.json {
			t.Errorf("format %s, terminal %v: %s", tc.format, tc.terminal, out.String())
		}
		took := map[bool]string{true: `"took_seconds":90.000001}`, false: "took=1m30.000001s"}[tc.json]
		if !strings.Contains(out.String(), "127.0.0.1:1") || !strings.Contains(out.String(), took) {
			t.Errorf("an attribute is lost: %s", out.String())
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(enough(map[string]string{"LOG_LEVEL": "Warning"}))})
	var out bytes.Buffer
	log := config.NewLogger(c, &out, false)
	log.Info("quiet")
	log.Warn("heard")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "heard") {
		t.Errorf("log %s", got)
	}
}

// TestLogsAreScrubbed logs secrets in every way, and finds none in the log.
func TestLogsAreScrubbed(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(map[string]string{
		"SLACK_SIGNING_SECRET": "signing-canary,second-canary", "SLACK_BOT_TOKEN": "xoxb-bot-canary", "WEBHOOK_SECRET": "webhook-canary",
		"MCP_TOKENS": "bob:read:a-long-bearer-canary", "REDIS_URL": "redis://user:redis-canary@h", "INTEGRATED": "true",
	})})
	for name, attr := range map[string]slog.Attr{
		"a string":             slog.String("detail", "the key is signing-canary"),
		"the second secret":    slog.String("detail", "second-canary"),
		"an error":             slog.Any("error", fmt.Errorf("call: %w", errors.New("webhook-canary refused"))),
		"a struct":             slog.Any("options", struct{ Key string }{"a-long-bearer-canary"}),
		"an engine's address":  slog.String("url", "redis://user:redis-canary@h"),
		"a password alone":     slog.String("reason", "redis-canary"),
		"an unknown token":     slog.String("text", "got xoxp-1234567890-canary"),
		"a rotated token":      slog.String("text", "got xoxe.xoxb-1234567890-canary"),
		"a header":             slog.String("text", "Authorization: bearer abcdefgh-canary"),
		"a name that says so":  slog.String("authorization", "canary"),
		"a name that ends so":  slog.String("client_secret", "canary"),
		"a value with spaces":  slog.String("password", `a "quoted" canary phrase`),
		"a value after spaces": slog.String("signature", "v0 canary"),
		"no text":              slog.Any("token", []string{"canary"}),
		"a value in a group":   slog.Group("request", slog.String("body", "signing-canary")),
		"the configuration":    slog.Any("config", c),
		"the secrets' holders": slog.Any("senders", c.Senders),
	} {
		for _, terminal := range []bool{true, false} {
			var out bytes.Buffer
			config.NewLogger(c, &out, terminal).With(attr).Error("trouble with signing-canary", attr)
			if strings.Contains(out.String(), "canary") {
				t.Errorf("%s: %s", name, out.String())
			}
			if !terminal && !json.Valid(out.Bytes()) {
				t.Errorf("%s: no longer JSON: %s", name, out.String())
			}
		}
	}
}

func TestLogsKeepTheRest(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(map[string]string{"SLACK_SIGNING_SECRET": "short"})})
	var out bytes.Buffer
	config.NewLogger(c, &out, true).Info("note", slog.String("next_cursor", "abc"), slog.Any("error", errors.New("short read")), slog.Int("n", 7), slog.String("token_file", "/d/mcp-token"))
	for _, want := range []string{"next_cursor=abc", `error="short read"`, "n=7", "token_file=/d/mcp-token"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %s", out.String(), want)
		}
	}
}

func TestConfigLogsWhatWasSet(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(map[string]string{"SLACK_SIGNING_SECRET": canary, "PORT": "8080"}), Flags: map[string]config.Flag{"WORKERS": {Name: "workers", Value: "2"}}})
	var out bytes.Buffer
	config.NewLogger(c, &out, true).Info("configuration", slog.Any("settings", c))
	for _, want := range []string{`settings.port_setting="8080 from environment PORT"`, `settings.workers_setting="2 from --workers"`, `settings.slack_signing_secret_setting="[redacted] from environment SLACK_SIGNING_SECRET"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %s", out.String(), want)
		}
	}
	if strings.Contains(out.String(), "retry") {
		t.Errorf("%s has a default", out.String())
	}
}

func BenchmarkLogLine(b *testing.B) {
	c, err := config.Load(config.Sources{LookupEnv: env(enough(nil))})
	if err != nil {
		b.Fatal(err)
	}
	log := config.NewLogger(c, io.Discard, false)
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "webhook received", slog.String("outcome", "accepted"), slog.Int("status", 200),
			slog.String("source", "slack"), slog.Float64("duration_seconds", 0.001), slog.String("event_id", "Ev0123456789"),
			slog.String("kind", "message"), slog.String("team", "T012345678"), slog.String("channel", "C012345678"), slog.Int("bytes", 1000))
	}
}

// TestLearnedSecretsAreScrubbed tells a configuration of secrets after its logger was
// made, as files name them and as a rotation brings them.
func TestLearnedSecretsAreScrubbed(t *testing.T) {
	t.Parallel()
	const old, further = "canary-of-the-start", "canary-of-a-file"
	c := load(t, config.Sources{LookupEnv: env(map[string]string{"SLACK_SIGNING_SECRET": old})})
	renewed := load(t, config.Sources{LookupEnv: env(map[string]string{
		"SLACK_SIGNING_SECRET": "renewed-canary", "INTEGRATED": "true", "SLACK_BOT_TOKEN": "xoxb-1", "MCP_TOKENS": "bob:read:a-renewed-bearer-canary",
	})})
	renewed.Learn("a-renewed-file's-canary")
	var out bytes.Buffer
	log := config.NewLogger(c, &out, false).With(slog.String("made_before", "yes"))
	trail := c.Scrubbed(&out)
	c.Learn(further, `a canary with "quotes" and <angles>`, "postgres://u:password-canary@db/x", "short")
	c.LearnFrom(renewed)
	for _, text := range []string{
		old, further, `a canary with "quotes" and <angles>`, "password-canary", "renewed-canary", "a-renewed-bearer-canary", "a-renewed-file's-canary",
		"canary-of-the-start-canary-of-a-file", "canary-of-the-startcanary-of-a-file",
	} {
		log.Info("trouble", slog.String("error", text), slog.Any("nested", []string{"x" + text + "x"}))
		if _, err := fmt.Fprintln(trail, text); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(out.String(), "canary") {
		t.Errorf("a secret is told:\n%s", out.String())
	}
	if log.Info("short"); !strings.Contains(out.String(), `"short"`) {
		t.Errorf("a short word is taken for a secret:\n%s", out.String())
	}
}

// TestOverlappingSecretsGoWhole wants no end of a secret to stay where another begins in it.
func TestOverlappingSecretsGoWhole(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(enough(nil))})
	c.Learn("abcdefgh1234", "1234ijklmnop", "abcdefgh")
	var out bytes.Buffer
	w := c.Scrubbed(&out)
	for _, line := range []string{"<abcdefgh1234ijklmnop>", "<abcdefgh>", "<abcdefgh1234>", "<abcdefgh><1234ijklmnop"} {
		out.Reset()
		if n, err := w.Write([]byte(line)); err != nil || n != len(line) {
			t.Errorf("Write = %d, %v", n, err)
		}
		if want := map[bool]string{true: "<[redacted]>", false: "<[redacted]><[redacted]"}[strings.HasSuffix(line, ">")]; out.String() != want {
			t.Errorf("%s became %s, want %s", line, out.String(), want)
		}
	}
}

// TestLearnedSecretsAreBounded rotates far more often than is kept: the settings' own and
// the newest are known, and the oldest no longer held.
func TestLearnedSecretsAreBounded(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{LookupEnv: env(map[string]string{"SLACK_SIGNING_SECRET": "of-the-settings"})})
	var out bytes.Buffer
	w := c.Scrubbed(&out)
	number := func(n int) string { return fmt.Sprintf("secret-number-%06d", n) }
	c.Learn(number(0), number(1))
	for n := 2; n < 5000; n++ {
		c.Learn(number(0), number(n)) // the first stays in force
	}
	known := func(text string) bool {
		out.Reset()
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		return out.String() == config.Redacted
	}
	for text, want := range map[string]bool{"of-the-settings": true, number(0): true, number(4999): true, number(5000 - 4095): true, number(5000 - 4096): false, number(1): false} {
		if known(text) != want {
			t.Errorf("%s is known: %v, want %v", text, !want, want)
		}
	}
	c.Learn(strings.Repeat("x", 1<<20))
	c.Learn(strings.Repeat("y", 1<<20))
	if known(number(4999)) || !known(strings.Repeat("y", 1<<20)) || !known("of-the-settings") {
		t.Error("2 MiB are not the bound")
	}
}
