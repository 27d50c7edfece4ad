package operator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// newStore is a store with n events, of which a group g has worked all: those whose
// number is a multiple of three ended in its dead letters.
func newStore(t *testing.T, n int) *memory.Store {
	t.Helper()
	q, err := memory.New(memory.Options{RetentionAge: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	for i := range n {
		e := event.Event{
			Source: "slack", ID: fmt.Sprintf("Ev%d", i), Kind: event.Kind{Type: []string{"message", "reaction_added"}[i%2]},
			Channel: fmt.Sprintf("C%d", i%5), ReceivedAt: time.Unix(int64(1_700_000_000+i), 0), Raw: []byte(`{"token":"xoxb-secret","n":1}`),
		}
		if _, err := q.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	work(t, q, func(d queue.Delivery) error {
		var i int
		if _, err := fmt.Sscanf(d.Event.ID, "Ev%d", &i); err != nil || i%3 == 0 {
			return queue.Permanent(errors.New("no multiple of three"))
		}
		return nil
	})
	return q
}

// work has the group work until nothing waits.
func work(t *testing.T, q *memory.Store, h func(queue.Delivery) error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Consume(ctx, queue.Group{Name: "g"}, func(_ context.Context, d queue.Delivery) error { return h(d) })
	}()
	for {
		s, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Groups) == 1 && s.Groups[0].Waiting == 0 {
			break
		}
		<-time.After(time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func counts(t *testing.T, q queue.Queue) queue.GroupStats {
	t.Helper()
	s, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Groups[0]
}

func patterns(t *testing.T, list ...string) []event.Pattern {
	t.Helper()
	p, err := event.ParsePatterns(list...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLettersAreChosen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		letters operator.Letters
		want    int64
	}{
		"all":              {operator.Letters{All: true}, 400},
		"one":              {operator.Letters{Refs: []string{"Ev3"}}, 1},
		"source and id":    {operator.Letters{Refs: []string{"slack:Ev3", "Ev6"}}, 2},
		"none of that id":  {operator.Letters{Refs: []string{"Ev4"}}, 0},
		"a type":           {operator.Letters{Filter: event.Filter{Patterns: patterns(t, "message")}}, 200},
		"a channel":        {operator.Letters{Filter: event.Filter{Channel: "C0"}}, 80},
		"died long ago":    {operator.Letters{DiedBefore: time.Unix(1, 0)}, 0},
		"died until now":   {operator.Letters{DiedBefore: time.Now().Add(time.Hour)}, 400},
		"received later":   {operator.Letters{Filter: event.Filter{Since: time.Unix(1_700_001_197, 0)}}, 1},
		"type and channel": {operator.Letters{Filter: event.Filter{Patterns: patterns(t, "message"), Channel: "C0"}}, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newStore(t, 1200)
			tc.letters.Group = "g"
			list, next, err := listed(t, q, tc.letters, "", 1000)
			if err != nil || int64(len(list)) != tc.want || next != "" {
				t.Fatalf("List: %d letters, next %q, %v, want %d and no next", len(list), next, err, tc.want)
			}
			var pages []operator.Tally
			got, err := operator.Redrive(t.Context(), q, tc.letters, func(t operator.Tally) { pages = append(pages, t) })
			if err != nil || got.Changed != tc.want || got.Left != 0 || got.Of != 400 {
				t.Fatalf("Redrive: %+v, %v, want %d changed of 400", got, err, tc.want)
			}
			if n := len(pages); n < 2 || pages[n-1] != got {
				t.Errorf("called for %d pages, at last %+v, want each page, at last %+v", n, pages[n-1], got)
			}
			if s := counts(t, q); s.Dead != 400-tc.want || s.Retrying != tc.want {
				t.Errorf("after the redrive: %+v, want %d dead and %d to retry", s, 400-tc.want, tc.want)
			}
		})
	}
}

// listed returns the letters that Each finds.
func listed(t *testing.T, s operator.Store, l operator.Letters, after event.Position, limit int) (list []queue.DeadLetter, next event.Position, err error) {
	t.Helper()
	next, err = operator.Each(t.Context(), s, l, after, limit, func(d *queue.DeadLetter) error {
		list = append(list, *d)
		return nil
	})
	return list, next, err
}

func TestListContinuesBehindAPosition(t *testing.T) {
	q := newStore(t, 1200)
	seen := map[string]int{}
	after, pages := event.Position(""), 0
	for {
		list, next, err := listed(t, q, operator.Letters{Group: "g", Filter: event.Filter{Channel: "C0"}}, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			seen[list[i].Event.ID]++
		}
		if pages++; next == "" {
			break
		}
		after = next
	}
	if len(seen) != 80 || pages != 12 {
		t.Errorf("%d letters on %d pages, want 80 on 12", len(seen), pages)
	}
}

func TestNothingChosenIsAnError(t *testing.T) {
	q := newStore(t, 10)
	if _, err := operator.Drop(t.Context(), q, operator.Letters{Group: "g"}, nil); err == nil {
		t.Error("Drop without a choice succeeds")
	}
	if _, err := operator.Replay(t.Context(), q, "g", operator.Events{}, nil); err == nil {
		t.Error("Replay without a choice succeeds")
	}
	if _, err := operator.Redrive(t.Context(), q, operator.Letters{Group: "missing", All: true}, nil); !errors.Is(err, queue.ErrNoGroup) {
		t.Errorf("Redrive of an unknown group: %v, want ErrNoGroup", err)
	}
}

// TestInterruptedRedrive: each letter is redriven once, over the two runs.
func TestInterruptedRedrive(t *testing.T) {
	q := newStore(t, 3000)
	ctx, interrupt := context.WithCancel(t.Context())
	all := operator.Letters{Group: "g", All: true}
	first, err := operator.Redrive(ctx, q, all, func(t operator.Tally) {
		if t.Looked >= 400 {
			interrupt()
		}
	})
	stopped, ok := errors.AsType[*operator.InterruptedError](err)
	if !ok || stopped.Tally != first || first.Changed != 400 || !errors.Is(err, context.Canceled) {
		t.Fatalf("the first run: %+v, %v, want it interrupted after 400", first, err)
	}
	if s := counts(t, q); s.Dead != 600 || s.Retrying != 400 {
		t.Fatalf("after the first run: %+v", s)
	}
	second, err := operator.Redrive(t.Context(), q, all, nil)
	if err != nil || second.Changed != 600 {
		t.Fatalf("the second run: %+v, %v, want the other 600", second, err)
	}
	attempts := map[string]int{}
	done := make(chan string, 3000)
	work(t, q, func(d queue.Delivery) error { done <- d.Event.ID; return nil })
	close(done)
	for id := range done {
		attempts[id]++
	}
	if len(attempts) != 1000 {
		t.Errorf("%d events were worked again, want 1000", len(attempts))
	}
	for id, n := range attempts {
		if n != 1 {
			t.Errorf("%s was worked %d times, want once", id, n)
		}
	}
}

// TestARedriveEnds, though what it redrives dies at once again.
func TestRedriveLeavesLaterLettersAlone(t *testing.T) {
	q := newStore(t, 900)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Consume(ctx, queue.Group{Name: "g"}, func(context.Context, queue.Delivery) error { return queue.Permanent(errors.New("again")) })
	}()
	got, err := operator.Redrive(t.Context(), q, operator.Letters{Group: "g", All: true}, nil)
	if err != nil || got.Changed != 300 {
		t.Errorf("Redrive: %+v, %v, want each of the 300 once", got, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestReplayOfChosenEvents(t *testing.T) {
	at := func(q *memory.Store, n uint64) event.Position {
		s, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return event.NewPosition(s.Epoch, n)
	}
	for name, tc := range map[string]struct {
		chosen func(q *memory.Store) operator.Events
		want   int64
	}{
		"all":                {func(*memory.Store) operator.Events { return operator.Events{All: true} }, 1000},
		"ids":                {func(*memory.Store) operator.Events { return operator.Events{Refs: []string{"Ev1", "slack:Ev2"}} }, 2},
		"a position":         {func(q *memory.Store) operator.Events { return operator.Events{Refs: []string{string(at(q, 5))}} }, 1},
		"behind a position":  {func(q *memory.Store) operator.Events { return operator.Events{After: at(q, 990)} }, 10},
		"through a position": {func(q *memory.Store) operator.Events { return operator.Events{Through: at(q, 450)} }, 450},
		"a range":            {func(q *memory.Store) operator.Events { return operator.Events{After: at(q, 10), Through: at(q, 20)} }, 10},
		"a time": {func(*memory.Store) operator.Events {
			return operator.Events{Filter: event.Filter{Since: time.Unix(1_700_000_100, 0), Until: time.Unix(1_700_000_150, 0)}}
		}, 50},
		"a filter that matches few": {func(*memory.Store) operator.Events {
			return operator.Events{Filter: event.Filter{Channel: "C4", Patterns: patterns(t, "reaction_added")}}
		}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			q := newStore(t, 1000)
			got, err := operator.Replay(t.Context(), q, "g", tc.chosen(q), nil)
			if err != nil || got.Changed != tc.want {
				t.Fatalf("Replay: %+v, %v, want %d changed", got, err, tc.want)
			}
			if s := counts(t, q); s.Waiting != tc.want || s.Done+s.Waiting+s.Dead+s.Expired != 1000 {
				t.Errorf("after the replay: %+v, want %d waiting of 1000", s, tc.want)
			}
		})
	}
}

func TestInterruptedReplayGoesOn(t *testing.T) {
	q := newStore(t, 1000)
	ctx, interrupt := context.WithCancel(t.Context())
	first, err := operator.Replay(ctx, q, "g", operator.Events{All: true}, func(operator.Tally) { interrupt() })
	if _, ok := errors.AsType[*operator.InterruptedError](err); !ok || first.Changed != 200 {
		t.Fatalf("the first run: %+v, %v, want 200 and interrupted", first, err)
	}
	second, err := operator.Replay(t.Context(), q, "g", operator.Events{After: first.At}, nil)
	if err != nil || second.Changed != 800 {
		t.Errorf("the second run: %+v, %v, want the other 800", second, err)
	}
}

func TestViewsHoldNoCredential(t *testing.T) {
	q := newStore(t, 1)
	e, err := operator.Find(t.Context(), q, "Ev0", "")
	if err != nil {
		t.Fatal(err)
	}
	v := operator.View(&e)
	if strings.Contains(string(v.Payload), "secret") || string(v.Payload) != `{"n":1}` {
		t.Errorf("payload %s, want it without the token", v.Payload)
	}
	form := event.Event{Encoding: event.Form, Raw: []byte("command=%2Fhi&token=secret&text=a+b&response_url=https%3A%2F%2Fx")}
	if got := string(operator.View(&form).Payload); got != `"command=%2Fhi\u0026text=a+b"` {
		t.Errorf("form %s, want it without its secrets", got)
	}
	if got := operator.Summary(&form); got != "/hi a b" {
		t.Errorf("Summary = %q", got)
	}
	if got := operator.View(&event.Event{Raw: []byte("\xff")}); got.Payload != nil {
		t.Errorf("what cannot be read is shown as %s", got.Payload)
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"":                     {},
		"90s":                  now.Add(-90 * time.Second),
		"2h":                   now.Add(-2 * time.Hour),
		"1w":                   now.AddDate(0, 0, -7),
		"2026-01-30":           time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC),
		"2026-01-30T09:30":     time.Date(2026, 1, 30, 9, 30, 0, 0, time.UTC),
		"2026-01-30T09:30:00Z": time.Date(2026, 1, 30, 9, 30, 0, 0, time.UTC),
		"1700000000.123456":    time.Unix(1700000000, 123456000),
		"1700000000":           time.Unix(1700000000, 0),
	} {
		got, err := operator.ParseTime(s, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("ParseTime(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"soon", "2x", "-1h", "99999999h", "2026-13-01"} {
		if got, err := operator.ParseTime(s, now); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", s, got)
		}
	}
}
