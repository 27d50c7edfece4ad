package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/server/audit"
	"slackmcp/server/web"
	"slackmcp/slackapi"
	"slackmcp/webhook"
	"slackmcp/webhook/worker"
)

// received returns what is told of each delivery: the metrics alone, unless there is a
// trail for the refused ones, or a tracer.
func (b *builder) received() func(*webhook.Observation) {
	count, trail, tracer := b.observe, b.audit, b.traces
	if trail == nil && tracer == nil {
		return count
	}
	return func(o *webhook.Observation) {
		count(o)
		if tracer != nil {
			tracer.Received(o)
		}
		if o.Outcome == webhook.BadSignature || o.Outcome == webhook.Stale {
			trail.Record(context.Background(), refusedSignature(o))
		}
	}
}

func refusedSignature(o *webhook.Observation) audit.Record {
	reason := o.Reason
	if o.Outcome == webhook.Stale {
		reason = string(webhook.Stale)
	}
	return audit.Record{
		Event: audit.SignatureRefused, Outcome: audit.Refused, Reason: reason, Address: web.AddressText(o.Address),
		Source: o.Source, RequestID: o.RequestID, Status: o.Status,
	}
}

// handled is told of each call of a handler.
func (s *Server) handled(ctx context.Context, o worker.Observation) {
	s.metrics.Handlers.Observe(o)
	if s.traces != nil {
		s.traces.Handled(ctx, o)
	}
}

// slackCalled is told of each attempt at a call to Slack.
func (s *Server) slackCalled(ctx context.Context, c slackapi.CallInfo) {
	s.metrics.Slack.Observe(c)
	if s.traces != nil {
		s.traces.SlackCalled(ctx, c)
	}
}

// toolCalled is told of each tool call that ended.
func (s *Server) toolCalled(ctx context.Context, o toolset.Outcome) {
	s.metrics.MCP.Called(o)
	if o.Scope == access.Admin && !o.ReadOnly {
		r := audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: o.Tool, Principal: o.Principal, RequestID: web.RequestID(ctx)}
		if o.Err != nil {
			r.Outcome, r.Reason = audit.Failed, "error"
		}
		s.audit.Record(ctx, r)
	}
	if s.traces != nil {
		s.traces.ToolCalled(ctx, o)
	}
}

// wrote is told of each write to Slack by an assistant.
func (s *Server) wrote(ctx context.Context, w guard.Written) {
	r := audit.Record{
		Event: audit.SlackWrite, Outcome: audit.OK, Principal: w.Principal, Tool: w.Tool, Channel: w.Channel, TS: w.TS,
		RequestID: web.RequestID(ctx),
	}
	switch {
	case w.Refused != "":
		r.Outcome, r.Reason = audit.Refused, w.Refused
	case w.Err != nil:
		r.Outcome, r.Reason = audit.Failed, "error"
	}
	s.audit.Record(ctx, r)
}

// operated is told of what an operator changed by the socket.
func (s *Server) operated(ctx context.Context, operation, group string, err error) {
	r := audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: operation, Target: group}
	if err != nil {
		r.Outcome, r.Reason = audit.Failed, "error"
	}
	s.audit.Record(ctx, r)
}

// tokenUsed is told of each request that a token let in, and records the first of an
// hour.
func (s *Server) tokenUsed(r *http.Request, p *access.Principal) {
	if s.audit == nil {
		return
	}
	address := web.AddressText(s.proxies.Client(r))
	if !s.uses.first(p.Name+" "+address, time.Now()) {
		return
	}
	s.audit.Record(r.Context(), audit.Record{
		Event: audit.TokenUsed, Outcome: audit.OK, Principal: p.Name, Address: address, RequestID: r.Header.Get(web.RequestIDHeader),
	})
}

// uses remembers which tokens were used from where within an hour.
type uses struct {
	mu   sync.Mutex
	seen map[string]time.Time // guarded by mu
}

// The bounds of uses.
const (
	usesEvery = time.Hour
	maxUses   = 10_000
)

func (u *uses) first(key string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.seen[key]; ok && now.Sub(at) < usesEvery {
		return false
	}
	if u.seen == nil || len(u.seen) >= maxUses {
		u.seen = map[string]time.Time{} // to record a use twice is better than to grow
	}
	u.seen[key] = now
	return true
}
