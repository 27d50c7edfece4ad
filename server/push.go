package server

import (
	"strings"
	"time"

	"slackmcp/config"
	"slackmcp/internal/egress"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/events"
	"slackmcp/mcp/notify"
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
		State: b.state, Client: client, Exclusive: b.cfg.Queue.Backend.Embedded(), Valid: b.mayStay,
		OwnIDs: c.WebhookID == config.MessageWebhookID, MaxPerPrincipal: c.MaxSubscriptions, TTL: c.TTL, Backlog: c.Backlog,
		OnObserve: b.metrics.Push.Observe,
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
