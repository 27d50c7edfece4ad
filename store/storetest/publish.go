package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

func publishTests() []test {
	return []test{
		{name: "every field comes out as it went in", run: everyField},
		{name: "every field survives a restart", restart: true, run: everyFieldAfterRestart},
		{name: "the caller may reuse its buffer", run: reuseOfTheBuffer},
		{name: "a second copy is a duplicate", run: secondCopy},
		{name: "source and id together are the key", run: keyOfAnEvent},
		{name: "of concurrent copies one is stored", run: concurrentCopies},
		{name: "a copy after a restart is a duplicate", restart: true, run: copyAfterRestart},
		{name: "a copy after the TTL is stored again", run: copyAfterTTL},
		{name: "a copy after trimming is a duplicate", run: copyAfterTrimming},
		{name: "a copy after trimming and a restart is a duplicate", restart: true, run: copyAfterTrimmingAndRestart},
		{name: "an event without source or id is refused", run: refusedEvents},
		{name: "a context that is done is honoured", run: doneContext},
		{name: "positions ascend", run: positionsAscend},
		{name: "positions ascend across restarts", restart: true, run: positionsAcrossRestarts},
	}
}

// oddities are events whose fields are hard to keep.
func oddities() []event.Event {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return []event.Event{
		{
			Source: "slack", ID: "Ev1", Kind: event.Kind{Type: "message", Subtype: "channel_join"},
			Team: "T1", Channel: "C1", ChannelType: "channel", User: "U1", Thread: "1700000000.000100", FromSelf: true,
			At:         time.Date(2026, 11, 22, 1, 2, 3, 456_789_123, time.UTC),
			ReceivedAt: time.Date(2026, 11, 22, 1, 2, 4, 1, time.UTC),
			Raw:        []byte("{\"event_id\":\"Ev1\"}\r\n"), Retry: event.Retry{Num: 3, Reason: "http_timeout"}, Headers: "X-Shop: a b\nX-Topic: ü\n",
		},
		{Source: "form", ID: "f", Kind: event.Kind{Type: "block_actions"}, Encoding: event.Form, ReceivedAt: time.Unix(1, 0), Raw: []byte("payload=%7B%7D")},
		{Source: "bytes", ID: "b", Kind: event.Kind{Type: event.Unknown}, ReceivedAt: time.Unix(1_700_000_000, 7), Raw: all},
		{Source: "big", ID: "big", Kind: event.Kind{Type: "x"}, ReceivedAt: time.Unix(1_700_000_000, 8), Raw: bytes.Repeat([]byte("0123456789abcdef"), 1<<15)},
		{Source: "empty", ID: "e", Kind: event.Kind{Type: "x"}, ReceivedAt: time.Unix(1_700_000_001, 0)},
		{Source: "far", ID: "past", Kind: event.Kind{Type: "x"}, At: time.Date(1, 2, 3, 4, 5, 6, 7, time.UTC), ReceivedAt: time.Unix(1_700_000_002, 0), Raw: []byte("{}")},
		{Source: "far", ID: "future", Kind: event.Kind{Type: "x"}, At: time.Unix(99_999_999_999_999, 999_999_999), ReceivedAt: time.Unix(1_700_000_003, 0), Raw: []byte("{}")},
		{
			Source: "text", ID: "ids with \x00 and ' and \" and \u00e9 and \U0001F600", Kind: event.Kind{Type: "a/b", Subtype: "\t"},
			Team: "t\x00t", User: "\xff\xfe", ReceivedAt: time.Unix(1_700_000_004, 0), Raw: []byte("{}"),
		},
	}
}

// equal compares an event with what was published; times by their instant.
func (e *env) equal(what string, got, want event.Event) {
	e.Helper()
	if !bytes.Equal(got.Raw, want.Raw) {
		e.Errorf("%s of %q: %d bytes of body differ from the %d that were published", what, want.ID, len(got.Raw), len(want.Raw))
	}
	got.Raw, want.Raw = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		e.Errorf("%s of %q differs (-published +read):\n%.2000s", what, want.ID, diff)
	}
}

