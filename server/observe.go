package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"slackmcp/config"
	"slackmcp/internal/clock"
	"slackmcp/mcp"
	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/server/audit"
	"slackmcp/server/console"
	"slackmcp/server/metrics"
	"slackmcp/server/traces"
	"slackmcp/server/web"
	"slackmcp/slackapi"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
	"slackmcp/webhook/refusals"
	"slackmcp/webhook/worker"
)

// hooks join what the parts report with the metrics, the audit trail, the traces and the
// log. Its methods are the hooks; they are called by many goroutines at once.
type hooks struct {
	metrics *metrics.Metrics
	audit   *audit.Log     // nil without a trail
	traces  *traces.Tracer // nil without a collector
	proxies web.Proxies
	log     *slog.Logger
	// perMinute is how many requests of an address may fail verification.
	perMinute int
	uses      uses
	clock     *clock.Guard
	identity  *identity   // nil without a bot token
	posts     *view.Posts // nil where nobody has to ask it
	// refusals count the requests that were refused, so that log and trail do not grow with them.
	refusals *refusals.Counter
	console  atomic.Pointer[console.Console] // nil where there is none
}

// received returns the hook for each delivery: the metrics and the gaps alone, unless there
// is a trail for the refused ones, or a tracer. ledger is nil where no gaps are kept.
func (h *hooks) received(ledger *gaps.Ledger) func(*webhook.Observation) {
	count := func(o *webhook.Observation) {
		h.metrics.Receive.Observe(o)
		h.identity.received(o)
		if ledger != nil && o.Source == event.SourceSlack {
			noteDelivery(ledger, o)
		}
	}
	if h.audit == nil && h.traces == nil {
		return count
	}
	return func(o *webhook.Observation) {
		count(o)
		if h.traces != nil {
			h.traces.Received(o)
		}
		if !o.Repeated && (o.Outcome == webhook.BadSignature || o.Outcome == webhook.Stale) {
			h.audit.Record(context.Background(), refusedSignature(o))
		}
	}
}

const rateLimited = "app_rate_limited"

