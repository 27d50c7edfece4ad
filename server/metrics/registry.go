package metrics

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Prefix begins the name of every metric of ours.
const Prefix = "slack_webhook_server_"

// A Kind is Prometheus's type of a metric.
type Kind string

// The kinds that there are here.
const (
	CounterKind   Kind = "counter"
	GaugeKind     Kind = "gauge"
	HistogramKind Kind = "histogram"
)

// An Info describes one metric, for docs/metrics.md and for what is checked against it.
type Info struct {
	Name   string // with Prefix
	Kind   Kind
	Help   string
	Labels []Label
}

// A Registry holds the metrics of one process. Metrics are added before the first
// scrape; after that it is safe for concurrent use.
type Registry struct {
	prom *prometheus.Registry
	list []Info
}

func newRegistry() *Registry { return &Registry{prom: prometheus.NewPedanticRegistry()} }

// Catalog lists the metrics, by name.
func (r *Registry) Catalog() []Info {
	return slices.SortedFunc(slices.Values(r.list), func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
}

// How the metrics are served.
const (
	maxScrapes    = 4
	scrapeTimeout = 5 * time.Second
)

// Handler serves the metrics as Prometheus reads them. A metric that cannot be read is
// left out, and the others are served.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.prom, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout,
	})
}

// describe notes a metric and returns its full name and its labels' names.
func (r *Registry) describe(k Kind, name, help string, labels []Label) (string, []string) {
	info := Info{Name: Prefix + name, Kind: k, Help: help, Labels: labels}
	r.list = append(r.list, info)
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = l.Name
	}
	return info.Name, names
}

// A Counter is a counter for each combination of its labels' values.
type Counter struct {
	bounds bounds
	vec    *prometheus.CounterVec
}

// Counter adds a counter.
func (r *Registry) Counter(name, help string, labels ...Label) *Counter {
	full, names := r.describe(CounterKind, name, help, labels)
	c := &Counter{newBounds(labels), prometheus.NewCounterVec(prometheus.CounterOpts{Name: full, Help: help}, names)}
	r.prom.MustRegister(c.vec)
	return c
}

// With returns the counter of these labels' values, in their order. What happens often
// keeps the result.
func (c *Counter) With(values ...string) prometheus.Counter {
	return c.vec.WithLabelValues(c.bounds.keep(values)...)
}

// A Gauge is a gauge for each combination of its labels' values.
type Gauge struct {
	bounds bounds
	vec    *prometheus.GaugeVec
}

// Gauge adds a gauge.
func (r *Registry) Gauge(name, help string, labels ...Label) *Gauge {
	full, names := r.describe(GaugeKind, name, help, labels)
	g := &Gauge{newBounds(labels), prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: full, Help: help}, names)}
	r.prom.MustRegister(g.vec)
	return g
}

// With returns the gauge of these labels' values, in their order.
func (g *Gauge) With(values ...string) prometheus.Gauge {
	return g.vec.WithLabelValues(g.bounds.keep(values)...)
}

// A Histogram is a histogram for each combination of its labels' values.
type Histogram struct {
	bounds bounds
	vec    *prometheus.HistogramVec
}

// Histogram adds a histogram with the upper bounds of its buckets.
func (r *Registry) Histogram(name, help string, buckets []float64, labels ...Label) *Histogram {
	full, names := r.describe(HistogramKind, name, help, labels)
	h := &Histogram{newBounds(labels), prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: full, Help: help, Buckets: buckets}, names)}
	r.prom.MustRegister(h.vec)
	return h
}

// With returns the histogram of these labels' values, in their order.
func (h *Histogram) With(values ...string) prometheus.Observer {
	return h.vec.WithLabelValues(h.bounds.keep(values)...)
}

// A Reading is a counter or gauge that is read at each scrape.
type Reading struct {
	bounds bounds
	desc   *prometheus.Desc
	kind   prometheus.ValueType
}

// Reading adds a metric whose values a function of [Registry.Read] puts.
func (r *Registry) Reading(k Kind, name, help string, labels ...Label) *Reading {
	full, names := r.describe(k, name, help, labels)
	kind := prometheus.GaugeValue
	if k == CounterKind {
		kind = prometheus.CounterValue
	}
	return &Reading{newBounds(labels), prometheus.NewDesc(full, help, names, nil), kind}
}

// A Put hands over one value of a Reading, with its labels' values in their order.
// Values whose labels come to the same are added up.
type Put func(m *Reading, value float64, labels ...string)

// Read registers the function that puts the readings. It is called at each scrape, by
// several at once, and must not wait long: see scrapeTimeout.
func (r *Registry) Read(fn func(Put), readings ...*Reading) {
	r.prom.MustRegister(&reader{fn: fn, readings: readings})
}

// A reader is a function's collector.
type reader struct {
	fn       func(Put)
	readings []*Reading
}

// Describe implements prometheus.Collector.
func (c *reader) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.readings {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *reader) Collect(ch chan<- prometheus.Metric) {
	type series struct {
		labels []string
		value  float64
	}
	var mu sync.Mutex
	found := map[*Reading]map[string]*series{}
	c.fn(func(m *Reading, value float64, labels ...string) {
		mu.Lock()
		defer mu.Unlock()
		kept := m.bounds.keep(labels)
		key := joined(kept)
		if found[m] == nil {
			found[m] = map[string]*series{}
		}
		if s := found[m][key]; s != nil {
			s.value += value
			return
		}
		found[m][key] = &series{kept, value}
	})
	for m, all := range found {
		for _, s := range all {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, s.value, s.labels...)
		}
	}
}

