package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/mcp/toolset"
	"slackmcp/server/web"
	"slackmcp/slackapi"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/rule"
)

// How long to wait before Slack is asked again who we are.
const (
	firstAsk = time.Second
	lastAsk  = 5 * time.Minute
	// askRefused is the pause while Slack refuses the token: it may be valid again.
	askRefused = time.Minute
	// askKnown is the pause while all is well. Another replica may have been told what this
	// one was not, or the app is not subscribed to the events.
	askKnown = 15 * time.Minute
	// hintPause is the least pause after a hint, so that calls that fail ask little.
	hintPause = 10 * time.Second
)

// identity asks Slack, beside everything else, who the tokens are and what they may do.
// That Slack is out of reach at start is a warning: the tools are offered as if the
// tokens had every scope until it answers. It is asked again now and then, and after a hint
// that a token is valid no more.
type identity struct {
	slack   *slackapi.Client
	hasUser bool
	alone   bool // the user token is the only one, and bot below is its owner
	grant   func(toolset.Grant)
	log     *slog.Logger
	state   atomic.Pointer[string]
	// refusal is what Slack says of the token; nil unless it refuses it.
	refusal atomic.Pointer[slackapi.Error]
	hints   chan struct{}

	known chan struct{}     // closed once Slack has said who the bot is
	bot   slackapi.Identity // set before known is closed

	// For run alone: whether Slack took the user token, and when a hint was tested last.
	user   bool
	tested time.Time
}

func newIdentity(c *slackapi.Client, hasUser bool, log *slog.Logger) *identity {
	return &identity{slack: c, hasUser: hasUser, alone: c.Personal(), log: log, hints: make(chan struct{}, 1), known: make(chan struct{}), user: true}
}

// The states that health answers show.
const (
	slackUnknown     = "initialized"
	slackKnown       = "connected"
	slackRefused     = "token_refused"
	slackUnreachable = "unreachable"
)

// set notes a state and reports whether it is another than before.
func (i *identity) set(state string) bool {
	old := i.state.Swap(&state)
	return old == nil || *old != state
}

// String is what is known of Slack's side, without asking it; a nil identity has no token.
func (i *identity) String() string {
	if i == nil {
		return "not_initialized"
	}
	if s := i.state.Load(); s != nil {
		return *s
	}
	return slackUnknown
}

// What an operator does when Slack refuses the token.
const (
	refusedRemedy     = "check SLACK_BOT_TOKEN: install the app to the workspace again, at api.slack.com/apps, Install App, copy its Bot User OAuth Token and restart"
	refusedUserRemedy = "check SLACK_USER_TOKEN: install the app to the workspace again, at api.slack.com/apps, Install App, copy its User OAuth Token and restart"
)

// problem is the problem that Slack refuses the token.
func (i *identity) problem() (p web.Problem) {
	switch err := i.refusal.Load(); {
	case err == nil:
	case i.alone:
		p.What, p.Remedy = "slack refuses the user token ("+err.Code+")", refusedUserRemedy
	default:
		p.What, p.Remedy = "slack refuses the bot token ("+err.Code+")", refusedRemedy
	}
	return p
}

// logRefused says that Slack refuses the token.
func (i *identity) logRefused(ctx context.Context, code string) {
	if i.alone {
		i.log.LogAttrs(ctx, slog.LevelError, "slack refuses the user token", slog.String("code", code), slog.String("remedy", refusedUserRemedy))
		return
	}
	i.log.LogAttrs(ctx, slog.LevelError, "slack refuses the bot token", slog.String("code", code), slog.String("remedy", refusedRemedy))
}

// received takes Slack's word that the app was uninstalled or a token revoked for a hint.
// It may be another workspace's app, or another token: only Slack's answer counts.
func (i *identity) received(o *webhook.Observation) {
	if i == nil || o.Source != event.SourceSlack || o.Outcome != webhook.Accepted && o.Outcome != webhook.Duplicate {
		return
	}
	if o.Kind.Type == "tokens_revoked" || o.Kind.Type == "app_uninstalled" {
		i.hint()
	}
}

