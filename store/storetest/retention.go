package storetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"sync"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func retentionTests() []test {
	return []test{
		{name: "the count bounds what is kept", run: retentionByCount},
		{name: "the age bounds what is kept", run: retentionByAge},
		{name: "what a group has not finished is kept, and then the store is full", run: full},
		{name: "a full store is full after a restart", restart: true, run: fullAfterRestart},
		{name: "a store whose group was dropped is full no more", run: fullUntilDropped},
		{name: "age removes nothing that a group waits for", run: ageAndGroups},
		{name: "dead letters age, and are counted", run: lettersAge},
		{name: "dead letters make room when nothing else does", run: lettersMakeRoom},
		{name: "the counts survive a restart", restart: true, run: countsAfterRestart},
	}
}

func retentionByCount(e *env) {
	e.open(Config{RetentionCount: 10})
	at := e.publish(names("m", 35)...)
	e.trimmed(25)
	e.same("stored", e.stored(), names("m", 35)[25:])
	s := e.stats()
	if s.Accepted != 35 || s.Events != 10 || s.Oldest != at[25] || s.Newest != at[34] {
		e.Errorf("Stats: %+v, want 35 accepted, 10 kept, from %s to %s", s, at[25], at[34])
	}
}

func retentionByAge(e *env) {
	e.open(Config{RetentionAge: e.ticks(30)})
	e.publish("a", "b")
	e.sleep(e.ticks(20))
	e.publish("c")
	e.same("stored", e.stored(), []string{"a", "b", "c"})
	e.trimmed(2)
	e.same("stored", e.stored(), []string{"c"})
	e.trimmed(3)
	if s := e.stats(); s.Accepted != 3 || s.Events != 0 || s.Oldest != "" || s.Newest != "" {
		e.Errorf("Stats of an emptied store: %+v", s)
	}
	at := e.publish("d")
	p, err := e.q.History(e.Context(), event.Query{Order: event.OldestFirst})
	if err != nil || len(p.Events) != 1 || p.Next != at[0] {
		e.Errorf("History after the store was emptied: %+v, %v", p, err)
	}
}

func full(e *env) {
	e.open(Config{RetentionCount: 5})
	e.register(queue.Group{Name: "g"})
	at := e.publish(names("m", 5)...)
	for range 3 {
		if _, err := e.q.Publish(e.Context(), e.message("x")); !errors.Is(err, queue.ErrFull) {
			e.Fatalf("Publish into a full store: %v, want ErrFull", err)
		}
	}
	e.duplicate("m3", at[3]) // it is stored already, which is what its sender wants
	e.counts("g", queue.GroupStats{Waiting: 5})
	var l log
	stop := e.consume(queue.Group{Name: "g"}, l.record(nil))
	e.counts("g", queue.GroupStats{Done: 5})
	stop()
	e.publish("x")
	e.trimmed(1)
	e.counts("g", queue.GroupStats{Done: 5, Waiting: 1})
}

func fullAfterRestart(e *env) {
	e.open(Config{RetentionCount: 5})
	e.register(queue.Group{Name: "g"})
	e.publish(names("m", 5)...)
	e.restart()
	if _, err := e.q.Publish(e.Context(), e.message("x")); !errors.Is(err, queue.ErrFull) {
		e.Errorf("Publish into a full store: %v, want ErrFull", err)
	}
	e.same("stored", e.stored(), names("m", 5))
}

func fullUntilDropped(e *env) {
	e.open(Config{RetentionCount: 5})
	e.register(queue.Group{Name: "g"})
	e.publish(names("m", 5)...)
	if _, err := e.q.Publish(e.Context(), e.message("x")); !errors.Is(err, queue.ErrFull) {
		e.Fatalf("Publish into a full store: %v, want ErrFull", err)
	}
	if err := e.q.DropGroup(e.Context(), "g"); err != nil {
		e.Fatalf("DropGroup: %v", err)
	}
	e.publish("x")
	e.trimmed(1)
}

