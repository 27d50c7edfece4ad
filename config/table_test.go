package config_test

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slackmcp/config"
)

// TestRows holds what every row of the table promises.
func TestRows(t *testing.T) {
	t.Parallel()
	help := regexp.MustCompile(`^[A-Z][a-zA-Z].{1,105}[^.]$`)
	for _, s := range config.Settings() {
		for _, rule := range []struct {
			kept bool
			text string
		}{
			{s.Secret() == (s.Flag == ""), "a secret has no flag, everything else has one"},
			{slices.Contains(config.Sections(), s.Section), "its section is listed"},
			{help.MatchString(s.Help), "help is one short sentence without its full stop"},
			{s.More == "" || strings.HasSuffix(s.More, "."), "further sentences end in a full stop"},
			{s.Default == "" || s.DefaultNote == "", "a default needs no note"},
			{s.Secret() || s.Default+s.DefaultNote != "", "what is no secret has a default, or a note of what happens"},
		} {
			if !rule.kept {
				t.Errorf("%s: %s", s.Key, rule.text)
			}
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]string{"--env-file": "the loader", "--no-env-file": "the loader"}
	for _, s := range config.Settings() {
		for _, name := range append(s.Aliases, s.Key, s.FileKey(), "--"+s.Flag) {
			if other, taken := seen[name]; taken && name != "" && name != "--" {
				t.Errorf("%s belongs to %s and to %s", name, other, s.Key)
			}
			seen[name] = s.Key
		}
	}
}

// TestDefaultsAndExamplesParse loads each default and each example from the environment.
func TestDefaultsAndExamplesParse(t *testing.T) {
	t.Parallel()
	for _, s := range config.Settings() {
		for _, value := range []string{s.Default, s.Example} {
			if value == "" || s.Key == "SANDBOX" {
				continue
			}
			vars := enough(map[string]string{s.Key: strings.ReplaceAll(value, "-...", "-1"), "PUBLIC_URL": "https://p.example", "MCP_OAUTH_ISSUER": "https://i.example"})
			if strings.HasPrefix(s.Key, "TLS_") {
				vars["TLS_CERT_FILE"], vars["TLS_KEY_FILE"] = "c", "k" // each asks for the other
				vars[s.Key] = value
			}
			if strings.HasPrefix(s.Key, "SIGN_IN_") {
				delete(vars, "MCP_OAUTH_ISSUER")
				vars["IDENTITY_KEYS_FILE"], vars["SLACK_CLIENT_ID"], vars["SLACK_CLIENT_SECRET"] = "k", "1.2", "s"
			}
			c := load(t, config.Sources{LookupEnv: env(vars)})
			if got := c.Shown(s.Key); s.Secret() && strings.Contains(got, value) && s.Kind == config.KindSecret {
				t.Errorf("%s is shown as %q", s.Key, got)
			} else if got == "" {
				t.Errorf("%s=%s is lost", s.Key, value)
			}
		}
	}
}

// derived are fields that follow from others and so have no row.
var derived = []string{"Mode", "Warnings", "Queue.Because", "MCP.NoAuth"}

// TestEveryFieldHasASetting sets every setting to something else than its default and
// looks for fields of Config that stayed as they were.
func TestEveryFieldHasASetting(t *testing.T) {
	t.Parallel()
	before := load(t, config.Sources{LookupEnv: env(map[string]string{"SLACK_SIGNING_SECRET": "s"})})
	vars := map[string]string{
		"SLACK_SIGNING_SECRET": "other", "SLACK_BOT_TOKEN": "xoxb-sandbox-1", "SLACK_USER_TOKEN": "xoxp-sandbox-1", "SLACK_USER_TOKEN_READS": "y",
		"SANDBOX": "yes", "HOST": "::1", "PORT": "1", "RETRY": "1", "OTEL_SERVICE_NAME": "other", "OTEL_TRACES_SAMPLER": "always_off", "OTEL_TRACES_SAMPLER_ARG": "0.5", "OTEL_SDK_DISABLED": "y", "MAX_IN_FLIGHT": "2", "UNVERIFIED_PER_MINUTE": "1", "MAX_CONNECTIONS": "16", "TIMESTAMP_TOLERANCE": "1", "REQUIRE_HTTPS": "y", "READ_ONLY": "y", "MASS_MENTIONS": "y", "REMOTE_CONTENT": "no", "ASSISTANT_LINE": "no", "SENDS_PER_MINUTE": "1", "LOCKDOWN": "y", "WORKERS": "1",
		"QUEUE_BACKEND_TYPE": "nats", "DATA_DIR": "/d", "MCP_TRANSPORT": "streamable-http", "LOG_LEVEL": "error", "LOG_FORMAT": "json",
		"SQLITE_SYNCHRONOUS": "normal", "MCP_MOUNT_PATH": "/m", "SLACK_API_URL": "http://h/", "MCP_MAX_SESSIONS": "9", "MCP_MAX_STREAMS": "8", "MCP_MAX_CALLS": "7", "MCP_MAX_WAITS": "6", "MCP_SHARE": "50", "NAMES_CHANNELS": "1000", "NAMES_USERS": "1001",
		"MAX_BODY_BYTES": "2048", "MAX_ATTEMPTS": "1", "TARGET_PATIENCE": "1h",
		"JOURNAL_EVENTS": "1", "JOURNAL_BYTES": "1MiB", "DRAIN_TIMEOUT": "1", "SLACK_EVENTS_TOPIC": "t", "DEDUPE_TTL": "1h", "RETENTION_AGE": "1h",
		"RETENTION_COUNT": "1", "TEXT_INDEX": "no", "REDIS_MAX_CONNECTIONS": "7", "WEBHOOK_SECRET": "a", "WEBHOOK_PROVIDER": "vonage", "PRINT_RECEIPTS": "false", "CONTACT_WEBHOOK_SECRET": "b", "STRIPE_WEBHOOK_SECRET": "c",
		"MCP_AUTH_TOKEN": "dddddddddddddddd", "ADMIN_TOKEN": "e", "SLACK_APP_TOKEN": "xapp-sandbox-1", "SOCKET_MODE": "y", "GAP_AFTER": "1m", "SOCKET_CONNECTIONS": "1",
		"EVENTS_WEBHOOKS": "no", "SPEAK_AS": "bot", "MCP_CHANNEL": "y", "EVENTS_PROFILE": "draft", "EVENTS_WEBHOOK_ID": "message", "EVENTS_SUBSCRIPTIONS": "1",
		"EVENTS_SUBSCRIPTION_TTL": "1h", "EVENTS_BACKLOG": "1h",
	}
	maps.Copy(vars, map[string]string{"REPLICAS": "3", "NATS_REPLICAS": "3", "K_SERVICE": "s"})
	for _, s := range config.Settings() {
		if _, ok := vars[s.Key]; !ok && s.Example != "" {
			vars[s.Key] = s.Example
		}
	}
	vars["SIGN_IN_SCOPES"], vars["SIGN_IN_GUESTS"] = "read", "y"
	delete(vars, "SIGN_IN_TEAMS") // it excludes MCP_OAUTH_ISSUER; see TestSignIn
	delete(vars, "BACKUPS")       // it is for sqlite; see TestBackups
	after := load(t, config.Sources{LookupEnv: env(vars)})
	same := unchanged(reflect.ValueOf(before), reflect.ValueOf(after), "")
	for _, field := range same {
		if !slices.Contains(append(derived, "SignIn.Teams", "Queue.Backups.Dir", "Queue.Backups.Every", "Queue.Backups.Keep"), field) {
			t.Errorf("Config.%s did not change: no setting reaches it, or this test sets it to its default", field)
		}
	}
}

// unchanged lists the exported fields in which two structs are equal.
func unchanged(a, b reflect.Value, path string) []string {
	var same []string
	for i := range a.NumField() {
		field := a.Type().Field(i)
		name := strings.TrimPrefix(path+"."+field.Name, ".")
		switch {
		case !field.IsExported():
		case field.Type.Kind() == reflect.Struct && reflect.Indirect(a.Field(i)).NumField() > 0 && field.Type.Field(0).IsExported():
			same = append(same, unchanged(a.Field(i), b.Field(i), name)...)
		case reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			same = append(same, name)
		}
	}
	return same
}
