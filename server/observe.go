package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"slackmcp/config"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/server/audit"
	"slackmcp/server/metrics"
	"slackmcp/server/traces"
	"slackmcp/server/web"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
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

// measure makes the registry of the metrics, before what is measured.
func (b *builder) measure(context.Context) error {
	tools, err := mcp.ToolNames()
	if err != nil {
		return err
	}
	b.metrics = metrics.New(metrics.Options{Version: b.version, Sources: b.sourceNames(), Tools: tools})
	b.proxies = b.cfg.Listen.TrustedProxies
	return nil
}

// trace makes the tracer, when there is a collector. It ends with what ends last, so that
// the spans of the drain are sent too.
func (b *builder) trace(ctx context.Context) (err error) {
	t := b.cfg.Trace
	if t.URL() == "" {
		return nil
	}
	b.traces, err = traces.New(ctx, traces.Options{
		URL: t.URL(), Headers: t.HeaderMap(), Service: t.Service, Version: b.version, Attributes: t.AttributeMap(),
		Sampler: t.Sampler, Ratio: t.Ratio, Logger: b.log, Exported: b.metrics.Process.Exported,
	})
	if err != nil {
		return err
	}
	b.readers = append(b.readers, part{"traces", func(ctx context.Context) error {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cfg.Drain)
		defer cancel()
		if err := b.traces.Close(end); err != nil {
			return fmt.Errorf("the last traces were not sent: %w", err)
		}
		return nil
	}})
	return nil
}

// incoming continues the trace that an assistant's request belongs to.
func (s *Server) incoming(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(s.traces.Incoming(r.Context(), r.Header)))
	})
}

// enterHandler begins the span of a handler's call; nil without a tracer.
func (s *Server) enterHandler() func(context.Context, string, string, queue.Delivery) context.Context {
	if s.traces == nil {
		return nil
	}
	return s.traces.EnterHandler
}

// enterTool begins the span of a tool call; nil without a tracer.
func (s *Server) enterTool() func(context.Context, string) context.Context {
	if s.traces == nil {
		return nil
	}
	return s.traces.EnterTool
}

// trail opens the audit trail, when there is to be one.
func (b *builder) trail(context.Context) error {
	o := audit.Options{Scrub: b.cfg.Scrubbed, Logger: b.log, Written: b.metrics.Process.Audited}
	switch where := b.cfg.Log.Audit; where {
	case "":
		return nil
	case config.AuditStdout:
		o.Writer = b.stdout
	case config.AuditStderr:
		o.Writer = b.stderr
	default:
		o.Path = where
	}
	if o.Path == "" && o.Writer == nil {
		o.Writer = io.Discard // an embedding program that gave none
	}
	l, err := audit.New(o)
	if err != nil {
		return &config.Error{Problems: []config.Problem{{
			Setting: "AUDIT_LOG", What: "cannot be written (" + err.Error() + ")",
			Remedy: "name a file in a directory that this user may write to, or stderr or stdout",
		}}}
	}
	b.audit = l
	b.reloads = append(b.reloads, l.Reopen)
	return nil
}
