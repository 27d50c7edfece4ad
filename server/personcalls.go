package server

import (
	"context"
	"errors"
	"fmt"

	"slackmcp/mcp/access"
	"slackmcp/mcp/tools"
	"slackmcp/signin"
	"slackmcp/signin/slack"
	"slackmcp/slackapi"
)

// personCalls makes the calls of those who have signed in, each with their own grant. It is a tools.People.
type personCalls struct {
	*signInSide
	client *slackapi.Client // whose connections and limits they share
}

// personCalls returns who makes people's calls; nil where nobody signs in.
func (s *signInSide) personCalls(client *slackapi.Client) tools.People {
	if s == nil || client == nil {
		return nil
	}
	return personCalls{s, client}
}

// Slack implements tools.People.
func (c personCalls) Slack(_ context.Context, who access.SignIn) (*slackapi.Person, error) {
	return c.as(who.Person)
}

// as returns who makes a person's calls.
func (c personCalls) as(p access.Person) (*slackapi.Person, error) {
	return c.client.Person(slackapi.PersonOptions{
		Who: p.Host + " " + p.Enterprise + " " + p.String(), Team: p.Team,
		Token: func(ctx context.Context) (string, error) {
			token, err := c.slack.Token(ctx, p)
			if errors.As(err, new(*signin.RefusedError)) {
				return "", fmt.Errorf("%w: %w", slackapi.ErrSignIn, err)
			}
			return token, err
		},
		OnRefused: func(ctx context.Context, e *slackapi.Error) {
			if e.Kind == slackapi.Auth {
				_ = c.slack.Refused(ctx, p) // the call fails in any case, and its error tells
			}
		},
	})
}

// Granted implements tools.People.
func (c personCalls) Granted(ctx context.Context, who access.SignIn) ([]string, error) {
	g, err := c.grant(ctx, who)
	return g.Scopes, err
}

// Known implements tools.People.
func (c personCalls) Known(ctx context.Context, who access.SignIn) (tools.Known, error) {
	g, err := c.grant(ctx, who)
	if errors.Is(err, access.ErrRevoked) {
		err = nil // the call that asks Slack finds it out too, and ends the sign-ins
	}
	return tools.Known{Team: g.Home, Guest: g.Guest, Zone: g.Zone}, err
}

func (c personCalls) grant(ctx context.Context, who access.SignIn) (slack.Info, error) {
	g, err := c.slack.Grant(ctx, who.Person)
	switch {
	case errors.As(err, new(*signin.RefusedError)):
		return slack.Info{}, fmt.Errorf("%w: %w", access.ErrRevoked, err)
	case err != nil:
		return slack.Info{}, fmt.Errorf("%w: %w", access.ErrUnavailable, err)
	}
	return g, nil
}
