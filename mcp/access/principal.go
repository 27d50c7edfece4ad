package access

import (
	"context"
	"slices"
)

// A Scope is one kind of permission.
type Scope string

const (
	// Read lets a caller read from Slack.
	Read Scope = "read"
	// Events lets a caller read and wait for received events.
	Events Scope = "events"
	// Write lets a caller change things in Slack.
	Write Scope = "write"
	// Admin lets a caller work the queue: redrive, replay, drop.
	Admin Scope = "admin"
)

// OAuthPrefix begins the names of principals that an authorization server vouches for;
// its issuer and "#" follow.
const OAuthPrefix = "oauth:"

// A Principal is an authenticated caller. It is immutable.
type Principal struct {
	// Name identifies the caller in logs and binds its sessions: the token's name, or
	// issuer and subject of a JWT.
	Name   string
	Scopes []Scope
	// Credential identifies the token that was shown, without telling it: what a
	// principal leaves behind can end with the token. Empty where tokens come and go, as
	// JWTs do.
	Credential string
	// Anonymous reports that nobody was asked who they are.
	Anonymous bool

	life context.Context //nolint:containedctx // ends with the token; nil where nobody is told of that
}

// during returns ctx as it is for a request of this principal: it also ends, with the
// cause ErrRevoked, when the token does. done releases it.
func (p *Principal) during(ctx context.Context) (_ context.Context, done func()) {
	if p.life == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { cancel(context.Cause(p.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Has reports whether the principal was given the scope.
func (p *Principal) Has(s Scope) bool { return p != nil && slices.Contains(p.Scopes, s) }

type contextKey struct{}

// With returns a context that carries the principal.
func With(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the principal of a context, or nil when nobody was authenticated.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(contextKey{}).(*Principal)
	return p
}
