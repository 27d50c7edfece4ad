package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func groupTests() []test {
	return []test{
		{name: "a new group begins where it is told", run: groupStarts},
		{name: "a registered group goes on where it was", run: groupGoesOn},
		{name: "a registration survives a restart", restart: true, run: groupAfterRestart},
		{name: "a start that cannot be followed has expired", run: groupForeignStart},
		{name: "ill-formed groups are refused", run: groupRefused},
		{name: "consumers of one group compete", run: consumersCompete},
		{name: "groups share nothing", run: groupsShareNothing},
		{name: "what the filter leaves out counts as done", run: groupFilter},
		{name: "the filter applies to a backlog", run: groupFilterBacklog},
		{name: "a dropped group is forgotten", run: groupDropped},
		{name: "a dropped group stays forgotten after a restart", restart: true, run: groupDroppedAfterRestart},
		{name: "workers bound the handlers that run at once", run: groupWorkers},
		{name: "a backlog is worked to its end", run: groupBacklog},
	}
}

func groupStarts(e *env) {
	e.open(Config{})
	at := e.publish("a", "b")
	e.sleep(e.ticks(2))
	since := time.Now()
	at = append(at, e.publish("c")...)
	logs := map[string]*log{}
	for name, s := range map[string]queue.Start{
		"oldest": {}, "after": {After: at[0]}, "since": {Since: since}, "now": {Now: true},
		"wins": {After: at[1], Since: since.Add(-e.ticks(100)), Now: true},
	} {
		logs[name] = &log{}
		e.consume(queue.Group{Name: name, Start: s}, logs[name].record(nil))
	}
	e.publish("d")
	for name, want := range map[string][]string{
		"oldest": {"a", "b", "c", "d"}, "after": {"b", "c", "d"}, "since": {"c", "d"}, "now": {"d"}, "wins": {"c", "d"},
	} {
		e.reached(logs[name], len(want))
		for _, id := range want {
			if n := logs[name].calls()[id]; n != 1 {
				e.Errorf("group %s: %s was handled %d times, want once", name, id, n)
			}
		}
		e.counts(name, queue.GroupStats{Done: int64(len(want))})
	}
	got, err := e.q.Groups(e.Context())
	if err != nil {
		e.Fatalf("Groups: %v", err)
	}
	e.same("Groups", got, []string{"after", "now", "oldest", "since", "wins"})
}

func groupGoesOn(e *env) {
	e.open(Config{})
	e.publish("a")
	var first, second log
	stop := e.consume(queue.Group{Name: "g"}, first.record(nil))
	e.reached(&first, 1)
	e.counts("g", queue.GroupStats{Done: 1})
	stop()
	e.publish("b", "c")
	e.counts("g", queue.GroupStats{Done: 1, Waiting: 2})
	// Start is for a group that is registered for the first time.
	e.consume(queue.Group{Name: "g", Start: queue.Start{Now: true}}, second.record(nil))
	e.reached(&second, 2)
	e.counts("g", queue.GroupStats{Done: 3})
	if second.calls()["a"] != 0 {
		e.Errorf("a was handled again")
	}
}

func groupAfterRestart(e *env) {
	e.open(Config{})
	var l log
	stop := e.consume(queue.Group{Name: "g", Start: queue.Start{Now: true}}, l.record(nil))
	e.publish("a", "b")
	e.reached(&l, 2)
	e.counts("g", queue.GroupStats{Done: 2})
	stop()
	e.publish("c")
	e.restart()
	e.counts("g", queue.GroupStats{Done: 2, Waiting: 1})
	e.publish("d")
	e.consume(queue.Group{Name: "g"}, l.record(nil))
	e.reached(&l, 4)
	e.counts("g", queue.GroupStats{Done: 4})
	if got := l.calls(); len(got) != 4 {
		e.Errorf("handled %v, want each of 4 once", got)
	}
}

func groupForeignStart(e *env) {
	e.open(Config{})
	e.publish("a")
	g := queue.Group{Name: "g", Start: queue.Start{After: e.foreign()}}
	err := e.q.Consume(e.Context(), g, func(context.Context, queue.Delivery) error { return nil })
	e.expired("Consume from a foreign position", err)
	if list, err := e.q.Groups(e.Context()); err != nil || len(list) != 0 {
		e.Errorf("Groups = %v, %v, want none", list, err)
	}
}

