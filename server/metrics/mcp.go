package metrics

import (
	"context"
	"errors"

	"slackmcp/mcp/access"
	"slackmcp/mcp/guard"
	"slackmcp/mcp/notify"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/transport"
	"slackmcp/mcp/visibility"
	"slackmcp/slackapi"
)

// The outcomes of a tool call.
const (
	callOK        = "ok"
	callArguments = "invalid_arguments"
	callRefused   = "refused"
	callSlack     = "slack_error"
	callCanceled  = "canceled"
	callError     = "error"
)

// toolBuckets reach to the longest wait of the waiting tools.
var toolBuckets = []float64{.005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// unauthorizedReasons are those of package access.
var unauthorizedReasons = []string{"invalid_request", "unauthorized", "invalid_token", "bound_token", "insufficient_scope", "temporarily_unavailable"}

// MCP are the metrics of the assistants' side.
type MCP struct {
	r            *Registry
	calls        *Counter
	duration     *Histogram
	unauthorized *Counter
	bounds       *Counter
	unknown      *Counter

	sessions, streams, subscriptions, running                     *Reading
	requests, refused, panics, opened, sessionsFull, streamsCount *Reading
	streamsFull, streamsCut, updates, coalesced, shares           *Reading
	conversations, members, people, lookups                       *Reading
}

func newMCP(r *Registry, tools []string) *MCP {
	tool := Closed("tool", tools...)
	tool.Note = "the tools of docs/tools.md"
	return &MCP{
		r:             r,
		calls:         r.Counter("mcp_tool_calls_total", "Tool calls that ended, by outcome.", tool, Closed("outcome", callOK, callArguments, callRefused, callSlack, callCanceled, callError)),
		duration:      r.Histogram("mcp_tool_call_duration_seconds", "Time that a tool call took; that of the tools that wait for events is mostly waiting.", toolBuckets, tool),
		unauthorized:  r.Counter("mcp_unauthorized_total", "Requests to the MCP endpoint that were turned away for their token, by reason.", Closed("reason", unauthorizedReasons...)),
		sessions:      r.Reading(GaugeKind, "mcp_sessions", "Sessions that this process serves."),
		streams:       r.Reading(GaugeKind, "mcp_streams", "Streams that are open: GET, SSE and listen."),
		subscriptions: r.Reading(GaugeKind, "mcp_subscriptions", "Pairs of a client and a resource that it follows."),
		running:       r.Reading(GaugeKind, "mcp_running_requests", "MCP requests that run now."),
		requests:      r.Reading(CounterKind, "mcp_requests_total", "MCP requests that were begun."),
		refused:       r.Reading(CounterKind, "mcp_refused_total", "MCP requests that were refused for their Host, for their Origin, or because too many ran.", Closed("reason", "host", "origin", "busy")),
		panics:        r.Reading(CounterKind, "mcp_panics_total", "MCP handlers that panicked."),
		opened:        r.Reading(CounterKind, "mcp_sessions_opened_total", "Sessions that were opened."),
		shares:        r.Reading(CounterKind, "mcp_share_refused_total", "What was refused because the caller had its share (MCP_SHARE), by what it was.", Closed("of", "sessions", "streams", "calls", "bodies", "queues", "subscriptions", "connections")),
		bounds:        r.Counter("mcp_bounds_refused_total", "Calls and reads that were refused because as much was in use as may be, by what it was (too_many_waits, too_many_reads; of idle connections the oldest one of the caller was closed) and whether the caller had its share or all callers together had all.", Closed("of", "waits", "reads", "idle_connections"), Closed("whose", "share", "all")),
		unknown:       r.Counter("visibility_unknown_total", "Times that an event was not shown to a person because it was not known whether they may see it, by what was not known; Slack was asked, and the event is shown once it has said yes.", Closed("need", visibility.Needs()...)),
		conversations: r.Reading(GaugeKind, "visibility_conversations", "Conversations whose kind is known well enough to judge by it."),
		members:       r.Reading(GaugeKind, "visibility_members", "Memberships of private conversations that are known well enough to judge by them."),
		people:        r.Reading(GaugeKind, "visibility_people", "Users of the workspace of whom it is known well enough whether they are guests, deactivated or full members."),
		lookups:       r.Reading(GaugeKind, "visibility_lookups", "Look-ups at Slack that somebody who reads events waits for."),
		sessionsFull:  r.Reading(CounterKind, "mcp_sessions_refused_total", "Sessions that were refused for want of room."),
		streamsCount:  r.Reading(CounterKind, "mcp_streams_opened_total", "Streams that were opened."),
		streamsFull:   r.Reading(CounterKind, "mcp_streams_refused_total", "Streams that were refused for want of room."),
		streamsCut:    r.Reading(CounterKind, "mcp_streams_cut_total", "Streams that were ended because their client took nothing."),
		updates:       r.Reading(CounterKind, "mcp_updates_total", "Changes of resources that somebody follows."),
		coalesced:     r.Reading(CounterKind, "mcp_updates_coalesced_total", "Changes that were told together with another one."),
	}
}

// Called counts one tool call that ended.
func (m *MCP) Called(o toolset.Outcome) {
	outcome := callError
	_, arguments := errors.AsType[*toolset.ArgumentError](o.Err)
	_, refused := errors.AsType[*guard.RefusedError](o.Err)
	_, slack := errors.AsType[*slackapi.Error](o.Err)
	switch {
	case o.Err == nil:
		outcome = callOK
	case arguments:
		outcome = callArguments
	case refused:
		outcome = callRefused
	case errors.Is(o.Err, context.Canceled):
		outcome = callCanceled
	case slack:
		outcome = callSlack
	}
	m.calls.With(o.Tool, outcome).Inc()
	m.duration.With(o.Tool).Observe(o.Duration.Seconds())
}

// Bound counts a call or a read that was refused because it came to a bound that the transport
// does not count.
func (m *MCP) Bound(b access.Bound) {
	whose := "all"
	if b.Share {
		whose = "share"
	}
	if b.Of == "waits" || b.Of == "reads" || b.Of == "idle_connections" {
		m.bounds.With(b.Of, whose).Inc()
	}
}

// Unauthorized counts a request that was turned away.
func (m *MCP) Unauthorized(reason string) { m.unauthorized.With(reason).Inc() }

// Unknown counts an event that was not shown for want of knowledge.
func (m *MCP) Unknown(need string) { m.unknown.With(need).Inc() }

// WatchVisibility reads at each scrape how much is known of who may see what. It is called once.
func (m *MCP) WatchVisibility(j interface{ Stats() visibility.Stats }) {
	m.r.Read(func(put Put) {
		s := j.Stats()
		put(m.conversations, float64(s.Conversations))
		put(m.members, float64(s.Pairs))
		put(m.people, float64(s.People))
		put(m.lookups, float64(s.Pending))
	}, m.conversations, m.members, m.people, m.lookups)
}

// Watch reads the transport at each scrape. It is called once.
func (m *MCP) Watch(t interface{ Stats() transport.Stats }) {
	m.r.Read(func(put Put) {
		s := t.Stats()
		put(m.sessions, float64(s.Sessions))
		put(m.streams, float64(s.Streams))
		put(m.subscriptions, float64(s.Subscriptions))
		put(m.running, float64(s.Calls))
		put(m.requests, float64(s.CallsTotal))
		put(m.refused, float64(s.RefusedHostTotal), "host")
		put(m.refused, float64(s.RefusedOriginTotal), "origin")
		put(m.refused, float64(s.BusyTotal), "busy")
		put(m.panics, float64(s.PanicsTotal))
		put(m.opened, float64(s.SessionsTotal))
		put(m.sessionsFull, float64(s.SessionsFullTotal))
		put(m.shares, float64(s.SharesTotal.Sessions), "sessions")
		put(m.shares, float64(s.SharesTotal.Streams), "streams")
		put(m.shares, float64(s.SharesTotal.Calls), "calls")
		put(m.shares, float64(s.SharesTotal.Bodies), "bodies")
		put(m.shares, float64(s.SharesTotal.Queues), "queues")
		put(m.shares, float64(s.SharesTotal.Subscriptions), "subscriptions")
		put(m.shares, float64(s.SharesTotal.Connections), "connections")
		put(m.streamsCount, float64(s.StreamsTotal))
		put(m.streamsFull, float64(s.StreamsFullTotal))
		put(m.streamsCut, float64(s.StreamsCutTotal))
		put(m.updates, float64(s.UpdatesTotal))
		put(m.coalesced, float64(s.CoalescedTotal))
	}, m.sessions, m.streams, m.subscriptions, m.running, m.requests, m.refused, m.panics,
		m.opened, m.sessionsFull, m.streamsCount, m.streamsFull, m.streamsCut, m.updates, m.coalesced, m.shares)
}

// pushBuckets reach to the timeout of a post.
var pushBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Push are the metrics of what is posted to subscribers.
type Push struct {
	r                     *Registry
	attempts              *Counter
	duration              *Histogram
	subscriptions, worked *Reading
}

func newPush(r *Registry) *Push {
	return &Push{
		r: r,
		attempts: r.Counter("mcp_event_deliveries_total",
			"Posts to subscribers, by outcome: accepted, retried (it failed and is tried again), skipped (the receiver wants this event no more), dead (the last try failed); and challenges, verified or refused.",
			Closed("outcome", "accepted", "retried", "skipped", "dead", "verified", "refused")),
		duration:      r.Histogram("mcp_event_delivery_duration_seconds", "Time until a subscriber accepted an event.", pushBuckets),
		subscriptions: r.Reading(GaugeKind, "mcp_event_subscriptions", "Webhook subscriptions that there are, on all replicas."),
		worked:        r.Reading(GaugeKind, "mcp_event_subscriptions_worked", "Webhook subscriptions that this process delivers to."),
	}
}

// Observe counts one attempt.
func (m *Push) Observe(o notify.Observation) {
	m.attempts.With(o.Outcome).Inc()
	if o.Outcome == "accepted" {
		m.duration.With().Observe(o.Duration.Seconds())
	}
}

// Watch reads the notifier at each scrape. It is called once.
func (m *Push) Watch(e interface{ Stats() notify.Stats }) {
	m.r.Read(func(put Put) {
		s := e.Stats()
		put(m.subscriptions, float64(s.Subscriptions))
		put(m.worked, float64(s.Working))
	}, m.subscriptions, m.worked)
}

// callBuckets reach to the bound of one attempt.
var callBuckets = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15}

