package server

import (
	"context"
	"errors"
	"testing"
	"time"

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
