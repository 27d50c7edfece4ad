package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func workTests() []test {
	return []test{
		{name: "a handler that runs for three leases is called once", run: slowHandler},
		{name: "an attempt ends at its deadline and has failed", run: handlerDeadline},
		{name: "a panic is a failure", run: handlerPanic},
		{name: "failures are tried again by the policy", run: retrySchedule},
		{name: "the schedule survives a restart", restart: true, run: scheduleAfterRestart},
		{name: "a permanent error ends in the dead letters at once", run: permanentError},
		{name: "a pause that was asked for is kept", run: retryAfter},
		{name: "what is postponed is not counted", run: postponed},
		{name: "one poisoned event delays no other event", run: poisonedEvent},
		{name: "failures do not starve new events", run: failuresAndNewEvents},
		{name: "events of a key are handled one after another, and one that fails holds back its key only", keyed: true, run: ordered},
		{name: "a dead letter lets its key go on", keyed: true, run: orderedPastTheDead},
		{name: "handlers that run are waited for", run: drainFinishes},
		{name: "a handler that outlasts its drain is cut short and called again", run: drainCutsShort},
		{name: "what a closed store interrupted is handled after a restart", restart: true, run: closeInterrupts},
		{name: "a stall is seen", long: true, run: stall},
	}
}

func slowHandler(e *env) {
	e.open(Config{Lease: e.ticks(5)})
	var l log
	var running sync.Map
	h := func(ctx context.Context, d queue.Delivery) error {
		l.add(d)
		if _, twice := running.LoadOrStore(d.Event.ID, true); twice {
			e.Errorf("%s is handled twice at once", d.Event.ID)
		}
		defer running.Delete(d.Event.ID)
		select {
		case <-time.After(e.ticks(16)):
		case <-ctx.Done():
			e.Errorf("%s was cut short: %v", d.Event.ID, context.Cause(ctx))
		}
		return nil
	}
	e.consume(queue.Group{Name: "g", Workers: 2}, h)
	e.consume(queue.Group{Name: "g", Workers: 2}, h)
	e.publish("a", "b")
	e.reached(&l, 2)
	e.counts("g", queue.GroupStats{Waiting: 2, InFlight: 2})
	e.counts("g", queue.GroupStats{Done: 2})
	if got := l.calls(); got["a"] != 1 || got["b"] != 1 {
		e.Errorf("calls: %v, want one each", got)
	}
}

func handlerDeadline(e *env) {
	e.open(Config{Lease: e.ticks(2)})
	var l log
	e.consume(queue.Group{Name: "g", Deadline: e.ticks(5)}, func(ctx context.Context, d queue.Delivery) error {
		l.add(d)
		if d.Event.ID == "late" || d.Attempt == 1 {
			<-ctx.Done()
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				e.Errorf("the handler's context ended with %v", ctx.Err())
			}
		}
		return nil // too late
	})
	e.publish("once", "late")
	e.counts("g", queue.GroupStats{Done: 1, Dead: 1})
	e.same("attempts", []string{fmt.Sprint(l.attempts("once")), fmt.Sprint(l.attempts("late"))}, []string{"[1 2]", "[1 2 3]"})
	if d := e.dead("g"); len(d) != 1 || !strings.Contains(d[0].Reason, "deadline") {
		e.Errorf("dead letters: %+v, want one that names the deadline", d)
	}
}

func handlerPanic(e *env) {
	e.open(Config{})
	var l log
	e.consume(queue.Group{Name: "g", Workers: 1}, l.record(func(d queue.Delivery) error {
		if d.Event.ID == "bad" {
			panic("no such luck")
		}
		return nil
	}))
	e.publish("bad", "good")
	e.counts("g", queue.GroupStats{Done: 1, Dead: 1})
	if got := l.attempts("bad"); !slices.Equal(got, []int{1, 2, 3}) {
		e.Errorf("attempts: %v, want 1 2 3", got)
	}
	if d := e.dead("g"); len(d) != 1 || !strings.Contains(d[0].Reason, "no such luck") || d[0].Attempts != 3 {
		e.Errorf("dead letters: %+v, want one with the panic and 3 attempts", d)
	}
}

// dead lists a group's dead letters.
func (e *env) dead(group string) []queue.DeadLetter {
	e.Helper()
	list, err := e.q.DeadLetters(e.Context(), group, queue.LetterQuery{Limit: 1000})
	if err != nil {
		e.Fatalf("DeadLetters: %v", err)
	}
	return list
}

