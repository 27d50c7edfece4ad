package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func stateTests() []test {
	return []test{
		{name: "each group's state of an event is told", run: statesOfEach},
		{name: "the states of all events add up to the counts", run: statesAddUp},
		{name: "states survive a restart", restart: true, run: statesAfterRestart},
		{name: "an event from before the group's start is not the group's until it is replayed", run: statesBeforeStart},
		{name: "what left the log is known as long as a group has it", run: statesOutsideLog},
		{name: "what a letter that expired leaves is not known", run: statesOfExpired},
		{name: "positions that mean nothing have no states", run: statesOfNothing},
	}
}

// states reads what became of an event, by group.
func (e *env) states(at event.Position) map[string]queue.EventState {
	e.Helper()
	list, err := e.q.States(e.Context(), at)
	if err != nil {
		e.Fatalf("States(%s): %v", at, err)
	}
	all := map[string]queue.EventState{}
	for i, s := range list {
		if i > 0 && list[i-1].Group >= s.Group {
			e.Errorf("States lists %s behind %s", s.Group, list[i-1].Group)
		}
		all[s.Group] = s
	}
	return all
}

// becomes waits until an event has a state in a group, and returns it.
func (e *env) becomes(at event.Position, group string, want queue.State) queue.EventState {
	e.Helper()
	var got queue.EventState
	e.eventually("state in "+group, func() error {
		if got = e.states(at)[group]; got.State != want {
			return fmt.Errorf("%+v, want %s", got, want)
		}
		return nil
	})
	return got
}

// later is a pause that no test outlasts.
func (e *env) later() time.Duration { return min(e.ticks(5000), time.Hour) }

// fates works the group g: what becomes of an event is its id. What "runs" ends once it is released.
func (e *env) fates(release <-chan struct{}) (stop func()) {
	e.Helper()
	return e.consume(queue.Group{Name: "g", Workers: 4, Deadline: time.Hour}, func(ctx context.Context, d queue.Delivery) error {
		switch d.Event.ID {
		case "dies":
			return queue.Permanent(errHandler)
		case "fails":
			return queue.RetryAfter(errHandler, e.later())
		case "fails, then runs":
			if d.Attempt == 1 {
				return queue.RetryAfter(errHandler, e.ticks(1))
			}
		case "runs":
		default:
			return nil
		}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	})
}