func everyField(e *env) {
	e.open(Config{})
	var l log
	e.consume(queue.Group{Name: "g"}, l.record(nil))
	followed := e.follow(queue.Start{})
	want := oddities()
	for i := range want {
		r, err := e.q.Publish(e.Context(), want[i])
		if err != nil {
			e.Fatalf("Publish(%q): %v", want[i].ID, err)
		}
		want[i].Position = r.Position
	}
	e.readBack(want)
	e.reached(&l, len(want))
	for _, d := range l.list {
		i := slices.IndexFunc(want, func(w event.Event) bool { return w.Position == d.Event.Position })
		if i < 0 {
			e.Fatalf("delivered an event at %s, where none was published", d.Event.Position)
		}
		e.equal("Delivery", d.Event, want[i])
		if d.Group != "g" || d.Attempt != 1 {
			e.Errorf("Delivery of %q: group %q attempt %d, want g 1", d.Event.ID, d.Group, d.Attempt)
		}
	}
	e.eventually("Tail", followed.saw(len(want)))
	for i, got := range followed.events() {
		e.equal("Tail", got, want[i])
	}
}

func everyFieldAfterRestart(e *env) {
	e.open(Config{})
	want := oddities()
	for i := range want {
		r, err := e.q.Publish(e.Context(), want[i])
		if err != nil {
			e.Fatalf("Publish(%q): %v", want[i].ID, err)
		}
		want[i].Position = r.Position
	}
	e.restart()
	e.readBack(want)
	followed := e.follow(queue.Start{})
	e.eventually("Tail", followed.saw(len(want)))
	for i, got := range followed.events() {
		e.equal("Tail", got, want[i])
	}
}

// readBack compares what Get and History answer.
func (e *env) readBack(want []event.Event) {
	e.Helper()
	for _, w := range want {
		got, err := e.q.Get(e.Context(), w.Source, w.ID)
		if err != nil {
			e.Fatalf("Get(%q): %v", w.ID, err)
		}
		e.equal("Get", got, w)
	}
	p, err := e.q.History(e.Context(), event.Query{Order: event.OldestFirst})
	if err != nil || len(p.Events) != len(want) {
		e.Fatalf("History: %d events, %v, want %d", len(p.Events), err, len(want))
	}
	for i := range want {
		e.equal("History", p.Events[i], want[i])
	}
}

func reuseOfTheBuffer(e *env) {
	e.open(Config{})
	followed := e.follow(queue.Start{})
	m := e.message("a")
	buffer := m.Raw
	want := bytes.Clone(buffer)
	if _, err := e.q.Publish(e.Context(), m); err != nil {
		e.Fatalf("Publish: %v", err)
	}
	clear(buffer)
	e.eventually("Tail", followed.saw(1))
	got, err := e.q.Get(e.Context(), "slack", "a")
	if err != nil || !bytes.Equal(got.Raw, want) || !bytes.Equal(followed.events()[0].Raw, want) {
		e.Errorf("after the buffer was cleared, Get has %q (%v) and Tail %q, want %q", got.Raw, err, followed.events()[0].Raw, want)
	}
}

func secondCopy(e *env) {
	e.open(Config{})
	at := e.publish("a", "b")
	e.duplicate("a", at[0])
	e.duplicate("b", at[1])
	e.same("stored", e.stored(), []string{"a", "b"})
	s := e.stats()
	if s.Accepted != 2 || s.Events != 2 || s.SeenIDs != 2 {
		e.Errorf("Stats = %d accepted, %d events, %d seen ids, want 2 of each", s.Accepted, s.Events, s.SeenIDs)
	}
}

func keyOfAnEvent(e *env) {
	e.open(Config{})
	for _, k := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"slack", "x"}, {"other", "x"}, {"other", "X"}} {
		m := e.message(k[1])
		m.Source = k[0]
		if r, err := e.q.Publish(e.Context(), m); err != nil || r.Duplicate {
			e.Errorf("Publish(%s, %s) = %+v, %v, want it stored", k[0], k[1], r, err)
		}
		if got, err := e.q.Get(e.Context(), k[0], k[1]); err != nil || got.Source != k[0] || got.ID != k[1] {
			e.Errorf("Get(%s, %s) = (%s, %s), %v", k[0], k[1], got.Source, got.ID, err)
		}
	}
}

