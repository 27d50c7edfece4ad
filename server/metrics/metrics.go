// Package metrics is what an operator's Prometheus sees of the process: one registry
// of our own, and a struct for each subject (receiving, queue, handlers, Slack's API,
// assistants). It is the only importer of the Prometheus client. The packages below
// server know nothing of it: they call a hook when something happens (an OnObserve or OnCall
// option) or answer a Stats method, and server joins the two.
//
// Promises: a label's values come from a closed list, or are bounded in number, whatever
// a sender or an assistant sends ([Closed], [Bounded]); no value is a secret, an address,
// an id or a text of an event. [Receive.Observe], which runs once for each delivery,
// allocates nothing and takes no lock. docs/metrics.md is made from the registry, and
// the dashboard and the alert rules in deploy/ are checked against it.
//
// # How to add a metric
//
//  1. Let the package report: extend its Observation or Stats, or give its Options a
//     callback. It must not import this package.
//  2. Take the subject's struct here, or add one: a struct with the instruments, and a
//     constructor that [New] calls with the registry. r.Counter, r.Gauge and r.Histogram
//     are for what is reported; r.Reading with r.Read is for what is looked up when
//     /metrics is asked for. The name is given without the common prefix, has a unit
//     (_seconds, _bytes) and ends in _total when it only grows. Every label is Closed or
//     Bounded.
//  3. Join them where server composes the package, such as receive.go: pass the method
//     of your struct as the callback.
//  4. Run `make docs` for docs/metrics.md, and add a panel to
//     deploy/grafana/slack-webhook-server.json when an operator should look at it.
package metrics

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"

	"slackmcp/server/audit"
	"slackmcp/store/queue"
	"slackmcp/webhook/gaps"
	"slackmcp/webhook/worker"
)

// Options say which values the closed labels have. The zero value is for documents.
type Options struct {
	// Version is this build's.
	Version string
	// Sources are the senders that are served.
	Sources []string
	// Tools are the names of all tools that there are.
	Tools []string
}

// Metrics are all metrics of one process, each under its subject.
type Metrics struct {
	*Registry
	Listener *Listener
	Process  *Process
	Receive  *Receive
	Store    *Store
	Handlers *Handlers
	Slack    *Slack
	MCP      *MCP
	Push     *Push
	Gaps     *Gaps
}

// New returns the metrics of a process. What a process does not do shows no values.
func New(o Options) *Metrics {
	r := newRegistry()
	m := &Metrics{
		Registry: r,
		Listener: newListener(r),
		Process:  newProcess(r),
		Receive:  newReceive(r, o.Sources),
		Store:    newStore(r),
		Handlers: newHandlers(r),
		Slack:    newSlack(r),
		MCP:      newMCP(r, o.Tools),
		Push:     newPush(r),
		Gaps:     newGaps(r),
	}
	build(r, o.Version)
	return m
}

// build says which program this is, and lets Go's runtime and the process speak.
func build(r *Registry, version string) {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := r.Gauge("build_info", "1, with the program's version, the revision that it was built from, and Go's version.",
		Bounded("version", 1, "the version of the build"), Bounded("revision", 1, "the commit of the build"), Bounded("go_version", 1, "Go's version"))
	g.With(version, revision, runtime.Version()).Set(1)
	r.prom.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
}

// Process are the metrics of what the process keeps for operators.
type Process struct{ records, errors, spans *Counter }

func newProcess(r *Registry) *Process {
	var words []string
	for _, e := range audit.Events() {
		words = append(words, string(e))
	}
	event := Closed("event", words...)
	return &Process{
		records: r.Counter("audit_records_total", "Lines of the audit trail.", event),
		spans:   r.Counter("trace_spans_total", "Spans that were sent to the collector, by whether it took them.", Closed("outcome", "ok", "error")),
		errors:  r.Counter("audit_errors_total", "Lines of the audit trail that could not be written.", event),
	}
}

// Exported counts spans that were sent.
func (m *Process) Exported(spans int, ok bool) {
	outcome := "error"
	if ok {
		outcome = "ok"
	}
	m.spans.With(outcome).Add(float64(spans))
}

// Audited counts a line of the audit trail.
func (m *Process) Audited(e audit.Event, ok bool) {
	if !ok {
		m.errors.With(string(e)).Inc()
		return
	}
	m.records.With(string(e)).Inc()
}

// Listener are the metrics of what stands in front of all routes.
type Listener struct {
	r       *Registry
	reloads *Counter
	expires *Reading

	connections, refused *Reading
}