func statesOfEach(e *env) {
	e.open(Config{})
	e.register(queue.Group{Name: "idle"})
	release := make(chan struct{})
	e.fates(release)
	before := time.Now()
	at := e.publish("is done", "dies", "fails", "runs", "fails, then runs")
	e.eventually("the second attempt", func() error {
		if got := e.states(at[4])["g"]; got.State != queue.InFlight || got.Attempts != 2 {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	e.counts("g", queue.GroupStats{Done: 1, Dead: 1, Waiting: 3, Retrying: 1, InFlight: 2})
	for i, want := range []queue.EventState{
		{State: queue.Done},
		{State: queue.Dead, Attempts: 1, Reason: errHandler.Error()},
		{State: queue.Retrying, Attempts: 1, Reason: errHandler.Error()},
		{State: queue.InFlight, Attempts: 1},
		{State: queue.InFlight, Attempts: 2, Reason: errHandler.Error()},
	} {
		all := e.states(at[i])
		got := all["g"]
		e.instant(got, before)
		got.At, want.Group = time.Time{}, "g"
		if got != want {
			e.Errorf("state %d: %+v, want %+v", i, got, want)
		}
		if idle := all["idle"]; len(all) != 2 || idle != (queue.EventState{Group: "idle", State: queue.Waiting}) {
			e.Errorf("states of event %d: %+v, want the group idle to wait for it", i, all)
		}
	}
	close(release)
	e.becomes(at[3], "g", queue.Done)
	e.becomes(at[4], "g", queue.Done)
	if n, err := e.q.Redrive(e.Context(), "g", at[1]); err != nil || n != 1 {
		e.Fatalf("Redrive = %d, %v", n, err)
	}
	if got := e.becomes(at[1], "g", queue.Dead); got.Attempts != 1 {
		e.Errorf("after a redrive: %+v, want one attempt", got)
	}
	if err := e.q.DropGroup(e.Context(), "idle"); err != nil {
		e.Fatalf("DropGroup: %v", err)
	}
	if all := e.states(at[0]); len(all) != 1 {
		e.Errorf("states after a group was dropped: %+v", all)
	}
}

// instant fails the test unless the instant of a state of fates is that of the death or of the next attempt of an event that was
// published at a time or later, or, in the other states, zero. The store's clock need not be ours.
func (e *env) instant(s queue.EventState, published time.Time) {
	e.Helper()
	var pause time.Duration
	if s.State == queue.Retrying {
		pause = e.later()
	}
	least, most := published.Add(pause-time.Minute), time.Now().Add(pause+time.Minute)
	timed := s.State == queue.Retrying || s.State == queue.Dead
	if timed && (s.At.Before(least) || s.At.After(most)) || !timed && !s.At.IsZero() {
		e.Errorf("the instant of %+v is not from %v to %v", s, least, most)
	}
}

func statesAddUp(e *env) {
	e.open(Config{})
	release := make(chan struct{})
	defer close(release)
	e.fates(release)
	list := append(names("m", 20), "dies", "fails", "runs")
	at := e.publish(list...)
	want := queue.GroupStats{Done: 20, Dead: 1, Waiting: 2, Retrying: 1, InFlight: 1}
	e.counts("g", want)
	e.eventually("states add up", func() error {
		var got tally
		for _, p := range at {
			got.add(e.states(p)["g"].State)
		}
		if got != tally(want) {
			return fmt.Errorf("%+v, want %+v", got, want)
		}
		return nil
	})
}

// A tally counts states as a group's counts do.
type tally queue.GroupStats

func (t *tally) add(s queue.State) {
	switch s {
	case queue.Waiting:
		t.Waiting++
	case queue.InFlight:
		t.Waiting, t.InFlight = t.Waiting+1, t.InFlight+1
	case queue.Retrying:
		t.Waiting, t.Retrying = t.Waiting+1, t.Retrying+1
	case queue.Done:
		t.Done++
	case queue.Dead:
		t.Dead++
	case queue.BeforeStart, queue.NotKnown:
		t.Expired-- // there is none
	}
}

func statesAfterRestart(e *env) {
	e.open(Config{})
	stop := e.fates(nil)
	at := e.publish("is done", "dies", "fails")
	e.counts("g", queue.GroupStats{Done: 1, Dead: 1, Waiting: 1, Retrying: 1})
	stop()
	at = append(at, e.publish("waits")...)
	var before []queue.EventState
	for _, p := range at {
		before = append(before, e.states(p)["g"])
	}
	e.restart()
	for i, p := range at {
		if after := e.states(p)["g"]; after != before[i] {
			e.Errorf("state %d after a restart: %+v, before: %+v", i, after, before[i])
		}
	}
}

func statesBeforeStart(e *env) {
	e.open(Config{})
	at := e.publish("a", "b")
	var l log
	stop := e.consume(queue.Group{Name: "g", Start: queue.Start{Now: true}}, l.record(nil))
	at = append(at, e.publish("c")...)
	e.becomes(at[2], "g", queue.Done)
	e.becomes(at[0], "g", queue.BeforeStart)
	stop()
	if n, err := e.q.Replay(e.Context(), "g", at[0]); err != nil || n != 1 {
		e.Fatalf("Replay = %d, %v", n, err)
	}
	if got := e.states(at[0])["g"]; got.State != queue.Retrying || got.Attempts != 0 || got.At.IsZero() {
		e.Errorf("a replayed event: %+v, want it to be due", got)
	}
	e.consume(queue.Group{Name: "g"}, l.record(nil))
	e.becomes(at[0], "g", queue.Done)
	e.becomes(at[1], "g", queue.BeforeStart)
}

func statesOutsideLog(e *env) {
	e.open(Config{RetentionCount: 10})
	var l log
	e.consume(queue.Group{Name: "h"}, l.record(nil))
	stop := e.fates(nil)
	at := e.publish("dies", "is done")
	e.counts("g", queue.GroupStats{Dead: 1, Done: 1})
	for i, id := range names("m", 30) {
		e.publish(id)
		e.counts("g", queue.GroupStats{Dead: 1, Done: int64(i + 2)})
		e.counts("h", queue.GroupStats{Done: int64(i + 3)})
	}
	stop()
	e.trimmed(23) // the letter counts as kept
	e.becomes(at[0], "g", queue.Dead)
	e.becomes(at[0], "h", queue.Done)
	if list, err := e.q.States(e.Context(), at[1]); !errors.Is(err, event.ErrNotFound) {
		e.Errorf("States of what is gone = %+v, %v, want ErrNotFound", list, err)
	}
}

func statesOfExpired(e *env) {
	e.open(Config{RetentionAge: e.ticks(60)})
	e.register(queue.Group{Name: "idle"}) // keeps them in the log
	stop := e.fates(nil)
	old := e.publish("dies", "is done")
	e.becomes(old[0], "g", queue.Dead)
	e.becomes(old[1], "g", queue.Done)
	e.counts("g", queue.GroupStats{Expired: 1, Done: 1})
	for i, p := range old {
		if got := e.becomes(p, "g", queue.NotKnown); got != (queue.EventState{Group: "g", State: queue.NotKnown}) {
			e.Errorf("state %d: %+v", i, got)
		}
		e.becomes(p, "idle", queue.Waiting)
	}
	// The letter of a young event cannot have expired.
	at := e.publish("young")
	e.counts("g", queue.GroupStats{Expired: 1, Done: 2})
	e.becomes(at[0], "g", queue.Done)
	stop()
}

func statesOfNothing(e *env) {
	e.open(Config{})
	e.register(queue.Group{Name: "g"})
	at := e.publish("a")
	beyond := event.NewPosition(at[0].Epoch(), 1<<40)
	for _, p := range []event.Position{e.foreign(), "", "nonsense", "x-0000000000000001", beyond} {
		if list, err := e.q.States(e.Context(), p); !errors.Is(err, event.ErrNotFound) || list != nil {
			e.Errorf("States(%q) = %+v, %v, want ErrNotFound", p, list, err)
		}
	}
}
