package queuetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"slackmcp/webhook/event"
	"slackmcp/webhook/queue"
)

// byFirst is the key of these tests: an id's first letter.
func byFirst(e *event.Event) string { return e.ID[:1] }

// ordered has the first event of one key fail until those of another key are done.
func ordered(e *env) {
	e.open(Config{})
	const n = 8
	var l log
	var mu sync.Mutex
	var done []string
	running := map[string]int{}
	of := func(key string) []string {
		return slices.DeleteFunc(slices.Clone(done), func(id string) bool { return !strings.HasPrefix(id, key) })
	}
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))
	}
	e.register(queue.Group{Name: "g"})
	e.publish(ids...)
	policy := queue.Policy{MaxAttempts: 10_000, Base: e.ticks(1) / 2, Cap: e.ticks(1), Jitter: -1}
	e.consume(queue.Group{Name: "g", Workers: 6, Policy: policy, Key: byFirst}, l.record(func(d queue.Delivery) error {
		key := byFirst(&d.Event)
		mu.Lock()
		if running[key]++; running[key] > 1 {
			e.Errorf("two of %s run at once", key)
		}
		mu.Unlock()
		e.sleep(e.ticks(1) / 20)
		mu.Lock()
		defer mu.Unlock()
		running[key]--
		if d.Event.ID == "a0" && len(of("b")) < n {
			return errHandler
		}
		done = append(done, d.Event.ID)
		return nil
	}))
	e.counts("g", queue.GroupStats{Done: 2 * n})
	mu.Lock()
	defer mu.Unlock()
	for _, key := range []string{"a", "b"} {
		if own := of(key); !slices.IsSorted(own) || len(own) != n {
			e.Errorf("the events of %s were done in the order %v", key, own)
		}
	}
	for _, id := range ids[1:] {
		if got := l.attempts(id); !slices.Equal(got, []int{1}) {
			e.Errorf("%s: attempts %v: to wait is no attempt", id, got)
		}
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