func newListener(r *Registry) *Listener {
	return &Listener{
		r:       r,
		reloads: r.Counter("tls_reloads_total", "Renewed certificates that were found in the files, by whether they could be used.", Closed("outcome", "ok", "error")),
		expires: r.Reading(GaugeKind, "tls_certificate_not_after_timestamp_seconds", "When the certificate that is served expires, in Unix time."),

		connections: r.Reading(GaugeKind, "http_connections", "Connections that are open on the main listener."),
		refused:     r.Reading(CounterKind, "http_connections_refused_total", "Connections that were closed to make room for newcomers, because MAX_CONNECTIONS were open."),
	}
}

// WatchConnections reads the listener at each scrape. It is called once.
func (m *Listener) WatchConnections(count func() (open, gaveWay int64)) {
	m.r.Read(func(put Put) {
		open, gaveWay := count()
		put(m.connections, float64(open))
		put(m.refused, float64(gaveWay))
	}, m.connections, m.refused)
}

// Reloaded counts a renewed certificate.
func (m *Listener) Reloaded(ok bool) {
	outcome := "error"
	if ok {
		outcome = "ok"
	}
	m.reloads.With(outcome).Inc()
}

// WatchCertificate reads the certificate's end at each scrape. It is called once.
func (m *Listener) WatchCertificate(notAfter func() time.Time) {
	m.r.Read(func(put Put) { put(m.expires, float64(notAfter().Unix())) }, m.expires)
}

// Gaps are the metrics of the times in which events may have been missed.
type Gaps struct {
	r        *Registry
	recorded *Counter
	open     *Reading
}

func newGaps(r *Registry) *Gaps {
	var kinds []string
	for _, k := range gaps.Kinds() {
		kinds = append(kinds, string(k))
	}
	return &Gaps{
		r: r,
		recorded: r.Counter("slack_gaps_recorded_total",
			"Gaps in the received events that were recorded, or grew, by how they were noticed.",
			Closed("kind", kinds...)),
		open: r.Reading(GaugeKind, "slack_gaps_open", "Gaps in the received events that are not filled."),
	}
}

// Recorded counts one.
func (m *Gaps) Recorded(kind string) { m.recorded.With(kind).Inc() }

// gapsPatience bounds the look at the state at each scrape.
const gapsPatience = time.Second

// Watch reads how many are open at each scrape. It is called once.
func (m *Gaps) Watch(open func(ctx context.Context) (int, error)) {
	m.r.Read(func(put Put) {
		ctx, cancel := context.WithTimeout(context.Background(), gapsPatience)
		defer cancel()
		if n, err := open(ctx); err == nil {
			put(m.open, float64(n))
		}
	}, m.open)
}

// workBuckets reach to a handler's default deadline of a minute.
var workBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// The outcomes of one handler's attempt.
const (
	attemptDone      = "done"
	attemptError     = "error"
	attemptPermanent = "permanent"
	attemptDeadline  = "deadline"
	attemptPanic     = "panic"
)

// Handlers are the metrics of the work on events.
type Handlers struct {
	attempts *Counter
	retries  *Counter
	duration *Histogram
	trips    *Counter
}

func newHandlers(r *Registry) *Handlers {
	group := Bounded("group", maxGroups, "the registered consumer groups")
	return &Handlers{
		attempts: r.Counter("handler_attempts_total", "Calls of handlers, by how each ended. A permanent error, and the last of the attempts, ends in the dead letters.", group,
			Closed("outcome", attemptDone, attemptError, attemptPermanent, attemptDeadline, attemptPanic)),
		retries:  r.Counter("handler_retries_total", "Calls of handlers for an event that had failed before.", group),
		duration: r.Histogram("handler_duration_seconds", "Time that a handler took for one event.", workBuckets, group),
		trips:    r.Counter("handler_breaker_trips_total", "Times that a rule's breaker opened, because the rule acted too often.", group),
	}
}

// Observe counts one call of a handler.
func (m *Handlers) Observe(o worker.Observation) {
	outcome := attemptError
	_, panicked := errors.AsType[*worker.PanicError](o.Err)
	switch {
	case o.Err == nil:
		outcome = attemptDone
	case panicked:
		outcome = attemptPanic
	case queue.IsPermanent(o.Err):
		outcome = attemptPermanent
	case errors.Is(o.Err, context.DeadlineExceeded):
		outcome = attemptDeadline
	}
	m.attempts.With(o.Group, outcome).Inc()
	if o.Attempt > 1 {
		m.retries.With(o.Group).Inc()
	}
	m.duration.With(o.Group).Observe(o.Duration.Seconds())
}

// Breaker counts a rule's breaker that opened.
func (m *Handlers) Breaker(rule string, open bool) {
	if open {
		m.trips.With("rule." + rule).Inc()
	}
}