// noteDelivery notes a request of Slack's in the ledger, or one that may be.
func noteDelivery(l *gaps.Ledger, o *webhook.Observation) {
	refused := o.Status == http.StatusServiceUnavailable || o.Status == http.StatusTooManyRequests
	switch {
	case o.Outcome == webhook.Accepted, o.Outcome == webhook.Duplicate:
		if o.Kind.Type == rateLimited {
			l.Limited(o.Team, o.At)
			return
		}
		l.Delivered(o.At, o.Retry.Num > 0)
	case refused && (o.Secret > 0 || o.Tries > 0): // what comes over a connection of ours has no secret
		l.Refused(o.At, o.Retry.Num)
	case o.Claimed:
		l.TurnedAway()
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

// routeMCP is where callers of the MCP side are refused.
const routeMCP = "mcp"

// refusedAgain records how many refusals followed one that the trail has.
func (h *hooks) refusedAgain(k refusals.Kind, n int) {
	r := audit.Record{Outcome: audit.Refused, Reason: k.Reason, Principal: k.Principal, Status: k.Status, Count: n}
	if k.Principal == "" {
		r.Address = k.Remote()
	}
	switch {
	case k.Route == routeMCP && k.Outcome == string(audit.CallerRefused):
		r.Event = audit.CallerRefused
	case k.Route == routeSignIn:
		r.Event, r.Status = audit.PersonSignedIn, 0
	case k.Outcome == string(webhook.BadSignature):
		r.Event, r.Source = audit.SignatureRefused, k.Route
	case k.Outcome == string(webhook.Stale):
		r.Event, r.Source, r.Reason = audit.SignatureRefused, k.Route, string(webhook.Stale)
	default:
		return
	}
	h.audit.Record(context.Background(), r)
}

// handled is called after each call of a handler.
func (h *hooks) handled(ctx context.Context, o worker.Observation) {
	h.metrics.Handlers.Observe(o)
	h.tried(attemptOf(o), o.Err)
	if h.traces != nil {
		h.traces.Handled(ctx, o)
	}
}

// slackCalled is called after each attempt at a call to Slack.
func (h *hooks) slackCalled(ctx context.Context, c slackapi.CallInfo) {
	h.identity.called(c)
	h.personCalled(ctx, c)
}

// personCalled is called after each call to Slack with somebody else's token than the bot's.
func (h *hooks) personCalled(ctx context.Context, c slackapi.CallInfo) {
	h.metrics.Slack.Observe(c)
	if h.traces != nil {
		h.traces.SlackCalled(ctx, c)
	}
}

// toolCalled is called after each tool call that ended.
func (h *hooks) toolCalled(ctx context.Context, o toolset.Outcome) {
	h.metrics.MCP.Called(o)
	if o.Scope == access.Admin && !o.ReadOnly {
		r := audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: o.Tool, Principal: o.Principal, RequestID: web.RequestID(ctx)}
		if o.Err != nil {
			r.Outcome, r.Reason = audit.Failed, "error"
		}
		h.audit.Record(ctx, r)
	}
	if h.traces != nil {
		h.traces.ToolCalled(ctx, o)
	}
}

// wrote is called after each write to Slack by an assistant.
func (h *hooks) wrote(ctx context.Context, w guard.Written) {
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
	h.audit.Record(ctx, r)
}

// operated is called after what an operator changed by the socket.
func (h *hooks) operated(ctx context.Context, operation, group string, err error) {
	r := audit.Record{Event: audit.Operation, Outcome: audit.OK, Operation: operation, Target: group}
	if err != nil {
		r.Outcome, r.Reason = audit.Failed, "error"
	}
	h.audit.Record(ctx, r)
}

// tokenUsed is called after each request that a token let in, and records the first of an
// hour.
func (h *hooks) tokenUsed(r *http.Request, p *access.Principal) {
	if h.audit == nil {
		return
	}
	address := web.AddressText(h.proxies.Client(r))
	if !h.uses.first(p.Name+" "+address, time.Now()) {
		return
	}
	h.audit.Record(r.Context(), audit.Record{
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

// newMetrics makes the registry of the metrics, before what is measured.
func newMetrics(version string, sources []string) (*metrics.Metrics, error) {
	tools, err := mcp.ToolNames()
	if err != nil {
		return nil, err
	}
	return metrics.New(metrics.Options{Version: version, Sources: sources, Tools: tools}), nil
}

// newTracer makes the tracer; nil without a collector.
func newTracer(ctx context.Context, t config.Trace, version string, m *metrics.Metrics, log *slog.Logger) (*traces.Tracer, error) {
	if t.URL() == "" {
		return nil, nil //nolint:nilnil // there is no tracer, and that is no error
	}
	return traces.New(ctx, traces.Options{
		URL: t.URL(), Headers: t.HeaderMap(), Service: t.Service, Version: version, Attributes: t.AttributeMap(),
		Sampler: t.Sampler, Ratio: t.Ratio, Logger: log, OnExported: m.Process.Exported,
	})
}

// closeTracer sends the last spans when ctx ends, within the drain time.
func closeTracer(t *traces.Tracer, drain time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if err := t.Close(end); err != nil {
			return fmt.Errorf("the last traces were not sent: %w", err)
		}
		return nil
	}
}

// incoming continues the trace that an assistant's request belongs to.
func (h *hooks) incoming(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(h.traces.Incoming(r.Context(), r.Header)))
	})
}

// enterHandler begins the span of a handler's call; nil without a tracer.
func (h *hooks) enterHandler() func(context.Context, string, string, queue.Delivery) context.Context {
	if h.traces == nil {
		return nil
	}
	return h.traces.EnterHandler
}

// enterTool begins the span of a tool call; nil without a tracer.
func (h *hooks) enterTool() func(context.Context, string) context.Context {
	if h.traces == nil {
		return nil
	}
	return h.traces.EnterTool
}

// newTrail opens the audit trail; nil where there is none.
func newTrail(o Options, m *metrics.Metrics) (*audit.Log, error) {
	a := audit.Options{Scrub: o.Config.Scrubbed, Logger: o.Logger, OnWritten: m.Process.Audited}
	switch where := o.Config.Log.Audit; where {
	case "":
		return nil, nil //nolint:nilnil // there is no trail, and that is no error
	case config.AuditStdout:
		a.Writer = o.Stdout
	case config.AuditStderr:
		a.Writer = o.Stderr
	default:
		a.Path = where
	}
	if a.Path == "" && a.Writer == nil {
		a.Writer = io.Discard // an embedding program that gave none
	}
	l, err := audit.New(a)
	if err != nil {
		return nil, &config.Error{Problems: []config.Problem{{
			Setting: "AUDIT_LOG", What: "cannot be written (" + err.Error() + ")",
			Remedy: "name a file in a directory that this user may write to, or stderr or stdout",
		}}}
	}
	return l, nil
}
