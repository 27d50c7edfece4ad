package queuetest

import (
	"errors"
	"fmt"

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
