package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
	"slackmcp/webhook/rule"
)

// How long to wait before Slack is asked again who we are.
const (
	firstAsk = time.Second
	lastAsk  = 5 * time.Minute
)

// identity asks Slack, beside everything else, who the tokens are and what they may do.
// That Slack is out of reach at start is a warning: the tools are offered as if the
// tokens had every scope until it answers.
type identity struct {
	slack   *slackapi.Client
	hasUser bool
	grant   func(toolset.Grant)
	log     *slog.Logger
	state   atomic.Pointer[string]

	known chan struct{}     // closed once Slack has said who the bot is
	bot   slackapi.Identity // set before known is closed
}

// The states that health answers show.
const (
	slackUnknown     = "initialized"
	slackKnown       = "connected"
	slackRefused     = "token_refused"
	slackUnreachable = "unreachable"
)

func (i *identity) set(state string) { i.state.Store(&state) }

// String is what is known of Slack's side, without asking it.
func (i *identity) String() string {
	if s := i.state.Load(); s != nil {
		return *s
	}
	return slackUnknown
}

// run asks until there is an answer, then waits for the end.
func (i *identity) run(ctx context.Context) error {
	for wait := firstAsk; !i.ask(ctx); wait = min(2*wait, lastAsk) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// ask reports whether nothing more is to be learned.
func (i *identity) ask(ctx context.Context) bool {
	bot, err := i.slack.AuthTest(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return true
		}
		if fault, ok := errors.AsType[*slackapi.Error](err); ok && fault.Kind == slackapi.Auth {
			i.set(slackRefused)
			i.log.LogAttrs(ctx, slog.LevelError, "slack refuses the bot token", slog.String("code", fault.Code),
				slog.String("remedy", "check SLACK_BOT_TOKEN: install the app to the workspace again and copy its Bot User OAuth Token"))
			return true
		}
		if i.String() != slackUnreachable {
			i.log.LogAttrs(ctx, slog.LevelWarn, "slack cannot be reached now; its tools will fail until it can", slog.String("error", err.Error()))
		}
		i.set(slackUnreachable)
		return false
	}
	i.bot = bot
	close(i.known)
	g := toolset.Grant{Known: true, Bot: bot.Scopes, HasUser: i.hasUser}
	if i.hasUser {
		user, err := i.slack.AsUser().AuthTest(ctx)
		if err != nil {
			i.log.LogAttrs(ctx, slog.LevelWarn, "slack refuses the user token; its tools are hidden", slog.String("error", err.Error()))
			g.HasUser = false
		}
		g.User = user.Scopes
	}
	if i.grant != nil {
		i.grant(g)
	}
	i.set(slackKnown)
	i.log.LogAttrs(ctx, slog.LevelInfo, "connected to slack", slog.String("team", bot.TeamID), slog.String("user", bot.UserID))
	return true
}

// self waits until Slack has said who the bot is.
func (i *identity) self(ctx context.Context) (rule.Self, error) {
	select {
	case <-i.known:
		return rule.Self{UserID: i.bot.UserID, BotID: i.bot.BotID}, nil
	case <-ctx.Done():
		return rule.Self{}, ctx.Err()
	}
}