// called takes a call that Slack refused for its token for a hint.
func (i *identity) called(c slackapi.CallInfo) {
	if i != nil && c.Outcome == string(slackapi.Auth) && c.Method != "auth.test" {
		i.hint()
	}
}

// hint lets Slack be asked soon. It never waits.
func (i *identity) hint() {
	select {
	case i.hints <- struct{}{}:
	default: // it will be asked
	}
}

// run asks until ctx is done.
func (i *identity) run(ctx context.Context) error {
	backoff := wait.Backoff{First: firstAsk, Most: lastAsk}
	for ctx.Err() == nil {
		i.ask(ctx)
		pause := askKnown
		switch i.String() {
		case slackUnreachable:
			pause = backoff.Next()
		case slackRefused:
			pause = askRefused
		default:
			backoff.Reset()
		}
		select {
		case <-i.hints:
			_ = wait.Sleep(ctx, i.afterHint()) // the loop ends with ctx
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// afterHint returns how long to wait before a hint is tested: not at all the first time.
func (i *identity) afterHint() time.Duration {
	if now := time.Now(); now.Sub(i.tested) > hintPause {
		i.tested = now
		return 0
	}
	return hintPause
}

// ask asks Slack who the tokens are and notes the answer.
func (i *identity) ask(ctx context.Context) {
	bot, err := i.slack.AuthTest(ctx)
	switch fault, ok := errors.AsType[*slackapi.Error](err); {
	case ctx.Err() != nil:
	case err == nil:
		i.knows(ctx, bot)
	case ok && fault.Kind == slackapi.Auth:
		i.refusal.Store(fault)
		if i.set(slackRefused) {
			i.logRefused(ctx, fault.Code)
			i.give(toolset.Grant{HasUser: i.hasUser, Alone: i.alone, Refused: fault})
		}
	default:
		// What Slack said before still holds: nothing was heard that is against it.
		if i.String() != slackRefused && i.set(slackUnreachable) {
			i.log.LogAttrs(ctx, slog.LevelWarn, "slack cannot be reached now; its tools will fail until it can", slog.String("error", err.Error()))
		}
	}
}

// knows notes who the bot is, and what the tokens may do.
func (i *identity) knows(ctx context.Context, bot slackapi.Identity) {
	select {
	case <-i.known:
	default:
		i.bot = bot
		close(i.known)
	}
	g := toolset.Grant{Known: true, Bot: bot.Scopes, HasUser: i.hasUser, Alone: i.alone}
	switch {
	case i.alone:
		g.Bot, g.User = nil, bot.Scopes
	case i.hasUser:
		user, err := i.slack.AsUser().AuthTest(ctx)
		if err != nil {
			if i.user {
				i.log.LogAttrs(ctx, slog.LevelWarn, "slack refuses the user token; its tools are hidden", slog.String("error", err.Error()))
			}
			g.HasUser = false
		}
		i.user, g.User = err == nil, user.Scopes
	}
	i.refusal.Store(nil)
	i.give(g)
	if i.set(slackKnown) {
		i.log.LogAttrs(ctx, slog.LevelInfo, "connected to slack", slog.String("team", bot.TeamID), slog.String("user", bot.UserID))
	}
}

func (i *identity) give(g toolset.Grant) {
	if i.grant != nil {
		i.grant(g)
	}
}

// self waits until Slack has said who the bot is. Where the token is a person's there is none: the person
// types as well, and that is no doing of our app.
func (i *identity) self(ctx context.Context) (rule.Self, error) {
	select {
	case <-i.known:
		if i.bot.BotID == "" {
			return rule.Self{}, nil
		}
		return rule.Self{UserID: i.bot.UserID, BotID: i.bot.BotID}, nil
	case <-ctx.Done():
		return rule.Self{}, ctx.Err()
	}
}

// botUser waits until Slack has said who the bot is, and returns its user; "" where there is no bot.
func (i *identity) botUser(ctx context.Context) (string, error) {
	if i == nil {
		return "", nil
	}
	self, err := i.self(ctx)
	return self.UserID, err
}
