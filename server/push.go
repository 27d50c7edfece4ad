package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"slackmcp/config"
	"slackmcp/internal/egress"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/events"
	"slackmcp/mcp/notify"
	"slackmcp/store/state"
)

// callbackTimeout bounds one post to a subscriber.
const callbackTimeout = 10 * time.Second

// push says how events reach the assistants that asked for them.
func (b *builder) push() (mcp.Push, error) {
	c := b.cfg.MCP.Push
	p := mcp.Push{}
	if c.Profile == config.PushDraft {
		p.Codes, p.StrictUnsubscribe = events.DraftCodes(), true
	}
	if !c.Webhooks || b.state == nil {
		return p, nil
	}
	client, err := egress.New(egress.Options{
		HTTPSOnly: true, Hosts: c.CallbackHosts, Networks: c.CallbackNetworks, Timeout: callbackTimeout,
	})
	if err != nil {
		return p, err
	}
	p.Webhooks = notify.Options{
		State: sharedState{b.state}, Client: client, Exclusive: b.cfg.Queue.Backend.Embedded(), Valid: b.mayStay,
		OwnIDs: c.WebhookID == config.MessageWebhookID, MaxPerPrincipal: c.MaxSubscriptions, TTL: c.TTL, Backlog: c.Backlog,
		Observe: b.metrics.Push.Observe,
	}
	return p, nil
}

// mayStay reports whether a principal's subscriptions stay: its token is still one of
// the settings' and may read events, or its issuer still the one that is trusted.
func (s *Server) mayStay(principal, credential string) bool {
	switch {
	case principal == mcp.StdioPrincipal:
		return s.cfg.MCP.Transport == config.Stdio
	case s.tokens != nil && s.tokens.Valid(principal, credential, access.Events):
		return true
	}
	o := s.cfg.MCP.OAuth
	return o.Enabled() && strings.HasPrefix(principal, access.OAuthPrefix+o.Issuer+"#")
}

// sharedState shows the state as the assistants' side wants it.
type sharedState struct{ state.Store }

func (s sharedState) Get(ctx context.Context, key string) (notify.Entry, error) {
	e, err := s.Store.Get(ctx, key)
	return notify.Entry(e), stateFault(err)
}

func (s sharedState) Put(ctx context.Context, key string, value []byte, ttl time.Duration, c notify.Condition) (string, error) {
	version, err := s.Store.Put(ctx, key, value, state.Put{TTL: ttl, IfVersion: c.IfVersion, IfAbsent: c.IfAbsent})
	return version, stateFault(err)
}

func (s sharedState) Delete(ctx context.Context, key, ifVersion string) error {
	return stateFault(s.Store.Delete(ctx, key, ifVersion))
}

func (s sharedState) List(ctx context.Context, prefix, after string, limit int) ([]notify.Entry, error) {
	list, err := s.Store.List(ctx, prefix, after, limit)
	entries := make([]notify.Entry, len(list))
	for i, e := range list {
		entries[i] = notify.Entry(e)
	}
	return entries, err
}

func (s sharedState) Watch(ctx context.Context, prefix string, fn func(key string)) error {
	return s.Store.Watch(ctx, prefix, func(c state.Change) { fn(c.Key) })
}

// stateFault adds the sentinel by which the assistants' side knows an error.
func stateFault(err error) error {
	switch {
	case errors.Is(err, state.ErrNotFound):
		return errors.Join(err, notify.ErrNotFound)
	case errors.Is(err, state.ErrConflict):
		return errors.Join(err, notify.ErrConflict)
	}
	return err
}
