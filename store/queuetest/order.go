package queuetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// byFirst is the key of these tests: an id's first letter.
func byFirst(e *event.Event) string { return e.ID[:1] }

// A parade notes which events of each key run and which are done.
type parade struct {
	mu      sync.Mutex
	running map[string]int
	done    []string
}

// run is the time in which a handler works an event; no other of its key may have one.
func (p *parade) run(e *env, d queue.Delivery) {
	key := byFirst(&d.Event)
	p.mu.Lock()
	if p.running[key]++; p.running[key] > 1 {
		e.Errorf("two of %s run at once", key)
	}
	p.mu.Unlock()
	e.sleep(e.ticks(1) / 20)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[key]--
}

func (p *parade) finish(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, id)
}

// of lists what is done of a key, in order.
func (p *parade) of(key string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.done), func(id string) bool { return !strings.HasPrefix(id, key) })
}

// ordered has the first event of one key fail until those of another key are done.
func ordered(e *env) {
	e.open(Config{})
	const n = 8
	var l log
	p := &parade{running: map[string]int{}}
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))
	}
	e.register(queue.Group{Name: "g"})
	e.publish(ids...)
	policy := queue.Policy{MaxAttempts: 10_000, Base: e.ticks(1) / 2, Cap: e.ticks(1), Jitter: -1}
	e.consume(queue.Group{Name: "g", Workers: 6, Policy: policy, Key: byFirst}, l.record(func(d queue.Delivery) error {
		p.run(e, d)
		if d.Event.ID == "a0" && len(p.of("b")) < n {
			return errHandler
		}
		p.finish(d.Event.ID)
		return nil
	}))
	e.counts("g", queue.GroupStats{Done: 2 * n})
	for _, key := range []string{"a", "b"} {
		if own := p.of(key); !slices.IsSorted(own) || len(own) != n {
			e.Errorf("the events of %s were done in the order %v", key, own)
		}
	}
	for _, id := range ids[1:] {
		e.same(id+"'s attempts, for to wait is none", []string{fmt.Sprint(l.attempts(id))}, []string{"[1]"})
	}
	if got := l.attempts("a0"); len(got) < 2 || got[len(got)-1] != len(got) {
		e.Errorf("a0: attempts %v, want several, each counted", got)
	}
}

// orderedPastTheDead has the first event of a key give up.
func orderedPastTheDead(e *env) {
	e.open(Config{})
	var l log
	e.consume(queue.Group{Name: "g", Workers: 4, Key: byFirst}, l.record(func(d queue.Delivery) error {
		if d.Event.ID == "a0" {
			return errors.New("never")
		}
		if d.Event.ID == "a1" {
			return queue.Permanent(errors.New("at once"))
		}
		return nil
	}))
	e.publish("a0", "a1", "a2", "a3")
	e.counts("g", queue.GroupStats{Done: 2, Dead: 2})
	if got := l.attempts("a0"); !slices.Equal(got, []int{1, 2, 3}) {
		e.Errorf("a0: attempts %v", got)
	}
	if got := l.attempts("a3"); !slices.Equal(got, []int{1}) {
		e.Errorf("a3: attempts %v", got)
	}
}
