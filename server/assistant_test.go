package server_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// TestAnAssistantStartsNoRule posts with a person's token to a server whose rule acts on everything, also on
// what our own app does. Then a person types.
func TestAnAssistantStartsNoRule(t *testing.T) {
	t.Parallel()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	file := `rules: [{name: all, include_self: true, ordered: channel, when: {type: message, channel: ` + sandbox.Random + `}, post: {channel: ` + sandbox.General + `, text: "saw {{.text}}"}}]`
	if err := os.WriteFile(rules, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPeopled(t, map[string]string{"RULES_FILE": rules, "SLACK_SIGNING_SECRET": sandbox.DefaultSigningSecret})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- p.box.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		t.Log("the workspace ended:", <-ran)
	})
	if err := p.box.SetRequestURL(t.Context(), p.base+"/slack/events"); err != nil {
		t.Fatal(err)
	}
	bot, err := slackapi.New(slackapi.Options{BotToken: sandbox.DefaultBotToken, UserToken: sandbox.DefaultUserToken, URL: p.cfg.Slack.APIURL})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*slackapi.Client{bot.AsUser(), bot} {
		if _, err := c.PostMessage(t.Context(), slackapi.Post{Channel: sandbox.Random, Text: map[bool]string{true: "the assistant", false: "the bot"}[c != bot]}); err != nil {
			t.Fatal(err)
		}
		p.delivered(t)
	}
	if _, err := p.box.PostAs("bob", "#random", "a person", sandbox.Saying{}); err != nil {
		t.Fatal(err)
	}
	var saw []string
	for deadline := time.Now().Add(time.Minute); !slices.Contains(saw, "saw a person") && time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		page, err := bot.History(t.Context(), slackapi.HistoryQuery{Channel: sandbox.General, Limit: 5})
		if err != nil {
			t.Fatal(err)
		}
		saw = nil
		for _, m := range slices.Backward(page.Messages) {
			if strings.HasPrefix(m.Text, "saw ") {
				saw = append(saw, m.Text)
			}
		}
	}
	if want := []string{"saw the bot", "saw a person"}; !slices.Equal(saw, want) {
		t.Errorf("the rule posted %q, want %q", saw, want)
	}
}

// delivered waits until the server has what the sandbox sent.
func (p peopled) delivered(t *testing.T) {
	t.Helper()
	waits := func(d sandbox.Delivery) bool { return d.State == sandbox.Pending }
	for deadline := time.Now().Add(time.Minute); slices.ContainsFunc(p.box.Deliveries(), waits); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server does not take what Slack sends")
		}
	}
}
