//go:build unix

package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A load is senders, a group that works, and a tail, all on one queue.
type load struct {
	t    testing.TB
	q    queue.Queue
	next atomic.Int64
	stop context.CancelFunc
	ctx  context.Context //nolint:containedctx // the load's life
	wg   sync.WaitGroup
	send sync.WaitGroup
	quit chan struct{} // closed when the senders shall end

	mu      sync.Mutex
	acked   map[string]time.Time
	handled map[string]int
	calls   int // that handled an event
	tailed  []event.Event
	refused int
	last    time.Time // the last acknowledgement
}

// publishTime bounds one try to publish, as the receiving handler does.
const publishTime = 2 * time.Second

// start sets senders and readers going.
func start(t testing.TB, q queue.Queue, senders int) *load {
	t.Helper()
	l := &load{t: t, q: q, quit: make(chan struct{}), acked: map[string]time.Time{}, handled: map[string]int{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	for range senders {
		l.send.Go(l.publish)
	}
	l.wg.Go(func() {
		if err := q.Consume(l.ctx, queue.Group{Name: "work", Policy: quick()}, l.handle); err != nil {
			t.Errorf("Consume: %v", err)
		}
	})
	l.wg.Go(func() {
		if err := q.Tail(l.ctx, queue.Start{}, l.follow); err != nil {
			t.Errorf("Tail: %v", err)
		}
	})
	t.Cleanup(l.end)
	return l
}

// maxBehind is how far the group may be behind before the senders wait for it, so that
// what is left at the end does not grow with the time that the server was away.
const maxBehind = 1000

// publish sends one event after the other, each until it is acknowledged.
func (l *load) publish() {
	for {
		for l.behind() > maxBehind {
			select {
			case <-l.quit:
				return
			default:
				wait(time.Millisecond)
			}
		}
		id := "Ev" + strconv.FormatInt(l.next.Add(1), 10)
		for {
			select {
			case <-l.quit:
				return
			default:
			}
			if l.try(id) {
				break
			}
			wait(20 * time.Millisecond)
		}
	}
}

func (l *load) try(id string) bool {
	ctx, cancel := context.WithTimeout(l.ctx, publishTime)
	defer cancel()
	_, err := l.q.Publish(ctx, message(id))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.refused++
		if !errors.Is(err, queue.ErrUnavailable) {
			l.t.Errorf("Publish: %v, want ErrUnavailable", err)
		}
		return false
	}
	l.last = time.Now()
	l.acked[id] = l.last
	return true
}

// handle fails at first with every seventh event, so that the schedule has something.
func (l *load) handle(_ context.Context, d queue.Delivery) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, _ := strconv.Atoi(d.Event.ID[2:])
	if n%7 == 0 && d.Attempt == 1 {
		return errors.New("not at the first attempt")
	}
	l.handled[d.Event.ID]++
	l.calls++
	return nil
}

func (l *load) follow(e event.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tailed = append(l.tailed, e)
	return nil
}

// count is how many events are acknowledged.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// behind is how many acknowledged events the group has not handled yet.
func (l *load) behind() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked) - len(l.handled)
}

// more waits until n further events were acknowledged.
func (l *load) more(n int) {
	l.t.Helper()
	goal := l.count() + n
	eventually(l.t, 90*time.Second, "publishing", func() error {
		if got := l.count(); got < goal {
			return fmt.Errorf("%d of %d acknowledged", got, goal)
		}
		return nil
	})
}

// quiet ends the senders and waits until the group has worked everything and the tail
// has seen it.
func (l *load) quiet() {
	l.t.Helper()
	close(l.quit)
	l.send.Wait()
	eventually(l.t, 3*time.Minute, "working what is left", func() error { return balanced(l.ctx, l.q, "work") })
	last, err := l.q.Stats(l.ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	eventually(l.t, 90*time.Second, "the tail", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(l.tailed); n == 0 || l.tailed[n-1].Position != last.Newest {
			return fmt.Errorf("%d seen, want it at %s", n, last.Newest)
		}
		return nil
	})
}

// end stops everything.
func (l *load) end() {
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.stop()
	l.send.Wait()
	l.wg.Wait()
}

// works waits until n further events were handled.
func (l *load) works(n int) {
	l.t.Helper()
	handled := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.calls
	}
	goal := handled() + n
	eventually(l.t, 90*time.Second, "handling", func() error {
		if got := handled(); got < goal {
			return fmt.Errorf("%d of %d handled", got, goal)
		}
		return nil
	})
}

// figures are what a load came to.
type figures struct{ acked, refused, lost, again int }

// check compares what was acknowledged with what is stored, worked and seen. excused
// says which of the acknowledged may be lost.
func (l *load) check(excused func(at time.Time) bool) figures {
	l.t.Helper()
	kept := map[string]int{}
	for _, id := range stored(l.t, l.q) {
		kept[id]++
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]int{}
	for i, e := range l.tailed {
		seen[e.ID]++
		if i > 0 && e.Position <= l.tailed[i-1].Position && excused == nil {
			l.t.Errorf("the tail saw %s after %s", e.Position, l.tailed[i-1].Position)
		}
	}
	lost := 0
	for id, at := range l.acked {
		if kept[id] == 0 && excused != nil && excused(at) {
			lost++
			continue
		}
		if kept[id] != 1 || l.handled[id] == 0 || seen[id] == 0 || seen[id] > 1 && excused == nil {
			l.t.Errorf("%s was acknowledged, and is stored %d times, handled %d times, seen by the tail %d times", id, kept[id], l.handled[id], seen[id])
		}
	}
	again := 0
	for _, n := range l.handled {
		again += n - 1
	}
	l.t.Logf("%d acknowledged, %d refused and sent again, %d lost, %d handled again", len(l.acked), l.refused, lost, again)
	return figures{acked: len(l.acked), refused: l.refused, lost: lost, again: again}
}

// turns is into how many rounds TakeTurns divides what it measures.
const turns = 5

// TakeTurns has callers make b.N calls of each function, in rounds that take turns, so
// that a noisy moment of the machine falls on all of them, and returns how long b.N calls
// take of each, by the median of its rounds. Functions are given numbers that they were
// not given before.
func TakeTurns(b *testing.B, callers int, fns ...func(n int64) error) []time.Duration {
	b.Helper()
	each := int64(max(b.N/turns, 1))
	rounds := make([][]time.Duration, len(fns))
	for turn := range int64(turns) {
		for i, fn := range fns {
			rounds[i] = append(rounds[i], share(b, callers, turn*each, each, fn))
		}
	}
	took := make([]time.Duration, len(fns))
	for i := range rounds {
		slices.Sort(rounds[i])
		took[i] = rounds[i][turns/2] * time.Duration(b.N) / time.Duration(each)
	}
	return took
}

// share divides the calls with the numbers behind first among callers.
func share(b *testing.B, callers int, first, count int64, fn func(n int64) error) time.Duration {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range callers {
		all.Go(func() {
			for n := next.Add(1); n <= count; n = next.Add(1) {
				if err := fn(first + n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}
