package metrics_test

import (
	"context"
	"math"
	"testing"
	"time"

	"slackmcp/server/metrics"
	"slackmcp/store/queue"
	"slackmcp/webhook"
	"slackmcp/webhook/worker"
)

type groups []queue.GroupStats

func (g groups) Stats(context.Context) (queue.Stats, error) {
	return queue.Stats{Backend: "memory", Groups: g}, nil
}

func TestThePastIsWhatTheCountersSaid(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{Sources: []string{"slack"}})
	m.Store.Watch(groups{{Name: "a", Waiting: 3, Dead: 1}, {Name: "b", Waiting: 4, InFlight: 2}})
	p, now := m.NewPast(), time.Now()
	p.Look(now)
	for range 30 {
		m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.Accepted, Secret: 1, Duration: 2 * time.Millisecond, Tries: 1})
	}
	m.Receive.Observe(&webhook.Observation{Source: "slack", Outcome: webhook.BadSignature, Reason: "mismatch"})
	m.Handlers.Observe(worker.Observation{Group: "a", Err: context.DeadlineExceeded})
	p.Look(now.Add(10 * time.Second))
	list := p.Moments()
	if len(list) != 2 {
		t.Fatalf("%d moments, want 2", len(list))
	}
	got := list[1]
	if !got.Known || got.Waiting != 7 || got.InFlight != 2 || got.Dead != 1 || len(got.Groups) != 2 || got.Groups[1].Waiting != 4 {
		t.Errorf("the queue is %+v", got)
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-6 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("accepted", got.Accepted, 3)
	near("refused", got.Refused, .1)
	near("failed", got.Failed, .1)
	if got.Ack < .001 || got.Ack > .0025 {
		t.Errorf("95 of 100 were answered within %v, want the bucket of 2 ms", got.Ack)
	}
}

func TestThePastIsBounded(t *testing.T) {
	t.Parallel()
	p, now := metrics.New(metrics.Options{}).NewPast(), time.Now()
	const most = int(metrics.PastLength / metrics.PastStep)
	for i := range most + 5 {
		p.Look(now.Add(time.Duration(i) * metrics.PastStep))
	}
	list := p.Moments()
	if len(list) != most || !list[0].At.Equal(now.Add(5*metrics.PastStep)) {
		t.Errorf("%d moments from %v on, want the newest %d", len(list), list[0].At.Sub(now), most)
	}
}
