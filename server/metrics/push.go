package metrics

import "slackmcp/mcp/notify"

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

// Watch reads the engine at each scrape. It is called once.
func (m *Push) Watch(e interface{ Stats() notify.Stats }) {
	m.r.Read(func(put Put) {
		s := e.Stats()
		put(m.subscriptions, float64(s.Subscriptions))
		put(m.worked, float64(s.Working))
	}, m.subscriptions, m.worked)
}