func retrySchedule(e *env) {
	e.open(Config{})
	var mu sync.Mutex
	var at []time.Time
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(func(queue.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, time.Now())
		return errHandler
	}))
	e.publish("a")
	e.reached(&l, 1)
	e.counts("g", queue.GroupStats{Waiting: 1, Retrying: 1})
	e.counts("g", queue.GroupStats{Dead: 1})
	if got := l.attempts("a"); !slices.Equal(got, []int{1, 2, 3}) {
		e.Fatalf("attempts: %v, want 1 2 3", got)
	}
	for i, want := range []time.Duration{e.ticks(2), e.ticks(4)} {
		if got := at[i+1].Sub(at[i]); got < want-e.h.Tick/10 {
			e.Errorf("pause %d was %v, want at least %v", i+1, got, want)
		}
	}
	d := e.dead("g")
	if len(d) != 1 || d[0].Event.ID != "a" || d[0].Group != "g" || d[0].Attempts != 3 || d[0].Reason != errHandler.Error() || d[0].DiedAt.IsZero() {
		e.Errorf("dead letters: %+v", d)
	}
}

func scheduleAfterRestart(e *env) {
	e.open(Config{})
	policy := queue.Policy{MaxAttempts: 4, Base: e.ticks(20), Cap: e.ticks(20), Jitter: -1}
	var l log
	fail := l.record(func(queue.Delivery) error { return errHandler })
	for n := 1; n <= 4; n++ {
		e.consume(queue.Group{Name: "g", Policy: policy}, fail)
		if n == 1 {
			e.publish("a")
		}
		e.reached(&l, n)
		if n == 4 {
			break
		}
		e.counts("g", queue.GroupStats{Waiting: 1, Retrying: 1})
		failed := time.Now()
		e.restart()
		e.counts("g", queue.GroupStats{Waiting: 1, Retrying: 1})
		if n == 2 {
			// A consumer that comes early does not make it due.
			e.consume(queue.Group{Name: "g", Policy: policy}, fail)
			e.sleep(e.ticks(5))
			if l.len() != n {
				e.Errorf("attempt %d came %v after the failure, want 20 ticks", n+1, time.Since(failed))
			}
		}
	}
	if got := l.attempts("a"); !slices.Equal(got, []int{1, 2, 3, 4}) {
		e.Errorf("attempts across restarts: %v, want 1 2 3 4", got)
	}
	e.counts("g", queue.GroupStats{Dead: 1})
	e.restart()
	e.counts("g", queue.GroupStats{Dead: 1})
	if d := e.dead("g"); len(d) != 1 || d[0].Attempts != 4 || d[0].Reason != errHandler.Error() {
		e.Errorf("dead letters after a restart: %+v", d)
	}
}

func permanentError(e *env) {
	e.open(Config{})
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(func(queue.Delivery) error {
		return fmt.Errorf("wrapped: %w", queue.Permanent(errHandler))
	}))
	e.publish("a")
	e.counts("g", queue.GroupStats{Dead: 1})
	if d := e.dead("g"); l.len() != 1 || d[0].Attempts != 1 || d[0].Reason != "wrapped: "+errHandler.Error() {
		e.Errorf("%d attempts and %+v, want one", l.len(), d)
	}
}

func retryAfter(e *env) {
	e.open(Config{})
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(func(d queue.Delivery) error {
		if d.Attempt == 1 {
			return queue.RetryAfter(errHandler, e.ticks(30))
		}
		return nil
	}))
	e.publish("a")
	e.reached(&l, 1)
	e.sleep(e.ticks(15)) // far beyond the policy's two ticks
	if l.len() != 1 {
		e.Errorf("it was tried again before the pause was over")
	}
	e.counts("g", queue.GroupStats{Done: 1})
}

func postponed(e *env) {
	e.open(Config{})
	var l log
	e.consume(queue.Group{Name: "g", Policy: queue.Policy{MaxAttempts: 2, Base: e.ticks(1), Jitter: -1}}, l.record(func(d queue.Delivery) error {
		if d.Attempt != 1 {
			e.Errorf("attempt %d was counted", d.Attempt)
		}
		if l.len() < 4 {
			return fmt.Errorf("wrapped: %w", queue.Postpone(errHandler, e.ticks(2)))
		}
		return nil
	}))
	e.publish("a")
	e.counts("g", queue.GroupStats{Done: 1})
	if l.len() < 4 {
		e.Errorf("it was handled %d times, want at least 4", l.len())
	}
}

func poisonedEvent(e *env) {
	e.open(Config{})
	var l log
	policy := queue.Policy{MaxAttempts: 3, Base: e.ticks(30), Cap: e.ticks(30), Jitter: -1}
	e.consume(queue.Group{Name: "g", Workers: 1, Policy: policy}, l.record(func(d queue.Delivery) error {
		if d.Event.ID == "poison" {
			return errHandler
		}
		return nil
	}))
	e.publish("poison")
	e.publish(names("m", 100)...)
	e.counts("g", queue.GroupStats{Done: 100, Waiting: 1, Retrying: 1})
	if got := l.attempts("poison"); !slices.Equal(got, []int{1}) {
		e.Errorf("when the others were done the poisoned event had attempts %v, want the first alone", got)
	}
	e.counts("g", queue.GroupStats{Done: 100, Dead: 1})
}

