package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"slackmcp/config"
)

const canary = "canary-7f3a"

// hidden is a Secret where fmt cannot ask its methods.
type hidden struct{ inside config.Secret }

func TestSecretsPrintRedacted(t *testing.T) {
	t.Parallel()
	one := config.NewSecret(canary)
	several := config.Secrets{one, one}
	url := config.NewSecretURL("redis://user:" + canary + "@h:6379/0?password=" + canary)
	whole := config.Config{Slack: config.Slack{SigningSecrets: several, BotToken: one}, Queue: config.Queue{RedisURL: url}}
	for _, value := range []any{one, &one, several, url, &url, whole, &whole, hidden{one}, &hidden{one}, []any{one}, map[string]any{"k": url}, map[config.Secret]int{one: 1}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%10.3s", "%U", "%w"} {
			if text := fmt.Sprintf(verb, value); leaks(text) {
				t.Errorf("%s of %T shows the secret: %s", verb, value, text)
			}
		}
		if text := fmt.Sprint(value) + fmt.Sprintln(value); leaks(text) {
			t.Errorf("Print of %T shows the secret: %s", value, text)
		}
		if text, err := json.Marshal(value); err == nil && leaks(string(text)) {
			t.Errorf("JSON of %T shows the secret: %s", value, text)
		}
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("value", slog.Any("v", value))
		slog.New(slog.NewJSONHandler(&out, nil)).Info("value", slog.Any("v", value))
		if leaks(out.String()) {
			t.Errorf("slog of %T shows the secret: %s", value, out.String())
		}
	}
}

// leaks looks for the secret as it is and in the notations of %x and %X.
func leaks(text string) bool {
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func TestSecretTexts(t *testing.T) {
	t.Parallel()
	unset, set := config.NewSecret(""), config.NewSecret("x")
	if unset.IsSet() || unset.String() != "" || unset.Reveal() != "" || !unset.Equal(config.Secret{}) {
		t.Error("an empty text is not an unset secret")
	}
	if !set.IsSet() || set.String() != config.Redacted || set.Reveal() != "x" || !set.Equal(config.NewSecret("x")) || set.Equal(unset) {
		t.Error("a set secret does not keep its text")
	}
	if text := fmt.Sprintf("%d %x %#v %v", set, config.Secrets{set}, set, config.NewSecretURL("redis://:p@h")); text != "[redacted] [redacted] [redacted] redis://[redacted]@h" {
		t.Errorf("printed as %s", text)
	}
	if text, err := json.Marshal(set); err != nil || string(text) != `"[redacted]"` {
		t.Errorf("JSON %s, %v", text, err)
	}
	for _, tc := range []struct{ full, shown string }{
		{"", ""},
		{"redis://h:6379/0", "redis://h:6379/0"},
		{"redis://:pw@h/1?a=b", "redis://[redacted]@h/1"},
		{"unix:///run/redis.sock?password=pw", "unix:///run/redis.sock"},
		{"nats://t@a:1,nats://b:2", "nats://[redacted]@a:1,nats://b:2"},
		{"mailto:x", config.Redacted},
		{"%zz", config.Redacted},
	} {
		if got := config.NewSecretURL(tc.full).String(); got != tc.shown {
			t.Errorf("%q is shown as %q, want %q", tc.full, got, tc.shown)
		}
	}
}