func groupRefused(e *env) {
	e.open(Config{})
	for _, g := range []queue.Group{
		{},
		{Name: "a b"},
		{Name: "a/b"},
		{Name: strings.Repeat("x", 65)},
		{Name: "ä"},
		{Name: "g", Workers: -1},
		{Name: "g", Deadline: -1},
		{Name: "g", Drain: -1},
	} {
		ctx, cancel := context.WithTimeout(e.Context(), e.ticks(5))
		err := e.q.Consume(ctx, g, func(context.Context, queue.Delivery) error { return nil })
		cancel()
		if err == nil {
			e.Errorf("Consume(%+v) took an ill-formed group", g)
		}
	}
	name := strings.Repeat("aZ0._-xx", 8)
	var l log
	e.publish("a")
	e.consume(queue.Group{Name: name}, l.record(nil))
	e.reached(&l, 1)
}

func consumersCompete(e *env) {
	e.open(Config{})
	const events = 240
	var logs [3]log
	var all log
	for i := range logs {
		e.consume(queue.Group{Name: "g", Workers: 2}, func(ctx context.Context, d queue.Delivery) error {
			all.add(d)
			e.sleep(e.h.Tick / 20)
			return logs[i].record(nil)(ctx, d)
		})
	}
	e.publish(names("m", events)...)
	e.reached(&all, events)
	for id, n := range all.calls() {
		if n != 1 {
			e.Errorf("%s was handled %d times", id, n)
		}
	}
	e.counts("g", queue.GroupStats{Done: events})
	for i := range logs {
		if logs[i].len() == 0 {
			e.Errorf("consumer %d of 3 had nothing of %d events", i, events)
		}
	}
}

func groupsShareNothing(e *env) {
	e.open(Config{})
	var good, bad log
	e.consume(queue.Group{Name: "good"}, good.record(nil))
	e.consume(queue.Group{Name: "bad"}, bad.record(func(queue.Delivery) error { return queue.Permanent(errHandler) }))
	e.publish(names("m", 20)...)
	e.counts("good", queue.GroupStats{Done: 20})
	e.counts("bad", queue.GroupStats{Dead: 20})
	if good.len() != 20 || bad.len() != 20 {
		e.Errorf("%d and %d attempts, want 20 each", good.len(), bad.len())
	}
}

func onlyC2() event.Filter { return event.Filter{Channel: "C2"} }

// publishTo stores one event in a channel.
func (e *env) publishTo(channel, id string) {
	e.Helper()
	m := e.message(id)
	m.Channel = channel
	if _, err := e.q.Publish(e.Context(), m); err != nil {
		e.Fatalf("Publish: %v", err)
	}
}

func groupFilter(e *env) {
	e.open(Config{})
	var l log
	e.consume(queue.Group{Name: "g", Filter: onlyC2()}, l.record(nil))
	e.publish(names("m", 10)...)
	e.publishTo("C2", "x")
	e.publish(names("n", 10)...)
	e.counts("g", queue.GroupStats{Done: 21})
	if got := l.calls(); len(got) != 1 || got["x"] != 1 {
		e.Errorf("handled %v, want x alone", got)
	}
}

func groupFilterBacklog(e *env) {
	e.open(Config{})
	e.fill("m", 600)
	e.publishTo("C2", "x")
	e.fill("n", 600)
	var l log
	e.consume(queue.Group{Name: "g", Filter: onlyC2()}, l.record(nil))
	e.counts("g", queue.GroupStats{Done: 1201})
	if got := l.calls(); len(got) != 1 || got["x"] != 1 {
		e.Errorf("handled %v, want x alone", got)
	}
}

// fill publishes many events quickly. While the store is full it tries again, as a
// sender would: a group may work more slowly than the store fills.
func (e *env) fill(prefix string, n int) {
	e.Helper()
	list := names(prefix, n)
	var publishers sync.WaitGroup
	for part := range slices.Chunk(list, (n+15)/16) {
		publishers.Go(func() {
			for _, id := range part {
				if err := e.insist(e.message(id)); err != nil {
					e.Errorf("Publish: %v", err)
				}
			}
		})
	}
	publishers.Wait()
}

