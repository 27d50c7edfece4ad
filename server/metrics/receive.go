package metrics

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"slackmcp/webhook"
	"slackmcp/webhook/event"
)

// ackBuckets are fit for a sender that gives up after three seconds.
var ackBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 1.5, 2, 2.5, 3, 5}

// ackDeadline is when Slack gives an answer up (docs.slack.dev/apis/events-api).
const ackDeadline = 3 * time.Second

// noSource is the label of a path that no sender was given.
const noSource = "none"

// maxSecrets bounds how many secrets of a source have a label value of their own.
const maxSecrets = 4

var (
	verifyReasons  = []string{"missing", "malformed", "mismatch", "stale"}
	publishReasons = []string{"full", "closed", "timeout", "store"}
	retryReasons   = []string{"http_timeout", "too_many_redirects", "connection_failed", "ssl_error", "http_error", "unknown_error", "unknown"}
	retryNumbers   = []string{"1", "2", "3"}
)

// maxSources bounds how many senders have a label value of their own at once.
const maxSources = 1000

// Receive are the metrics of deliveries. Observe is safe for concurrent use and
// allocates nothing.
type Receive struct {
	by       bySource
	sources  atomic.Pointer[map[string]*source] // the map is not changed
	changing sync.Mutex                         // held while another map is made
	nobody   *source
	other    func() *source // of senders whose route was closed meanwhile

	publishErrors map[string]prometheus.Counter // by reason
	publishTries  prometheus.Counter
	retries       map[string]map[string]prometheus.Counter // by number and reason
	rateLimited   prometheus.Counter
	heldBack      prometheus.Counter

	r               *Registry
	inFlight, bytes *Reading
	delayed         *Reading
	hour            *hour
	now             func() time.Time
}

// bySource are the metrics with a label for the source.
type bySource struct {
	deliveries, refused, secrets, bytes *Counter
	ack, publish                        *Histogram
	skew                                *Gauge
}

// A source is what is counted of one sender, each counter found once.
type source struct {
	outcomes map[webhook.Outcome]prometheus.Counter
	refused  map[string]prometheus.Counter // by reason
	secrets  [maxSecrets]prometheus.Counter
	ack      prometheus.Observer
	publish  prometheus.Observer
	bytes    prometheus.Counter
	skew     prometheus.Gauge
}

func newReceive(r *Registry, names []string) *Receive {
	m := &Receive{by: newBySource(r), now: time.Now, hour: &hour{}}
	sources := map[string]*source{}
	for _, name := range append([]string{noSource}, names...) {
		sources[name] = m.by.of(name)
	}
	m.sources.Store(&sources)
	m.nobody, m.other = sources[noSource], sync.OnceValue(func() *source { return m.by.of(Other) })
	m.shared(r)
	return m
}

func newBySource(r *Registry) bySource {
	of := Bounded("source", maxSources, "the senders that are served, or none where a path is nobody's")
	var words, numbers []string
	for _, o := range webhook.Outcomes() {
		words = append(words, string(o))
	}
	for i := range maxSecrets {
		numbers = append(numbers, strconv.Itoa(i+1))
	}
	return bySource{
		deliveries: r.Counter("deliveries_total", "Requests on the senders' routes, by how each ended; accepted is stored, duplicate was stored before.", of, Closed("outcome", words...)),
		refused:    r.Counter("verification_failures_total", "Requests whose signature was not good, by what was wrong.", of, Closed("reason", verifyReasons...)),
		secrets:    r.Counter("verified_total", "Requests with a good signature, by which of the source's secrets signed, counted from 1 in the order of the setting.", of, Closed("secret", numbers...)),
		ack:        r.Histogram("ack_duration_seconds", "Time from the first look at a verified request to its answer. Slack gives up after 3.", ackBuckets, of),
		publish:    r.Histogram("publish_duration_seconds", "Time that storing an event took, all tries together.", ackBuckets, of),
		bytes:      r.Counter("delivery_bytes_total", "Bytes of bodies that were read.", of),
		skew:       r.Gauge("clock_skew_seconds", "Our clock less the time that the last verified request was signed with. A retry that a proxy held back shows here too.", of),
	}
}