// Other stands for a label's values that are not in its list, or beyond its bound.
const Other = "other"

// A Label is a dimension of a metric, with what bounds its values.
type Label struct {
	Name string
	// Values are all there are, beside Other; nil for a label that is only bounded.
	Values []string
	// Most bounds the number of values of a label without a list.
	Most int
	// Note says in words where the values of such a label come from.
	Note string
}

// Closed is a label with a list of values; every other value counts as Other.
func Closed(name string, values ...string) Label { return Label{Name: name, Values: values} }

// Bounded is a label whose values the operator or the code chose; the first most of
// them are kept, and those that come later count as Other.
func Bounded(name string, most int, note string) Label {
	return Label{Name: name, Most: most, Note: note}
}

// maxLabelValue is the longest value that is kept, in bytes.
const maxLabelValue = 80

// bounds keep the values of a metric's labels within what was declared.
type bounds struct {
	labels []Label
	seen   []*valueSet
}

// A valueSet remembers the values of one bounded label.
type valueSet struct {
	mu   sync.RWMutex
	most int
	kept map[string]struct{} // guarded by mu
}

func newBounds(labels []Label) bounds {
	b := bounds{labels: labels, seen: make([]*valueSet, len(labels))}
	for i, l := range labels {
		if l.Values == nil {
			b.seen[i] = &valueSet{most: l.Most, kept: map[string]struct{}{}}
		}
	}
	return b
}

// keep returns the values with those replaced that are out of bounds.
func (b bounds) keep(values []string) []string {
	kept := make([]string, len(b.labels))
	for i := range b.labels {
		kept[i] = Other
		if i >= len(values) {
			continue
		}
		if set := b.seen[i]; set != nil && set.has(values[i]) || set == nil && slices.Contains(b.labels[i].Values, values[i]) {
			kept[i] = values[i]
		}
	}
	return kept
}

// drop removes all series of a metric with a value of a bounded label, whose place another value can
// have then.
func (b bounds) drop(vec *prometheus.MetricVec, label, value string) {
	for i, l := range b.labels {
		if l.Name == label && b.seen[i] != nil {
			b.seen[i].forget(value)
		}
	}
	vec.DeletePartialMatch(prometheus.Labels{label: value})
}

func (s *valueSet) forget(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, v)
}

// has reports whether a value is among those that are kept, and keeps it while there is
// space, if it can be a name that an operator chose: short, and of printable ASCII.
func (s *valueSet) has(v string) bool {
	s.mu.RLock()
	_, ok := s.kept[v]
	full := len(s.kept) >= s.most
	s.mu.RUnlock()
	odd := v == "" || len(v) > maxLabelValue || strings.ContainsFunc(v, func(r rune) bool { return r < '!' || r > '~' })
	if ok || full || odd {
		return ok
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) < s.most {
		s.kept[v] = struct{}{}
	}
	_, ok = s.kept[v]
	return ok
}

func joined(values []string) string { return strings.Join(values, "\x00") }

// Reference is docs/metrics.md, made from the registry.
func Reference() string {
	m := New(Options{Version: "dev"})
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, subject := range subjects {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | what it is |\n|---|---|---|---|\n", subject.title)
		for _, i := range m.Catalog() {
			name := strings.TrimPrefix(i.Name, Prefix)
			if subjectOf(name) == subject.title {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, i.Kind, labelText(i.Labels), i.Help)
			}
		}
	}
	return b.String()
}

const referenceHead = `<!-- Made from server/metrics by ` + "`go generate ./...`" + `; edit there. -->

# Metrics

` + "`GET /metrics`" + ` answers Prometheus, on the main listener or, when ADMIN_ADDR is set, on that one. Every name
below begins with ` + "`" + Prefix + "`" + `; beside them there are the ` + "`go_*` and `process_*`" + ` metrics of Prometheus's own
client. Labels have the values that are listed, or at most as many as is said; whatever else comes counts as
` + "`" + Other + "`" + `. No value is a secret, an address, an id or a text of an event.

The queue's metrics are read from the store: over a shared store every replica shows the same figures, so take their
` + "`max`" + `, not their ` + "`sum`" + `. All others belong to the process that shows them. What a process does not do, such as MCP in
standalone mode, shows no values.

docs/operations.md says what to watch; the dashboard and the alert rules in deploy/ use these names.
`

// subjects are the headings, by what the names begin with; the last takes the rest.
var subjects = []struct {
	title    string
	prefixes []string
}{
	{"Receiving", []string{"ack_", "addresses_", "clock_", "deliver", "publish_", "slack_deliveries_", "slack_failure_", "slack_rate_", "slack_retries_", "verif"}},
	{"Queue", []string{"queue_"}},
	{"Handlers", []string{"handler_"}},
	{"Assistants", []string{"mcp_"}},
	{"Slack's Web API", []string{"slack_api_"}},
	{"The listener and the process", nil},
}

func subjectOf(name string) string {
	for _, s := range subjects {
		if slices.ContainsFunc(s.prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			return s.title
		}
	}
	return subjects[len(subjects)-1].title
}

func labelText(labels []Label) string {
	var parts []string
	for _, l := range labels {
		switch {
		case l.Note != "" && l.Most > 0:
			parts = append(parts, fmt.Sprintf("`%s`: %s, at most %d", l.Name, l.Note, l.Most))
		case l.Note != "":
			parts = append(parts, fmt.Sprintf("`%s`: %s", l.Name, l.Note))
		default:
			parts = append(parts, fmt.Sprintf("`%s`: %s", l.Name, strings.Join(l.Values, ", ")))
		}
	}
	return strings.Join(parts, "; ")
}