func ageAndGroups(e *env) {
	e.open(Config{RetentionAge: e.ticks(20)})
	e.register(queue.Group{Name: "g"})
	e.publish("a", "b")
	e.sleep(e.ticks(60))
	e.publish("c")
	e.same("stored", e.stored(), []string{"a", "b", "c"})
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(nil))
	e.counts("g", queue.GroupStats{Done: 3})
	e.trimmed(3)
	e.counts("g", queue.GroupStats{Done: 3})
}

func lettersAge(e *env) {
	e.open(Config{RetentionAge: e.ticks(40)})
	at := e.bury("a", "b", "c")
	e.counts("g", queue.GroupStats{Dead: 3})
	if n, err := e.q.Drop(e.Context(), "g", at[0]); err != nil || n != 1 {
		e.Fatalf("Drop = %d, %v", n, err)
	}
	e.counts("g", queue.GroupStats{Dead: 2, Done: 1})
	e.counts("g", queue.GroupStats{Expired: 2, Done: 1})
	e.trimmed(3)
	if d := e.dead("g"); len(d) != 0 {
		e.Errorf("dead letters after their age: %+v", d)
	}
	if n, err := e.q.Redrive(e.Context(), "g", at...); err != nil || n != 0 {
		e.Errorf("Redrive of expired letters = %d, %v, want 0", n, err)
	}
	if n, err := e.q.Replay(e.Context(), "g", at...); err != nil || n != 0 {
		e.Errorf("Replay of expired events = %d, %v, want 0", n, err)
	}
}

func lettersMakeRoom(e *env) {
	e.open(Config{RetentionCount: 6})
	e.bury("a", "b", "c", "d")
	e.publish(names("m", 2)...)
	// The two that wait may not go; of the letters the oldest go first.
	e.publish("x", "y")
	e.counts("g", queue.GroupStats{Dead: 2, Expired: 2, Waiting: 4})
	e.same("dead letters", letterIDs(e.dead("g")), []string{"c", "d"})
	e.publish("z", "zz")
	e.counts("g", queue.GroupStats{Expired: 4, Waiting: 6})
	if _, err := e.q.Publish(e.Context(), e.message("no")); !errors.Is(err, queue.ErrFull) {
		e.Errorf("Publish into a full store: %v, want ErrFull", err)
	}
}

func countsAfterRestart(e *env) {
	e.open(Config{RetentionCount: 20})
	e.bury("a", "b")
	var l log
	stop := e.consume(queue.Group{Name: "g"}, l.record(func(d queue.Delivery) error {
		if d.Event.ID == "m49" {
			return queue.RetryAfter(errHandler, e.ticks(5000))
		}
		return nil
	}))
	// No more at a time than fits beside what waits, however slow the group is.
	for i, done := range []int64{10, 20, 30, 40} {
		e.publish(names("m", 50)[10*i : 10*i+10]...)
		e.counts("g", queue.GroupStats{Dead: 2, Done: done})
	}
	e.publish(names("m", 50)[40:]...)
	e.counts("g", queue.GroupStats{Dead: 2, Done: 49, Waiting: 1, Retrying: 1})
	stop()
	e.publish("last")
	before := e.stats()
	for range 2 {
		e.restart()
		after := e.stats()
		if before.Epoch != after.Epoch || before.Accepted != after.Accepted || before.Expired != after.Expired ||
			before.Events != after.Events || before.SeenIDs != after.SeenIDs || before.Oldest != after.Oldest || before.Newest != after.Newest {
			e.Errorf("Stats before the restart:\n%+v\nand after:\n%+v", before, after)
		}
		e.counts("g", queue.GroupStats{Dead: 2, Done: 49, Waiting: 2, Retrying: 1})
		if got, want := fmt.Sprint(after.Accepted), fmt.Sprint(after.Events+after.Expired); got != want {
			e.Errorf("%s accepted, %s kept or expired", got, want)
		}
	}
}