// of finds the counters of a sender, which show 0 from then on.
func (b *bySource) of(name string) *source {
	s := &source{outcomes: map[webhook.Outcome]prometheus.Counter{}, refused: map[string]prometheus.Counter{}}
	for _, o := range webhook.Outcomes() {
		s.outcomes[o] = b.deliveries.With(name, string(o))
	}
	if name == noSource {
		return s // such a request has no signature
	}
	s.ack, s.publish, s.bytes, s.skew = b.ack.With(name), b.publish.With(name), b.bytes.With(name), b.skew.With(name)
	for _, reason := range verifyReasons {
		s.refused[reason] = b.refused.With(name, reason)
	}
	for i := range s.secrets {
		s.secrets[i] = b.secrets.With(name, strconv.Itoa(i+1))
	}
	return s
}

// drop shows nothing of a sender any more, so that another can have its place.
func (b *bySource) drop(name string) {
	for _, c := range []*Counter{b.deliveries, b.refused, b.secrets, b.bytes} {
		c.bounds.drop(c.vec.MetricVec, "source", name)
	}
	for _, h := range []*Histogram{b.ack, b.publish} {
		h.bounds.drop(h.vec.MetricVec, "source", name)
	}
	b.skew.bounds.drop(b.skew.vec.MetricVec, "source", name)
}

// Replace counts senders whose routes were opened each for itself from now on, and shows nothing of
// those whose routes were closed.
func (m *Receive) Replace(opened, closed []string) {
	m.changing.Lock()
	defer m.changing.Unlock()
	sources := maps.Clone(*m.sources.Load())
	for _, name := range closed {
		delete(sources, name)
		m.by.drop(name)
	}
	for _, name := range opened {
		sources[name] = m.by.of(name)
	}
	m.sources.Store(&sources)
}

// shared adds what has no label for the source.
func (m *Receive) shared(r *Registry) {
	errs := r.Counter("publish_errors_total", "Events that could not be stored and were answered 503, by why.", Closed("reason", publishReasons...))
	m.publishErrors = map[string]prometheus.Counter{}
	for _, reason := range publishReasons {
		m.publishErrors[reason] = errs.With(reason)
	}
	m.publishTries = r.Counter("publish_retries_total", "Tries of a publish beyond the first.").With()
	retries := r.Counter("slack_retries_total", "Deliveries that Slack marked as its own retries, by number and by its reason.", Closed("number", retryNumbers...), Closed("reason", retryReasons...))
	m.retries = map[string]map[string]prometheus.Counter{}
	for _, n := range slices.Concat(retryNumbers, []string{Other}) {
		m.retries[n] = map[string]prometheus.Counter{}
		for _, reason := range retryReasons {
			m.retries[n][reason] = retries.With(n, reason)
		}
	}
	m.rateLimited = r.Counter("slack_rate_limited_notices_total", "Notices by Slack, one for each minute in which it withheld events because the workspace had more than 30,000 in an hour: these events are lost.").With()
	m.heldBack = r.Counter("addresses_held_back_total", "Times that an address began to be held back, because it kept failing verification.").With()
	m.r = r
	m.inFlight = r.Reading(GaugeKind, "deliveries_in_flight", "Verified requests on the senders' routes that are being stored and answered.")
	m.bytes = r.Reading(GaugeKind, "delivery_bytes_in_flight", "Bytes of memory that the bodies of senders' requests have been granted.")
	m.delayed = r.Reading(GaugeKind, "refusals_delayed", "Refusals of unverified requests that wait a tenth of a second before they are given.")
	share := r.Reading(GaugeKind, "slack_failure_ratio", "Share of Slack's deliveries of the last 60 minutes that failed in Slack's eyes: answered other than 2xx, or after 3 s. Above 0.95 of 1,000 and more Slack disables the app's events.")
	attempts := r.Reading(GaugeKind, "slack_deliveries_last_hour", "Slack's deliveries of the last 60 minutes, of which slack_failure_ratio is a share.")
	r.Read(func(put Put) {
		if (*m.sources.Load())[event.SourceSlack] == nil {
			return
		}
		total, failed := m.hour.sum(m.now())
		put(attempts, float64(total))
		ratio := 0.0
		if total > 0 {
			ratio = float64(failed) / float64(total)
		}
		put(share, ratio)
	}, share, attempts)
}

// HeldBack counts an address that began to be held back.
func (m *Receive) HeldBack() { m.heldBack.Inc() }

