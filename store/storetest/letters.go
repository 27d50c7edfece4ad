package storetest

import (
	"context"
	"errors"
	"slices"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func letterTests() []test {
	return []test{
		{name: "dead letters are listed oldest first", run: lettersListed},
		{name: "a redriven event begins anew", run: redrive},
		{name: "a redriven event survives a restart", restart: true, run: redriveAfterRestart},
		{name: "a dropped letter counts as done", run: dropLetters},
		{name: "a done event is replayed", run: replayDone},
		{name: "a replay leaves what runs alone", run: replayRunning},
		{name: "an event from before the group's start is replayed", run: replayBeforeStart},
		{name: "positions that mean nothing are not found", run: unknownPositions},
		{name: "a letter keeps its event when the log is trimmed", run: letterOutlivesLog},
	}
}

// bury has a group of which every event has died.
func (e *env) bury(list ...string) []event.Position {
	e.Helper()
	var l log
	stop := e.consume(queue.Group{Name: "g"}, l.record(func(queue.Delivery) error { return queue.Permanent(errHandler) }))
	at := e.publish(list...)
	e.counts("g", queue.GroupStats{Dead: int64(len(list))})
	stop()
	return at
}

func letterIDs(list []queue.DeadLetter) []string {
	var out []string
	for _, d := range list {
		out = append(out, d.Event.ID)
	}
	return out
}

func lettersListed(e *env) {
	e.open(Config{})
	at := e.bury(names("m", 12)...)
	var got []string
	var after event.Position
	for {
		page, err := e.q.DeadLetters(e.Context(), "g", queue.LetterQuery{After: after, Limit: 5})
		if err != nil || len(page) > 5 {
			e.Fatalf("DeadLetters: %d, %v", len(page), err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, letterIDs(page)...)
		after = page[len(page)-1].Event.Position
	}
	e.same("dead letters", got, names("m", 12))
	if d := e.dead("g")[3]; d.Event.Position != at[3] || string(d.Event.Raw) != `{"event_id":"m3"}` {
		e.Errorf("the letter's event is %+v", d.Event)
	}
	if _, err := e.q.DeadLetters(e.Context(), "none", queue.LetterQuery{}); !errors.Is(err, queue.ErrNoGroup) {
		e.Errorf("DeadLetters of an unknown group: %v, want ErrNoGroup", err)
	}
}

func redrive(e *env) {
	e.open(Config{})
	at := e.bury("a", "b", "c")
	if n, err := e.q.Redrive(e.Context(), "g", at[0], at[2], at[2], "nonsense"); err != nil || n != 2 {
		e.Fatalf("Redrive = %d, %v, want 2", n, err)
	}
	e.counts("g", queue.GroupStats{Dead: 1, Waiting: 2, Retrying: 2})
	e.same("dead letters", letterIDs(e.dead("g")), []string{"b"})
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(func(d queue.Delivery) error {
		if d.Attempt < 3 {
			return errHandler
		}
		return nil
	}))
	e.counts("g", queue.GroupStats{Dead: 1, Done: 2})
	if got := l.attempts("c"); !slices.Equal(got, []int{1, 2, 3}) {
		e.Errorf("attempts at a redriven event: %v, want 1 2 3", got)
	}
	if n, err := e.q.Redrive(e.Context(), "g", at...); err != nil || n != 1 {
		e.Errorf("a second Redrive = %d, %v, want the one that is left", n, err)
	}
	e.counts("g", queue.GroupStats{Done: 3})
	if _, err := e.q.Redrive(e.Context(), "none", at...); !errors.Is(err, queue.ErrNoGroup) {
		e.Errorf("Redrive of an unknown group: %v, want ErrNoGroup", err)
	}
}

func redriveAfterRestart(e *env) {
	e.open(Config{})
	at := e.bury("a", "b")
	e.restart()
	if n, err := e.q.Redrive(e.Context(), "g", at[1]); err != nil || n != 1 {
		e.Fatalf("Redrive = %d, %v, want 1", n, err)
	}
	e.restart()
	e.counts("g", queue.GroupStats{Dead: 1, Waiting: 1, Retrying: 1})
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(nil))
	e.counts("g", queue.GroupStats{Dead: 1, Done: 1})
	if got := l.attempts("b"); !slices.Equal(got, []int{1}) {
		e.Errorf("attempts: %v, want the first", got)
	}
}

func dropLetters(e *env) {
	e.open(Config{})
	at := e.bury("a", "b", "c")
	if n, err := e.q.Drop(e.Context(), "g", at[0], at[1], at[1]); err != nil || n != 2 {
		e.Fatalf("Drop = %d, %v, want 2", n, err)
	}
	e.counts("g", queue.GroupStats{Dead: 1, Done: 2})
	e.same("dead letters", letterIDs(e.dead("g")), []string{"c"})
	e.same("stored", e.stored(), []string{"a", "b", "c"})
	if _, err := e.q.Drop(e.Context(), "none", at...); !errors.Is(err, queue.ErrNoGroup) {
		e.Errorf("Drop of an unknown group: %v, want ErrNoGroup", err)
	}
}