func failuresAndNewEvents(e *env) {
	e.open(Config{})
	// Everything that failed is due at once, and the only worker always has both.
	var good log
	policy := queue.Policy{MaxAttempts: 1 << 30, Base: 1, Cap: 1, Jitter: -1}
	stop := e.consume(queue.Group{Name: "g", Workers: 1, Policy: policy}, func(_ context.Context, d queue.Delivery) error {
		e.sleep(e.h.Tick / 50)
		if strings.HasPrefix(d.Event.ID, "bad") {
			return errHandler
		}
		good.add(d)
		return nil
	})
	e.publish(names("bad", 20)...)
	e.publish(names("good", 20)...)
	e.reached(&good, 20)
	stop()
	e.counts("g", queue.GroupStats{Done: 20, Waiting: 20, Retrying: 20})
}

func drainFinishes(e *env) {
	e.open(Config{})
	started, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(e.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- e.q.Consume(ctx, queue.Group{Name: "g"}, func(ctx context.Context, _ queue.Delivery) error {
			close(started)
			<-release
			return ctx.Err()
		})
	}()
	e.publish("a")
	<-started
	cancel()
	select {
	case err := <-ended:
		e.Errorf("Consume returned (%v) before its handler", err)
	case <-time.After(e.ticks(2)):
	}
	close(release)
	if err := <-ended; err != nil {
		e.Errorf("Consume: %v, want nil", err)
	}
	e.counts("g", queue.GroupStats{Done: 1})
}

func drainCutsShort(e *env) {
	e.open(Config{})
	started := make(chan struct{})
	ctx, cancel := context.WithCancel(e.Context())
	ended := make(chan error, 1)
	g := queue.Group{Name: "g", Drain: e.ticks(3), Policy: e.policy()}
	go func() {
		ended <- e.q.Consume(ctx, g, func(ctx context.Context, _ queue.Delivery) error {
			close(started)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	e.publish("a")
	<-started
	cancelled := time.Now()
	cancel()
	if err := <-ended; err != nil || time.Since(cancelled) < e.ticks(3)-e.h.Tick/10 {
		e.Errorf("Consume: %v after %v, want nil after the drain", err, time.Since(cancelled))
	}
	e.counts("g", queue.GroupStats{Waiting: 1, Retrying: 1})
	var l log
	e.consume(g, l.record(nil))
	e.counts("g", queue.GroupStats{Done: 1})
	if got := l.attempts("a"); !slices.Equal(got, []int{2}) {
		e.Errorf("attempts after the one that was cut short: %v, want the second", got)
	}
}

func closeInterrupts(e *env) {
	e.open(Config{})
	started := make(chan struct{})
	e.consume(queue.Group{Name: "g"}, func(ctx context.Context, _ queue.Delivery) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	e.publish("a")
	<-started
	if err := e.q.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.restart()
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(nil))
	e.counts("g", queue.GroupStats{Done: 1})
	if got := l.attempts("a"); !slices.Equal(got, []int{2}) {
		e.Errorf("attempts after the restart: %v, want the second", got)
	}
}

func stall(e *env) {
	e.open(Config{})
	stuck, release := make(chan struct{}), make(chan struct{})
	e.consume(queue.Group{Name: "g", Workers: 1, Deadline: time.Minute}, func(context.Context, queue.Delivery) error {
		close(stuck)
		<-release // and does not listen to its context
		return nil
	})
	e.publish("a")
	<-stuck
	if s := e.group("g").StalledSince; !s.IsZero() {
		e.Errorf("stalled since %v with nothing due", s)
	}
	e.publish("b")
	e.sleep(30 * time.Second)
	g := e.group("g")
	if !g.StalledSince.IsZero() || g.OldestWaiting.IsZero() {
		e.Errorf("within the deadline: stalled since %v, oldest waiting %v", g.StalledSince, g.OldestWaiting)
	}
	e.sleep(5 * time.Minute)
	if g := e.group("g"); g.StalledSince.IsZero() || g.StalledSince.After(time.Now()) || g.InFlight != 1 || g.Waiting != 2 {
		e.Errorf("after five minutes: %+v, want it stalled", g)
	}
	stuck = make(chan struct{})
	close(release)
	e.counts("g", queue.GroupStats{Done: 1, Dead: 0, Waiting: 1, Retrying: 1})
}

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