// insist publishes an event, waiting while the store is full.
func (e *env) insist(m event.Event) error {
	for deadline := time.Now().Add(e.ticks(200)); ; e.sleep(e.h.Tick / 20) {
		_, err := e.q.Publish(e.Context(), m)
		if !errors.Is(err, queue.ErrFull) || time.Now().After(deadline) {
			return err
		}
	}
}

func groupDropped(e *env) {
	e.open(Config{})
	if err := e.q.DropGroup(e.Context(), "g"); !errors.Is(err, queue.ErrNoGroup) {
		e.Errorf("DropGroup of an unknown group: %v, want ErrNoGroup", err)
	}
	e.publish("a", "b", "c")
	ended := make(chan error, 1)
	var l log
	go func() {
		ended <- e.q.Consume(e.Context(), queue.Group{Name: "g", Policy: e.policy()}, l.record(func(d queue.Delivery) error {
			switch d.Event.ID {
			case "a":
				return queue.Permanent(errHandler)
			case "b":
				return queue.RetryAfter(errHandler, e.ticks(1000))
			}
			return nil
		}))
	}()
	e.reached(&l, 3)
	e.counts("g", queue.GroupStats{Done: 1, Dead: 1, Waiting: 1, Retrying: 1})
	if err := e.q.DropGroup(e.Context(), "g"); err != nil {
		e.Fatalf("DropGroup: %v", err)
	}
	if err := <-ended; !errors.Is(err, queue.ErrNoGroup) {
		e.Errorf("Consume of a dropped group: %v, want ErrNoGroup", err)
	}
	if list, err := e.q.Groups(e.Context()); err != nil || len(list) != 0 {
		e.Errorf("Groups = %v, %v, want none", list, err)
	}
	_, err := e.q.DeadLetters(e.Context(), "g", queue.LetterQuery{})
	_, err2 := e.q.Redrive(e.Context(), "g")
	if !errors.Is(err, queue.ErrNoGroup) || !errors.Is(err2, queue.ErrNoGroup) {
		e.Errorf("DeadLetters, Redrive of a dropped group: %v, %v, want ErrNoGroup", err, err2)
	}
	var again log
	e.consume(queue.Group{Name: "g"}, again.record(nil))
	e.reached(&again, 3)
	if got := again.attempts("b"); !slices.Equal(got, []int{1}) {
		e.Errorf("attempts at b by the new group: %v, want the first", got)
	}
	e.counts("g", queue.GroupStats{Done: 3})
}

func groupDroppedAfterRestart(e *env) {
	e.open(Config{})
	e.publish("a")
	e.register(queue.Group{Name: "g"})
	e.register(queue.Group{Name: "h"})
	if err := e.q.DropGroup(e.Context(), "g"); err != nil {
		e.Fatalf("DropGroup: %v", err)
	}
	e.restart()
	list, err := e.q.Groups(e.Context())
	if err != nil {
		e.Fatalf("Groups: %v", err)
	}
	e.same("Groups", list, []string{"h"})
}

func groupWorkers(e *env) {
	e.open(Config{})
	e.publish(names("m", 12)...)
	var mu sync.Mutex
	running, most := 0, 0
	var l log
	e.consume(queue.Group{Name: "g", Workers: 3}, func(_ context.Context, d queue.Delivery) error {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		e.sleep(e.ticks(1))
		mu.Lock()
		running--
		mu.Unlock()
		l.add(d)
		return nil
	})
	e.reached(&l, 12)
	if most != 3 {
		e.Errorf("up to %d handlers ran at once, want 3", most)
	}
}

func groupBacklog(e *env) {
	e.open(Config{})
	e.fill("m", 1200)
	var l log
	e.consume(queue.Group{Name: "g", Workers: 16}, l.record(nil))
	e.counts("g", queue.GroupStats{Done: 1200})
	if got := l.calls(); len(got) != 1200 || l.len() != 1200 {
		e.Errorf("%d events were handled %d times, want 1200 once each", len(got), l.len())
	}
	for id, n := range l.calls() {
		if n != 1 {
			e.Errorf("%s was handled %d times", id, n)
		}
	}
}

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