func lifeTests() []test {
	return []test{
		{name: "stats name the backend and what it promises", run: statsNames},
		{name: "close ends what runs and is idempotent", run: closeEnds},
		{name: "a closed store answers ErrClosed", run: closedStore},
		{name: "nothing is lost and nothing counted twice", run: func(e *env) { conservation(e, false) }},
		{name: "nothing is lost and nothing counted twice across restarts", restart: true, run: func(e *env) { conservation(e, true) }},
	}
}

func statsNames(e *env) {
	e.open(Config{})
	s := e.stats()
	if s.Backend != e.h.Backend || s.Durability == "" || s.Epoch == "" || s.Accepted != 0 || s.Oldest != "" || len(s.Groups) != 0 {
		e.Errorf("Stats of a new store: %+v", s)
	}
	at := e.publish("a")
	if at[0].Epoch() != s.Epoch || e.stats().Epoch != s.Epoch {
		e.Errorf("the position %s is not of the epoch %s", at[0], s.Epoch)
	}
	if s := e.stats(); s.Bytes <= 0 && runtime.GOOS == "linux" || s.MostBytes != 0 && s.MostBytes < s.Bytes {
		e.Errorf("an event takes %d bytes of %d", s.Bytes, s.MostBytes)
	}
}

func closeEnds(e *env) {
	e.open(Config{})
	ended := make(chan error, 2)
	started := make(chan struct{}, 2)
	go func() {
		ended <- e.q.Consume(e.Context(), queue.Group{Name: "g"}, func(ctx context.Context, _ queue.Delivery) error {
			started <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	go func() {
		ended <- e.q.Tail(e.Context(), queue.Start{}, func(event.Event) error {
			started <- struct{}{}
			return nil
		})
	}()
	e.publish("a")
	<-started
	<-started
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() {
			if err := e.q.Close(); err != nil {
				e.Errorf("Close: %v", err)
			}
		})
	}
	closers.Wait()
	for range 2 {
		if err := <-ended; !errors.Is(err, queue.ErrClosed) {
			e.Errorf("Consume or Tail of a closed store: %v, want ErrClosed", err)
		}
	}
}

func closedStore(e *env) {
	e.open(Config{})
	at := e.publish("a")
	e.register(queue.Group{Name: "g"})
	q, ctx := e.q, e.Context()
	e.close()
	_, publish := q.Publish(ctx, e.message("b"))
	_, history := q.History(ctx, event.Query{})
	_, get := q.Get(ctx, "slack", "a")
	_, groups := q.Groups(ctx)
	_, letters := q.DeadLetters(ctx, "g", queue.LetterQuery{})
	_, redrive := q.Redrive(ctx, "g", at...)
	_, states := q.States(ctx, at[0])
	_, stats := q.Stats(ctx)
	for what, err := range map[string]error{
		"Publish": publish, "History": history, "Get": get, "Groups": groups, "DeadLetters": letters, "Redrive": redrive, "States": states, "Stats": stats,
		"DropGroup": q.DropGroup(ctx, "g"),
		"Consume":   q.Consume(ctx, queue.Group{Name: "g"}, func(context.Context, queue.Delivery) error { return nil }),
		"Tail":      q.Tail(ctx, queue.Start{}, func(event.Event) error { return nil }),
	} {
		if !errors.Is(err, queue.ErrClosed) {
			e.Errorf("%s on a closed store: %v, want ErrClosed", what, err)
		}
	}
	if err := q.Close(); err != nil {
		e.Errorf("a second Close: %v", err)
	}
}

// fate is what becomes of an event in the conservation test, by its id.
func fate(id string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return h.Sum32() % 10
}

// conservation throws everything at two groups, several times, and compares each
// group's counts with what the handlers saw: accepted = done + waiting + dead + expired.
func conservation(e *env, restart bool) {
	e.open(Config{RetentionCount: 150})
	e.register(queue.Group{Name: "idle", Start: queue.Start{Now: true}})
	if err := e.q.DropGroup(e.Context(), "idle"); err != nil {
		e.Fatalf("DropGroup: %v", err)
	}
	b := &books{done: map[string]map[string]bool{"a": {}, "b": {}}}
	const rounds, events = 6, 40
	for round := range rounds {
		b.consume(e)
		e.fill(fmt.Sprint("r", round, "-"), events)
		if round%2 == 0 {
			b.operate(e, "a")
			b.operate(e, "b")
		}
		if restart {
			e.restart()
		}
	}
	b.consume(e)
	b.balance(e, "a", rounds*events)
	b.balance(e, "b", rounds*events)
	s := e.stats()
	if s.Accepted != rounds*events || s.Accepted != s.Events+s.Expired {
		e.Errorf("Stats: %d accepted, %d kept, %d expired, want %d accepted", s.Accepted, s.Events, s.Expired, rounds*events)
	}
}

// books are kept beside the store's own.
type books struct {
	mu   sync.Mutex
	done map[string]map[string]bool // group -> ids that ended well
}

// consume starts a consumer of each group.
func (b *books) consume(e *env) {
	e.Helper()
	for g := range b.done {
		e.consume(queue.Group{Name: g, Workers: 3}, b.handler(e, g))
	}
}

// balance waits until nothing waits, and looks whether the counts add up.
func (b *books) balance(e *env, group string, accepted int64) {
	e.Helper()
	e.eventually("the end of group "+group, func() error {
		s := e.group(group)
		if sum := s.Done + s.Waiting + s.Dead + s.Expired; sum != accepted {
			return fmt.Errorf("%+v adds up to %d, want %d", s, sum, accepted)
		}
		if s.Waiting != 0 {
			return fmt.Errorf("%+v, want nothing waiting", s)
		}
		return nil
	})
	s := e.group(group)
	if letters := e.dead(group); int64(len(letters)) != s.Dead {
		e.Errorf("group %s: %d dead letters are listed and %d counted", group, len(letters), s.Dead)
	}
	b.compare(e, group, s)
}

// handler lets half of the events end well at once and the others in all other ways.
func (b *books) handler(e *env, group string) queue.Handler {
	return func(_ context.Context, d queue.Delivery) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch f := fate(d.Event.ID); {
		case f == 0:
			return queue.Permanent(errHandler)
		case f == 1:
			return errHandler
		case f == 2 && d.Attempt == 1:
			return errHandler
		case f == 3 && d.Attempt < 3:
			panic(errHandler)
		case f == 4 && d.Attempt == 1:
			return queue.RetryAfter(errHandler, e.ticks(1))
		}
		b.done[group][d.Event.ID] = true
		return nil
	}
}

