package metrics

import (
	"context"
	"time"

	"slackmcp/store/queue"
)

// statsTimeout bounds what one scrape waits for the store.
const statsTimeout = 2 * time.Second

// maxGroups bounds the consumer groups that are told apart.
const maxGroups = 100

// Store are the metrics of the queue, read from the store itself: on a shared store
// every replica shows the same figures. Aggregate them with max, not with sum.
type Store struct {
	r *Registry

	up, info                                *Reading
	accepted, expired, events, seen         *Reading
	waiting, inFlight, retrying, done, dead *Reading
	lost, oldest, stalled                   *Reading
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
	}
}

// A StatsReader is a store that counts; a [queue.Queue] is one.
type StatsReader interface {
	Stats(ctx context.Context) (queue.Stats, error)
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