// Watch reads the receiver at each scrape. It is called once.
func (m *Receive) Watch(rc interface {
	InFlight() int64
	BytesInFlight() int64
	Delayed() int64
},
) {
	m.r.Read(func(put Put) {
		put(m.inFlight, float64(rc.InFlight()))
		put(m.bytes, float64(rc.BytesInFlight()))
		put(m.delayed, float64(rc.Delayed()))
	}, m.inFlight, m.bytes, m.delayed)
}

// Observe counts one finished request.
func (m *Receive) Observe(o *webhook.Observation) {
	s := (*m.sources.Load())[o.Source]
	switch {
	case s != nil:
	case o.Source == "":
		s = m.nobody
	default:
		s = m.other()
	}
	c := s.outcomes[o.Outcome]
	if c == nil {
		return // an outcome that webhook.Outcomes does not list
	}
	c.Inc()
	if o.Bytes > 0 && s.bytes != nil {
		s.bytes.Add(float64(o.Bytes))
	}
	switch {
	case (o.Secret > 0 || o.Tries > 0) && s.ack != nil:
		m.verified(s, o)
	case o.Outcome == webhook.Stale:
		s.refused["stale"].Inc()
	case o.Outcome == webhook.BadSignature:
		if c := s.refused[o.Reason]; c != nil {
			c.Inc()
		}
	}
	if o.Source == event.SourceSlack && judged(o) {
		at := o.Answered
		if at.IsZero() {
			at = m.now()
		}
		m.hour.add(at, o.Status >= 300 || o.Duration > ackDeadline)
	}
}

// verified counts what only a request with a good signature has.
func (m *Receive) verified(s *source, o *webhook.Observation) {
	if o.Secret > 0 { // what came over a connection of ours has none
		s.secrets[min(o.Secret, maxSecrets)-1].Inc()
	}
	s.ack.Observe(o.Duration.Seconds())
	if o.Skew != 0 {
		s.skew.Set(o.Skew.Seconds())
	}
	if o.Tries > 0 {
		s.publish.Observe(o.Publish.Seconds())
	}
	if o.Tries > 1 {
		m.publishTries.Add(float64(o.Tries - 1))
	}
	if o.Retry.Num > 0 {
		number := Other
		if o.Retry.Num <= len(retryNumbers) {
			number = retryNumbers[o.Retry.Num-1]
		}
		if c := m.retries[number][o.Retry.Reason]; c != nil {
			c.Inc()
		}
	}
	switch o.Outcome { //nolint:exhaustive // the others need no counter of their own
	case webhook.Full:
		m.publishErrors["full"].Inc()
	case webhook.Unavailable:
		if c := m.publishErrors[o.Reason]; c != nil {
			c.Inc()
		}
	case webhook.Accepted:
		if o.Kind.Type == "app_rate_limited" {
			m.rateLimited.Inc()
		}
	}
}

// judged reports whether a request counts as one of Slack's. One with a wrong or stale
// signature does: that is what Slack's own look like when the signing secret, or the
// clock, is wrong. So does one that was refused unread and may be Slack's. One without a
// signature is another sender's.
func judged(o *webhook.Observation) bool {
	switch o.Outcome { //nolint:exhaustive // the others are judged by their signature
	case webhook.Stale:
		return true
	case webhook.BadSignature:
		return o.Reason == "mismatch"
	}
	return o.Secret > 0 || o.Claimed
}

// An hour counts deliveries and failures of the last 60 minutes, minute by minute. The
// zero value is ready to use.
type hour struct {
	mu      sync.Mutex // held while a minute begins
	minutes [60]minute
}

type minute struct {
	of            atomic.Int64 // Unix minutes
	total, failed atomic.Int64
}

func (h *hour) add(now time.Time, failed bool) {
	n := now.Unix() / 60
	m := &h.minutes[n%60]
	if m.of.Load() != n {
		h.begin(m, n)
	}
	m.total.Add(1)
	if failed {
		m.failed.Add(1)
	}
}

// begin empties what was counted an hour ago. A count of the last minute that comes at
// the same moment may be lost with it: the share is none the worse.
func (h *hour) begin(m *minute, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.of.Load() == n {
		return
	}
	m.total.Store(0)
	m.failed.Store(0)
	m.of.Store(n)
}

// sum adds up the minutes that are not older than 60.
func (h *hour) sum(now time.Time) (total, failed int64) {
	n := now.Unix() / 60
	for i := range h.minutes {
		m := &h.minutes[i]
		if of := m.of.Load(); of > n-60 && of <= n {
			total += m.total.Load()
			failed += m.failed.Load()
		}
	}
	return total, failed
}
