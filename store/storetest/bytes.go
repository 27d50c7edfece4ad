package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// pageTests hold a backend to the bound on what its readers have in memory.
func pageTests() []test {
	return []test{
		{name: "a page ends when its bodies are enough", run: historyBytes},
		{name: "no page holds more bodies than the most", run: historyMostBytes},
		{name: "a page without bodies has the fields", run: historyNoBodies},
		{name: "dead letters end when their bodies are enough", run: lettersBytes},
	}
}

// bodyBytes is the length of each body that publishBodies stores.
const bodyBytes = 10_000

// publishBodies stores n events with long bodies, in two channels by turns.
func (e *env) publishBodies(n, size int) {
	e.Helper()
	for i, id := range names("m", n) {
		m := e.message(id)
		m.Channel = []string{"C1", "C2"}[i%2]
		m.Raw = slices.Concat([]byte(`{"text":"`), bytes.Repeat([]byte{'x'}, size-len(`{"text":""}`)), []byte(`"}`))
		if _, err := e.q.Publish(e.Context(), m); err != nil {
			e.Fatalf("Publish(%s): %v", id, err)
		}
	}
}

func historyBytes(e *env) {
	e.open(Config{})
	e.publishBodies(40, bodyBytes)
	all := names("m", 40)
	var odd []string
	for i, id := range all {
		if i%2 == 1 {
			odd = append(odd, id)
		}
	}
	for _, tc := range []struct {
		filter   event.Filter
		maxBytes int
		want     []string
		page     int
	}{
		{event.Filter{}, 1, all, 1}, // one event is always returned
		{event.Filter{}, bodyBytes, all, 1},
		{event.Filter{}, bodyBytes + 1, all, 2},
		{event.Filter{}, 5 * bodyBytes, all, 5},
		{event.Filter{Channel: "C2"}, 3 * bodyBytes, odd, 3},
	} {
		q := event.Query{Filter: tc.filter, MaxBytes: tc.maxBytes, Limit: 100}
		for _, q.Order = range []event.Order{event.OldestFirst, event.NewestFirst} {
			got, sizes := e.pages(q)
			want := tc.want
			if q.Order == event.NewestFirst {
				want = reversed(want)
			}
			e.same(fmt.Sprintf("order %d by %d bytes", q.Order, tc.maxBytes), got, want)
			if slices.Max(sizes) != tc.page {
				e.Errorf("order %d: pages of %d bytes have %v events, want %d", q.Order, tc.maxBytes, sizes, tc.page)
			}
		}
	}
}

func historyMostBytes(e *env) {
	e.open(Config{})
	const size = 300_000
	e.publishBodies(8, size)
	most := event.MaxPageBytes/size + 1
	for _, maxBytes := range []int{0, 1 << 40} {
		got, sizes := e.pages(event.Query{Order: event.OldestFirst, MaxBytes: maxBytes})
		e.same("the log", got, names("m", 8))
		if slices.Max(sizes) != most {
			e.Errorf("with MaxBytes %d pages have %v events of %d bytes, want %d", maxBytes, sizes, size, most)
		}
	}
}

func historyNoBodies(e *env) {
	e.open(Config{})
	e.publishBodies(29, bodyBytes)
	long := e.message("long")
	long.Channel, long.User = "C2", strings.Repeat("U", 6000)
	if _, err := e.q.Publish(e.Context(), long); err != nil {
		e.Fatalf("Publish: %v", err)
	}
	for channel, want := range map[string]int{"": 30, "C1": 15} {
		q := event.Query{Filter: event.Filter{Channel: channel}, Order: event.OldestFirst, MaxBytes: 1, NoBodies: true}
		p, err := e.q.History(e.Context(), q)
		if err != nil || len(p.Events) != want {
			e.Fatalf("without bodies a page has %d events, %v, want all %d", len(p.Events), err, want)
		}
		for _, got := range p.Events {
			want := e.message(got.ID)
			if want.Channel, want.User = got.Channel, ""; got.ID == "long" {
				want.User = long.User
			}
			if want.Position, want.ReceivedAt, want.Raw = got.Position, got.ReceivedAt, nil; !reflect.DeepEqual(got, want) || got.Position == "" {
				e.Errorf("an event without its body is %+v, want %+v", got, want)
			}
		}
	}
}

func lettersBytes(e *env) {
	e.open(Config{})
	var l log
	stop := e.consume(queue.Group{Name: "g"}, l.record(func(queue.Delivery) error { return queue.Permanent(errHandler) }))
	e.publishBodies(12, bodyBytes)
	e.counts("g", queue.GroupStats{Dead: 12})
	stop()
	var got []string
	q := queue.LetterQuery{MaxBytes: 2*bodyBytes + 1}
	for {
		page, err := e.q.DeadLetters(e.Context(), "g", q)
		if err != nil {
			e.Fatalf("DeadLetters: %v", err)
		}
		if len(page) == 0 {
			break
		}
		if len(page) > 3 { // A backend may count what it keeps beside a body.
			e.Errorf("%d letters of %d bytes for %d", len(page), bodyBytes, q.MaxBytes)
		}
		got = append(got, letterIDs(page)...)
		q.After = page[len(page)-1].Event.Position
	}
	e.same("dead letters", got, names("m", 12))
	list, err := e.q.DeadLetters(e.Context(), "g", queue.LetterQuery{NoBodies: true})
	if err != nil || len(list) == 0 {
		e.Fatalf("DeadLetters without bodies: %d, %v", len(list), err)
	}
	for _, d := range list {
		if d.Event.Raw != nil || d.Event.ID == "" || d.Reason == "" {
			e.Errorf("a letter without its body is %+v", d)
		}
	}
}
