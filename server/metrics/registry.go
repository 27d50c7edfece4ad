package metrics

import (
	"cmp"
	"net/http"
	"slices"
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

// A Reading is a counter or gauge that is read when somebody asks for it.
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