func replayDone(e *env) {
	e.open(Config{})
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(nil))
	at := e.publish("a", "b", "c")
	e.counts("g", queue.GroupStats{Done: 3})
	if n, err := e.q.Replay(e.Context(), "g", at[1]); err != nil || n != 1 {
		e.Fatalf("Replay = %d, %v, want 1", n, err)
	}
	e.reached(&l, 4)
	e.counts("g", queue.GroupStats{Done: 3})
	if got := l.attempts("b"); !slices.Equal(got, []int{1, 1}) {
		e.Errorf("attempts at the replayed event: %v, want the first twice", got)
	}
	if _, err := e.q.Replay(e.Context(), "none", at...); !errors.Is(err, queue.ErrNoGroup) {
		e.Errorf("Replay of an unknown group: %v, want ErrNoGroup", err)
	}
}

func replayRunning(e *env) {
	e.open(Config{})
	started, release := make(chan struct{}, 9), make(chan struct{})
	var l log
	e.consume(queue.Group{Name: "g", Workers: 1}, func(_ context.Context, d queue.Delivery) error {
		l.add(d)
		started <- struct{}{}
		<-release
		if d.Event.ID == "dies" && l.calls()["dies"] == 1 {
			return queue.Permanent(errHandler)
		}
		return nil
	})
	at := e.publish("runs", "dies", "waits")
	<-started
	if n, err := e.q.Replay(e.Context(), "g", at[0]); err != nil || n != 0 {
		e.Errorf("Replay of what runs = %d, %v, want 0", n, err)
	}
	if n, err := e.q.Replay(e.Context(), "g", at[2]); err != nil || n != 1 {
		e.Errorf("Replay of what waits = %d, %v, want 1: it is scheduled", n, err)
	}
	close(release)
	e.counts("g", queue.GroupStats{Done: 2, Dead: 1})
	if n, err := e.q.Replay(e.Context(), "g", at[1]); err != nil || n != 1 {
		e.Errorf("Replay of a dead letter = %d, %v, want 1", n, err)
	}
	e.counts("g", queue.GroupStats{Done: 3})
	if got := l.calls(); got["runs"] != 1 || got["dies"] != 2 || got["waits"] != 1 {
		e.Errorf("calls: %v", got)
	}
}

func replayBeforeStart(e *env) {
	e.open(Config{})
	at := e.publish("a", "b")
	var l log
	e.consume(queue.Group{Name: "g", Start: queue.Start{Now: true}}, l.record(nil))
	e.publish("c")
	e.counts("g", queue.GroupStats{Done: 1})
	for range 2 {
		if n, err := e.q.Replay(e.Context(), "g", at[0]); err != nil || n != 1 {
			e.Fatalf("Replay = %d, %v, want 1", n, err)
		}
		// It is the group's from now on, and counts once however often it is replayed.
		e.counts("g", queue.GroupStats{Done: 2})
	}
	if got := l.calls(); got["a"] != 2 || got["b"] != 0 || got["c"] != 1 {
		e.Errorf("calls: %v, want a twice, b never, c once", got)
	}
}

func unknownPositions(e *env) {
	e.open(Config{RetentionCount: 3})
	e.register(queue.Group{Name: "g", Start: queue.Start{Now: true}})
	e.publish("a", "b")
	strange := []event.Position{e.foreign(), "", "nonsense", "x-0000000000000001"}
	for name, do := range map[string]func(context.Context, string, ...event.Position) (int, error){
		"Redrive": e.q.Redrive, "Drop": e.q.Drop, "Replay": e.q.Replay,
	} {
		if n, err := do(e.Context(), "g", strange...); err != nil || n != 0 {
			e.Errorf("%s of strange positions = %d, %v, want 0", name, n, err)
		}
		if n, err := do(e.Context(), "g"); err != nil || n != 0 {
			e.Errorf("%s of no positions = %d, %v, want 0", name, n, err)
		}
	}
	e.counts("g", queue.GroupStats{Waiting: 2})
}

func letterOutlivesLog(e *env) {
	e.open(Config{RetentionCount: 10})
	at := e.bury("a", "b")
	var l log
	stop := e.consume(queue.Group{Name: "g"}, l.record(nil))
	for i, id := range names("m", 30) {
		e.publish(id)
		e.counts("g", queue.GroupStats{Dead: 2, Done: int64(i + 1)})
	}
	stop()
	e.trimmed(24) // the letters count as kept
	e.same("dead letters", letterIDs(e.dead("g")), []string{"a", "b"})
	if n, err := e.q.Redrive(e.Context(), "g", at...); err != nil || n != 2 {
		e.Fatalf("Redrive = %d, %v, want 2", n, err)
	}
	e.consume(queue.Group{Name: "g"}, l.record(nil))
	e.counts("g", queue.GroupStats{Done: 32})
	if got := l.calls(); got["a"] != 1 || got["b"] != 1 {
		e.Errorf("calls: %v, want a and b once", got)
	}
	for _, id := range []string{"a", "b"} {
		if _, err := e.q.Get(e.Context(), "slack", id); !errors.Is(err, event.ErrNotFound) {
			e.Errorf("Get(%s) after it left the log and was done: %v, want ErrNotFound", id, err)
		}
	}
	if s := e.stats(); s.Events > 10 || s.Accepted != s.Events+s.Expired {
		e.Errorf("Stats: %d accepted, %d kept, %d expired", s.Accepted, s.Events, s.Expired)
	}
}
