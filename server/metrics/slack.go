package metrics

import "slackmcp/slackapi"

// callBuckets reach to the bound of one attempt.
var callBuckets = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15}

// maxMethods bounds the Slack methods that are told apart; there are about 60.
const maxMethods = 128

// Slack are the metrics of calls to Slack's Web API.
type Slack struct {
	r        *Registry
	calls    *Counter
	duration *Histogram
	waited   *Counter

	remaining, burst, paused *Reading
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