// statsTimeout bounds what one scrape waits for the store.
const statsTimeout = 2 * time.Second

// maxGroups bounds the consumer groups that have a label value of their own.
const maxGroups = 100

// Store are the metrics of the queue, read from the store itself: on a shared store
// every replica shows the same figures. Aggregate them with max, not with sum.
type Store struct {
	r *Registry

	up, info                                *Reading
	accepted, expired, events, seen         *Reading
	waiting, inFlight, retrying, done, dead *Reading
	lost, oldest, stalled, damaged          *Reading
}

func newStore(r *Registry) *Store {
	group := Bounded("group", maxGroups, "the registered consumer groups")
	return &Store{
		r:        r,
		up:       r.Reading(GaugeKind, "queue_up", "Whether the store answered within 2 s: 1 or 0. The other queue metrics are missing while it does not."),
		info:     r.Reading(GaugeKind, "queue_info", "1, with the engine that keeps the queue.", Closed("backend", "memory", "sqlite", "redis", "nats")),
		accepted: r.Reading(CounterKind, "queue_accepted_events_total", "Events that were ever stored, over restarts."),
		expired:  r.Reading(CounterKind, "queue_expired_events_total", "Events that retention removed, over restarts."),
		events:   r.Reading(GaugeKind, "queue_events", "Events that are kept now."),
		seen:     r.Reading(GaugeKind, "queue_seen_ids", "Ids that deduplication remembers."),
		waiting:  r.Reading(GaugeKind, "queue_waiting_events", "Events that a group has not finished: the queue's depth. It includes those in flight and those to be tried again.", group),
		inFlight: r.Reading(GaugeKind, "queue_in_flight_events", "Events that a group's handlers work now.", group),
		retrying: r.Reading(GaugeKind, "queue_retrying_events", "Events of a group that failed and wait for their next attempt.", group),
		done:     r.Reading(CounterKind, "queue_done_events_total", "Events that a group finished, over restarts.", group),
		dead:     r.Reading(GaugeKind, "queue_dead_letters", "Events that a group gave up and that wait to be redriven or dropped.", group),
		lost:     r.Reading(CounterKind, "queue_group_expired_events_total", "Events that retention removed before a group finished them.", group),
		oldest:   r.Reading(GaugeKind, "queue_oldest_waiting_seconds", "Age of the oldest event that a group has not finished; 0 when none waits.", group),
		stalled:  r.Reading(GaugeKind, "queue_stalled", "Whether events of a group are due and nothing is delivered: 1 or 0.", group),
		damaged:  r.Reading(GaugeKind, "queue_damaged", "How many parts of the store are known to be lost or unreadable, and are not accepted by the operator; health names them."),
	}
}

// A StatsReader is a store that counts; a [queue.Queue] is one.
type StatsReader interface {
	Stats(ctx context.Context) (queue.Stats, error)
}

// WatchDamage reads at each scrape how many parts of the store are damaged. It is called once.
func (m *Store) WatchDamage(count func() int) {
	m.r.Read(func(put Put) { put(m.damaged, float64(count())) }, m.damaged)
}

// Watch reads the store at each scrape. It is called once.
func (m *Store) Watch(store StatsReader) {
	m.r.Read(func(put Put) {
		ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
		defer cancel()
		s, err := store.Stats(ctx)
		if err != nil {
			put(m.up, 0)
			return
		}
		put(m.up, 1)
		m.put(put, &s)
	}, m.up, m.info, m.accepted, m.expired, m.events, m.seen,
		m.waiting, m.inFlight, m.retrying, m.done, m.dead, m.lost, m.oldest, m.stalled)
}

func (m *Store) put(put Put, s *queue.Stats) {
	put(m.info, 1, s.Backend)
	put(m.accepted, float64(s.Accepted))
	put(m.expired, float64(s.Expired))
	put(m.events, float64(s.Events))
	put(m.seen, float64(s.SeenIDs))
	for _, g := range s.Groups {
		put(m.waiting, float64(g.Waiting), g.Name)
		put(m.inFlight, float64(g.InFlight), g.Name)
		put(m.retrying, float64(g.Retrying), g.Name)
		put(m.done, float64(g.Done), g.Name)
		put(m.dead, float64(g.Dead), g.Name)
		put(m.lost, float64(g.Expired), g.Name)
		age, stalled := 0.0, 0.0
		if !g.OldestWaiting.IsZero() {
			age = time.Since(g.OldestWaiting).Seconds()
		}
		if !g.StalledSince.IsZero() {
			stalled = 1
		}
		put(m.oldest, age, g.Name)
		put(m.stalled, stalled, g.Name)
	}
}
