package metrics

import (
	"context"
	"errors"

	"slackmcp/store/queue"
	"slackmcp/webhook/worker"
)

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
	m.attempts.With(o.Group, attemptOutcome(o.Err)).Inc()
	if o.Attempt > 1 {
		m.retries.With(o.Group).Inc()
	}
	m.duration.With(o.Group).Observe(o.Duration.Seconds())
}

func attemptOutcome(err error) string {
	_, panicked := errors.AsType[*worker.PanicError](err)
	switch {
	case err == nil:
		return attemptDone
	case panicked:
		return attemptPanic
	case queue.IsPermanent(err):
		return attemptPermanent
	case errors.Is(err, context.DeadlineExceeded):
		return attemptDeadline
	}
	return attemptError
}

// Breaker counts a rule's breaker that opened.
func (m *Handlers) Breaker(rule string, open bool) {
	if open {
		m.trips.With("rule." + rule).Inc()
	}
}
