package metrics

import (
	"context"
	"time"
)

// Gaps are the metrics of the times in which events may have been missed.
type Gaps struct {
	r        *Registry
	recorded *Counter
	open     *Reading
}

func newGaps(r *Registry) *Gaps {
	return &Gaps{
		r: r,
		recorded: r.Counter("slack_gaps_recorded_total",
			"Gaps in the received events that were recorded, or grew, by how they were noticed.",
			Closed("kind", "rate_limited", "downtime", "unavailable", "unreachable")),
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