func concurrentCopies(e *env) {
	e.open(Config{})
	const copies, events = 8, 60
	var n atomic.Int64
	var publishers sync.WaitGroup
	for range copies {
		publishers.Go(func() {
			for _, id := range names("m", events) {
				r, err := e.q.Publish(e.Context(), e.message(id))
				if err != nil {
					e.Errorf("Publish: %v", err)
				} else if !r.Duplicate {
					n.Add(1)
				}
			}
		})
	}
	publishers.Wait()
	got := e.stored()
	slices.Sort(got)
	if n.Load() != events || len(got) != events || len(slices.Compact(got)) != events {
		e.Errorf("%d copies of %d events: %d were answered as new and %d are stored, want %d", copies, events, n.Load(), len(got), events)
	}
}

func copyAfterRestart(e *env) {
	e.open(Config{})
	at := e.publish("a")
	e.restart()
	e.duplicate("a", at[0])
	e.publish("b")
	e.restart()
	e.duplicate("a", at[0])
	e.same("stored", e.stored(), []string{"a", "b"})
}

func copyAfterTTL(e *env) {
	e.open(Config{DedupeTTL: e.ticks(20)})
	at := e.publish("a")
	e.sleep(e.ticks(12))
	e.duplicate("a", at[0])
	e.sleep(e.ticks(12))
	// The duplicate in between did not prolong it.
	again := e.publish("a")
	e.duplicate("a", again[0])
	e.same("stored", e.stored(), []string{"a", "a"})
	if got, err := e.q.Get(e.Context(), "slack", "a"); err != nil || got.Position != again[0] {
		e.Errorf("Get(a) is at %s (%v), want the newer one at %s", got.Position, err, again[0])
	}
}

func copyAfterTrimming(e *env) {
	e.open(Config{RetentionCount: 5})
	at := e.publish(names("m", 40)...)
	e.trimmed(35)
	for i, id := range names("m", 40) {
		e.duplicate(id, at[i])
	}
	e.same("stored", e.stored(), names("m", 40)[35:])
	if got := e.stats().SeenIDs; got != 40 {
		e.Errorf("%d seen ids, want 40: they outlive their events", got)
	}
}

func copyAfterTrimmingAndRestart(e *env) {
	e.open(Config{RetentionCount: 5})
	at := e.publish(names("m", 40)...)
	e.trimmed(35)
	e.restart()
	for i, id := range names("m", 40) {
		e.duplicate(id, at[i])
	}
	e.same("stored", e.stored(), names("m", 40)[35:])
}

// trimmed waits until retention has removed so many events.
func (e *env) trimmed(n int64) {
	e.Helper()
	e.eventually("retention", func() error {
		if s := e.stats(); s.Expired != n {
			return fmt.Errorf("%d events have expired and %d are kept, want %d expired", s.Expired, s.Events, n)
		}
		return nil
	})
}

func refusedEvents(e *env) {
	e.open(Config{})
	for _, m := range []event.Event{{ID: "x"}, {Source: "slack"}} {
		if r, err := e.q.Publish(e.Context(), m); err == nil {
			e.Errorf("Publish(%+v) = %+v, want an error", m, r)
		}
	}
	e.same("stored", e.stored(), nil)
}

func doneContext(e *env) {
	e.open(Config{})
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	if _, err := e.q.Publish(ctx, e.message("a")); !errors.Is(err, context.Canceled) {
		e.Errorf("Publish with a context that is done: %v, want context.Canceled", err)
	}
	if _, err := e.q.History(ctx, event.Query{}); !errors.Is(err, context.Canceled) {
		e.Errorf("History with a context that is done: %v, want context.Canceled", err)
	}
}

func positionsAscend(e *env) {
	e.open(Config{})
	at := e.publish(names("m", 300)...)
	if !slices.IsSorted(at) || len(slices.Compact(at)) != 300 {
		e.Errorf("the positions of 300 events do not ascend")
	}
}

func positionsAcrossRestarts(e *env) {
	e.open(Config{RetentionCount: 2})
	var at []event.Position
	for i := range 4 {
		at = append(at, e.publish(names(fmt.Sprint("m", i, "-"), 3)...)...)
		e.restart()
	}
	if !slices.IsSorted(at) || len(slices.Compact(at)) != 12 {
		e.Errorf("positions across restarts are %v, want them to ascend", at)
	}
}

var _ testing.TB = (*env)(nil)