// maxMethods bounds the Slack methods that have a label value of their own; there are about 60.
const maxMethods = 128

// Slack are the metrics of calls to Slack's Web API.
type Slack struct {
	r        *Registry
	calls    *Counter
	duration *Histogram
	waited   *Counter

	remaining, burst, paused *Reading
	sockets                  *Reading
}

func newSlack(r *Registry) *Slack {
	method := Bounded("method", maxMethods, "the methods that this program calls")
	words := []string{"ok"}
	for _, k := range slackapi.Kinds() {
		words = append(words, string(k))
	}
	return &Slack{
		r:         r,
		calls:     r.Counter("slack_api_calls_total", "Attempts at calls of Slack's Web API, and calls that the limiter held back, by outcome.", method, Closed("outcome", words...)),
		duration:  r.Histogram("slack_api_call_duration_seconds", "Time that an attempt at a call took.", callBuckets, method),
		waited:    r.Counter("slack_api_wait_seconds_total", "Time that calls waited for Slack's rate limit before they were sent.", method),
		remaining: r.Reading(GaugeKind, "slack_api_budget_remaining", "Calls of a method that may be sent at once before the limiter makes them wait; below 0 calls wait already.", method),
		burst:     r.Reading(GaugeKind, "slack_api_budget_limit", "The most that slack_api_budget_remaining can be.", method),
		paused:    r.Reading(GaugeKind, "slack_api_paused_seconds", "How much longer Slack asked us not to call a method (429).", method),
		sockets:   r.Reading(GaugeKind, "slack_socket_connections", "Connections of Socket Mode that Slack can deliver over to this process. It is there only with SOCKET_MODE."),
	}
}

// Observe counts one attempt, or a call that was held back.
func (m *Slack) Observe(c slackapi.CallInfo) {
	m.calls.With(c.Method, c.Outcome).Inc()
	if c.Waited > 0 {
		m.waited.With(c.Method).Add(c.Waited.Seconds())
	}
	if c.Duration > 0 {
		m.duration.With(c.Method).Observe(c.Duration.Seconds())
	}
}

// WatchSocket reads the connections of Socket Mode at each scrape. It is called once.
func (m *Slack) WatchSocket(c interface{ Connections() int }) {
	m.r.Read(func(put Put) { put(m.sockets, float64(c.Connections())) }, m.sockets)
}

// Watch reads the limiter at each scrape. It is called once.
func (m *Slack) Watch(c interface{ Budgets() []slackapi.Budget }) {
	m.r.Read(func(put Put) {
		for _, b := range c.Budgets() {
			put(m.remaining, b.Remaining, b.Method)
			put(m.burst, float64(b.Burst), b.Method)
			put(m.paused, b.Paused.Seconds(), b.Method)
		}
	}, m.remaining, m.burst, m.paused)
}
