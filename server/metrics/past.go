package metrics

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// The bounds of a Past: an hour, sample by sample, with so many groups.
const (
	PastStep   = 15 * time.Second
	PastLength = time.Hour
	pastMost   = int(PastLength / PastStep)
)

// A Moment is what the metrics said at one time. Rates are per second, and as latencies of what
// happened since the moment before.
type Moment struct {
	At time.Time
	// Known reports that the store answered: without it the figures of the queue are 0.
	Known bool
	// Waiting, InFlight and Dead are of all groups together; Oldest is the greatest age of what waits, in seconds.
	Waiting, InFlight, Dead, Oldest float64
	Groups                          []GroupMoment
	// Accepted, Duplicates and Refused are deliveries; Handled and Failed attempts of handlers.
	Accepted, Duplicates, Refused, Handled, Failed float64
	// Calls and CallsFailed are those of tools, SlackFailed calls to Slack that failed.
	Calls, CallsFailed, SlackFailed float64
	// Ack and Work are the seconds in which 95 of 100 deliveries were answered, and events handled;
	// 0 where there was none.
	Ack, Work float64
}

// A GroupMoment is what waited for one group.
type GroupMoment struct {
	Name                            string
	Waiting, InFlight, Dead, Oldest float64
}

// A Past keeps the moments of the last hour, in memory. It is safe for concurrent use.
type Past struct {
	r *Registry

	mu      sync.Mutex
	moments []Moment // the oldest first; guarded by mu
	before  totals   // guarded by mu
}

// NewPast returns a Past that is empty until Run.
func (r *Registry) NewPast() *Past { return &Past{r: r} }

// Run looks at the metrics until ctx ends, now and at each step.
func (p *Past) Run(ctx context.Context) error {
	tick := time.NewTicker(PastStep)
	defer tick.Stop()
	for {
		p.Look(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Moments returns the moments of the last hour, the oldest first.
func (p *Past) Moments() []Moment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.moments)
}

// Look adds a moment. What cannot be read is left out, as it is for Prometheus.
func (p *Past) Look(now time.Time) {
	families, _ := p.r.prom.Gather()
	t := totals{at: now, values: map[string]float64{}, ack: map[float64]float64{}, work: map[float64]float64{}}
	groups := map[string]*GroupMoment{}
	for _, f := range families {
		t.take(f, groups)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moments = append(p.moments, t.since(p.before, groups))
	if n := len(p.moments); n > pastMost {
		p.moments = slices.Delete(p.moments, 0, n-pastMost)
	}
	p.before = t
}

// totals are what the counters said at one time.
type totals struct {
	at        time.Time
	values    map[string]float64
	ack, work map[float64]float64 // by upper bound, cumulative
}

// take adds a family of metrics to the totals.
func (t *totals) take(f *dto.MetricFamily, groups map[string]*GroupMoment) {
	name := f.GetName()
	for _, m := range f.GetMetric() {
		switch name {
		case Prefix + "ack_duration_seconds":
			addBuckets(t.ack, m.GetHistogram())
		case Prefix + "handler_duration_seconds":
			addBuckets(t.work, m.GetHistogram())
		case Prefix + "deliveries_total", Prefix + "handler_attempts_total", Prefix + "mcp_tool_calls_total", Prefix + "slack_api_calls_total":
			t.values[name+" "+labelOf(m, "outcome")] += m.GetCounter().GetValue()
			t.values[name] += m.GetCounter().GetValue()
		case Prefix + "queue_up":
			t.values[name] = m.GetGauge().GetValue()
		default:
			t.group(name, m, groups)
		}
	}
}

// group adds what a metric says of a group.
func (*totals) group(name string, m *dto.Metric, groups map[string]*GroupMoment) {
	var to func(*GroupMoment) *float64
	switch name {
	case Prefix + "queue_waiting_events":
		to = func(g *GroupMoment) *float64 { return &g.Waiting }
	case Prefix + "queue_in_flight_events":
		to = func(g *GroupMoment) *float64 { return &g.InFlight }
	case Prefix + "queue_dead_letters":
		to = func(g *GroupMoment) *float64 { return &g.Dead }
	case Prefix + "queue_oldest_waiting_seconds":
		to = func(g *GroupMoment) *float64 { return &g.Oldest }
	default:
		return
	}
	group := labelOf(m, "group")
	if groups[group] == nil {
		groups[group] = &GroupMoment{Name: group}
	}
	*to(groups[group]) += m.GetGauge().GetValue()
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func addBuckets(to map[float64]float64, h *dto.Histogram) {
	for _, b := range h.GetBucket() {
		to[b.GetUpperBound()] += float64(b.GetCumulativeCount())
	}
	to[math.Inf(1)] += float64(h.GetSampleCount())
}

// since is the moment of the totals, with what came after those before.
func (t *totals) since(before totals, groups map[string]*GroupMoment) Moment {
	seconds := t.at.Sub(before.at).Seconds()
	rate := func(name string) float64 {
		if before.values == nil || seconds <= 0 {
			return 0
		}
		return max(0, t.values[name]-before.values[name]) / seconds
	}
	m := Moment{At: t.at, Known: t.values[Prefix+"queue_up"] == 1}
	for _, g := range groups {
		m.Waiting, m.InFlight, m.Dead, m.Oldest = m.Waiting+g.Waiting, m.InFlight+g.InFlight, m.Dead+g.Dead, max(m.Oldest, g.Oldest)
		m.Groups = append(m.Groups, *g)
	}
	slices.SortFunc(m.Groups, func(a, b GroupMoment) int { return cmp.Compare(a.Name, b.Name) })
	m.Accepted, m.Duplicates = rate(Prefix+"deliveries_total accepted"), rate(Prefix+"deliveries_total duplicate")
	m.Refused = rate(Prefix+"deliveries_total") - m.Accepted - m.Duplicates
	m.Handled = rate(Prefix + "handler_attempts_total done")
	m.Failed = rate(Prefix+"handler_attempts_total") - m.Handled
	m.Calls = rate(Prefix + "mcp_tool_calls_total")
	m.CallsFailed = m.Calls - rate(Prefix+"mcp_tool_calls_total ok")
	m.SlackFailed = rate(Prefix+"slack_api_calls_total") - rate(Prefix+"slack_api_calls_total ok")
	for _, f := range []*float64{&m.Refused, &m.Failed, &m.CallsFailed, &m.SlackFailed} {
		if *f < 1e-9 { // what subtraction leaves
			*f = 0
		}
	}
	if before.values != nil {
		m.Ack, m.Work = quantile(.95, t.ack, before.ack), quantile(.95, t.work, before.work)
	}
	return m
}

// quantile is the value below which a share of the observations between two readings of a histogram
// lies, as exactly as its buckets say; 0 where there was none.
func quantile(share float64, now, before map[float64]float64) float64 {
	bounds := make([]float64, 0, len(now))
	for b := range now {
		bounds = append(bounds, b)
	}
	slices.Sort(bounds)
	if len(bounds) == 0 {
		return 0
	}
	last := bounds[len(bounds)-1]
	want := share * (now[last] - before[last])
	if want <= 0 {
		return 0
	}
	lower, below := 0.0, 0.0
	for _, b := range bounds {
		count := now[b] - before[b]
		switch {
		case count < want:
			lower, below = b, count
		case math.IsInf(b, 1):
			return lower // slower than every bucket
		default:
			return lower + (b-lower)*(want-below)/(count-below)
		}
	}
	return lower
}
