package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// poisonRounds is how often BenchmarkPoison works the events, each time without and with
// the poisoned one.
const poisonRounds = 9

var errPoison = errors.New("poisoned")

// BenchmarkPoison measures how quickly a group of eight workers finishes b.N events that
// wait, once as they are and once with one more among them that fails at every attempt and
// is due again after 10 ms. of-healthy is the median of the rounds' ratios: the two
// halves of a round meet the same noise.
// open opens an empty queue with room for all of them, which is closed by the benchmark.
func BenchmarkPoison(b *testing.B, open func(b *testing.B) queue.Queue) {
	b.Helper()
	var healthy, poisoned []time.Duration
	for range poisonRounds {
		healthy = append(healthy, finish(b, open, false))
		poisoned = append(poisoned, finish(b, open, true))
	}
	ratios := make([]float64, poisonRounds)
	for i := range ratios {
		ratios[i] = healthy[i].Seconds() / poisoned[i].Seconds()
	}
	slices.Sort(ratios)
	slices.Sort(healthy)
	slices.Sort(poisoned)
	well, ill := healthy[poisonRounds/2], poisoned[poisonRounds/2]
	b.ReportMetric(float64(b.N)/well.Seconds(), "healthy-events/s")
	b.ReportMetric(float64(b.N)/ill.Seconds(), "events/s")
	b.ReportMetric(ratios[poisonRounds/2], "of-healthy")
	b.ReportMetric(0, "ns/op")
}

// finish publishes the events and returns how long the group takes for the healthy ones.
func finish(b *testing.B, open func(b *testing.B) queue.Queue, poison bool) time.Duration {
	b.Helper()
	q := open(b)
	defer q.Close()
	if err := fill(b.Context(), q, b.N, poison); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var done atomic.Int64
	finished, ended := make(chan struct{}), make(chan error, 1)
	g := queue.Group{Name: "work", Workers: 8, Policy: queue.Policy{MaxAttempts: 1 << 30, Base: 10 * time.Millisecond, Cap: 10 * time.Millisecond, Jitter: -1}}
	begun := time.Now()
	go func() {
		ended <- q.Consume(ctx, g, func(_ context.Context, d queue.Delivery) error {
			if d.Event.ID == "poison" {
				return errPoison
			}
			if done.Add(1) == int64(b.N) {
				close(finished)
			}
			return nil
		})
	}()
	select {
	case <-finished:
	case err := <-ended:
		b.Fatalf("Consume ended: %v", err)
	case <-time.After(5 * time.Minute):
		b.Fatalf("%d of %d events were finished within five minutes", done.Load(), b.N)
	}
	took := time.Since(begun)
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return took
}

// fill publishes n events, 64 at a time, and the poisoned one in the midst of them.
func fill(ctx context.Context, q queue.Queue, n int, poison bool) error {
	var (
		next  atomic.Int64
		all   sync.WaitGroup
		once  sync.Once
		first error
	)
	raw := make([]byte, 1000)
	publish := func(id string) {
		e := event.Event{Source: event.SourceSlack, ID: id, Kind: event.Kind{Type: "message"}, ReceivedAt: time.Now(), Raw: raw}
		if _, err := q.Publish(ctx, e); err != nil {
			once.Do(func() { first = err })
		}
	}
	for range 64 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				publish(fmt.Sprint("Ev", i))
				if poison && i == int64(n+1)/2 {
					publish("poison")
				}
			}
		})
	}
	all.Wait()
	return first
}