// operate drops one dead letter, redrives some and replays some.
func (b *books) operate(e *env, group string) {
	e.Helper()
	for i, l := range e.dead(group) {
		switch i % 3 {
		case 0:
			if n, err := e.q.Redrive(e.Context(), group, l.Event.Position); err != nil || n > 1 {
				e.Errorf("Redrive = %d, %v", n, err)
			}
		case 1:
			b.drop(e, group, l.Event)
		}
	}
	p, err := e.q.History(e.Context(), event.Query{Limit: 7})
	if err != nil {
		e.Fatalf("History: %v", err)
	}
	for _, ev := range p.Events {
		if _, err := e.q.Replay(e.Context(), group, ev.Position); err != nil {
			e.Errorf("Replay: %v", err)
		}
	}
}

// drop removes a dead letter, which counts as done.
func (b *books) drop(e *env, group string, ev event.Event) {
	e.Helper()
	n, err := e.q.Drop(e.Context(), group, ev.Position)
	if err != nil {
		e.Errorf("Drop: %v", err)
	}
	if n == 1 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.done[group][ev.ID] = true
	}
}

// compare holds a group's counts against what its handlers did. An event that ended
// well and was replayed into the dead letters is in both books.
func (b *books) compare(e *env, group string, s queue.GroupStats) {
	e.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	done := int64(len(b.done[group]))
	for _, l := range e.dead(group) {
		if b.done[group][l.Event.ID] {
			done--
		}
	}
	if s.Done != done {
		e.Errorf("group %s: %d are counted as done and the handlers say %d; %+v", group, s.Done, done, s)
	}
}
