package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slackmcp/config"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/webhook/rule"
)

// TestWhatSlackSaysDecidesTheNextTry holds what becomes of an event whose post failed.
func TestWhatSlackSaysDecidesTheNextTry(t *testing.T) {
	t.Parallel()
	policy := queue.Policy{MaxAttempts: 3, Base: time.Second, Jitter: -1}
	again := queue.Verdict{Delay: time.Second}
	for name, tc := range map[string]struct {
		err  error
		want queue.Verdict
	}{
		"a rate limit":           {&slackapi.Error{Kind: slackapi.RateLimited, RetryAfter: 30 * time.Second}, queue.Verdict{Delay: 30 * time.Second}},
		"Slack out of order":     {&slackapi.Error{Kind: slackapi.Unavailable}, again},
		"a deadline before":      {&slackapi.Error{Kind: slackapi.Canceled}, again},
		"a code of tomorrow":     {&slackapi.Error{Kind: slackapi.Internal}, again},
		"something else":         {context.DeadlineExceeded, again},
		"no such channel":        {&slackapi.Error{Kind: slackapi.NotFound}, queue.Verdict{Dead: true}},
		"a missing scope":        {&slackapi.Error{Kind: slackapi.MissingScope}, queue.Verdict{Dead: true}},
		"a revoked token":        {&slackapi.Error{Kind: slackapi.Auth}, queue.Verdict{Dead: true}},
		"a text that is refused": {&slackapi.Error{Kind: slackapi.TooLarge}, queue.Verdict{Dead: true}},
		"what may have happened": {&slackapi.Error{Kind: slackapi.Ambiguous}, queue.Verdict{Dead: true}},
	} {
		if got := policy.Next(1, tried(tc.err)); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
	if err := tried(nil); err != nil {
		t.Errorf("tried(nil) = %v", err)
	}
	if err := errors.Unwrap(tried(&slackapi.Error{Kind: slackapi.Auth})); err == nil {
		t.Error("the cause is lost")
	}
}

// TestAPersonIsNoBot has the token of a bot and that of a person, who types as well.
func TestAPersonIsNoBot(t *testing.T) {
	t.Parallel()
	for token, want := range map[rule.Self]rule.Self{
		{UserID: "UBOT", BotID: "BBOT"}: {UserID: "UBOT", BotID: "BBOT"},
		{UserID: "UPERSON"}:             {},
	} {
		i := &identity{known: make(chan struct{}), bot: slackapi.Identity{UserID: token.UserID, BotID: token.BotID}}
		close(i.known)
		self, err := i.self(t.Context())
		if bot, failed := i.botUser(t.Context()); self != want || bot != want.UserID || err != nil || failed != nil {
			t.Errorf("with the token of %+v we are %+v, and the bot is %q (%v, %v)", token, self, bot, err, failed)
		}
	}
}

// TestRulesNameSourcesThatThereAre has a rule for a source of the sources file, whose secret is not at
// hand, and one for a source that there is not.
func TestRulesNameSourcesThatThereAre(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sources, rules := filepath.Join(dir, "sources.yaml"), filepath.Join(dir, "rules.yaml")
	var c config.Config
	c.Senders.SourcesFile = sources
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(sources, "sources: [{name: shop, provider: shopify, secret_env: ABSENT, keep_headers: x-shopify-shop-domain}]")
	for text, want := range map[string]string{
		"{source: shop, type: orders/paid, match: {header:X-Shopify-Shop-Domain: a}}": "",
		"{source: contact_created}":            "",
		"{source: shpo}":                       "there is no source shpo",
		"{source: contact_created, type: new}": "no event of contact_created can be of the type",
	} {
		write(rules, "rules: [{name: a, when: "+text+", log: {}}]")
		if _, err := CheckRules(c, rules); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
