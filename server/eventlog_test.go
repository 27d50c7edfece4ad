package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"slackmcp/store/memory"
	"slackmcp/webhook/event"
	"slackmcp/webhook/journal"
)

// newLog publishes n events into a store and follows it with a journal that holds only
// the newest window of them.
func newLog(t *testing.T, n, window int) *eventLog {
	t.Helper()
	q, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.New(journal.Options{MaxEvents: window})
	if err != nil {
		t.Fatal(err)
	}
	l := &eventLog{window: j, store: &watchedStore{Queue: q, reads: newReads(1 << 20)}}
	for i := range n {
		publish(t, l, i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx, q) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = q.Close()
	})
	<-j.Loaded()
	return l
}

func publish(t *testing.T, l *eventLog, i int) {
	t.Helper()
	_, err := l.store.Publish(t.Context(), event.Event{
		Source: event.SourceSlack, ID: fmt.Sprintf("Ev%03d", i), Kind: event.Kind{Type: "message"},
		Channel: fmt.Sprintf("C%d", i%3), ReceivedAt: time.Now(), Raw: []byte(`{}`),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// query reads one page, and keeps it.
func query(t *testing.T, l *eventLog, q event.Query) (page event.Page, err error) {
	t.Helper()
	err = l.Query(t.Context(), q, func(p event.Page) error {
		page = p
		return nil
	})
	return page, err
}

func get(t *testing.T, l *eventLog, id string) (got event.Event, err error) {
	t.Helper()
	err = l.Get(t.Context(), event.SourceSlack, id, func(e *event.Event) error {
		got = *e
		return nil
	})
	return got, err
}

func TestPagesReachThroughTheWholeStore(t *testing.T) {
	const n, window = 100, 20
	l := newLog(t, n, window)
	for _, tc := range []struct {
		name    string
		order   event.Order
		channel string
		limit   int
		want    int
	}{
		{"newest first", event.NewestFirst, "", 7, n},
		{"oldest first", event.OldestFirst, "", 7, n},
		{"newest first, filtered", event.NewestFirst, "C1", 4, 33},
		{"oldest first, filtered", event.OldestFirst, "C1", 4, 33},
		{"one page", event.NewestFirst, "", n, n},
		{"the page ends where the window does", event.NewestFirst, "", window, n},
		{"newest first, a body a page", event.NewestFirst, "", -1, n},
		{"oldest first, a body a page", event.OldestFirst, "", -1, n},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seen := map[string]bool{}
			var last string
			q := event.Query{Order: tc.order, Limit: tc.limit, Filter: event.Filter{Channel: tc.channel}}
			if tc.limit < 0 {
				q.Limit, q.MaxBytes = n, 1
			}
			for range n {
				page, err := query(t, l, q)
				if err != nil {
					t.Fatal(err)
				}
				if q.MaxBytes > 0 && len(page.Events) != 1 {
					t.Fatalf("a page has %d events, want one body", len(page.Events))
				}
				for _, e := range page.Events {
					if seen[e.ID] {
						t.Fatalf("%s comes twice", e.ID)
					}
					if last != "" && (e.ID < last) != (tc.order == event.NewestFirst) {
						t.Fatalf("%s comes after %s", e.ID, last)
					}
					seen[e.ID], last = true, e.ID
				}
				if !page.More {
					break
				}
				q.After = page.Next
			}
			if len(seen) != tc.want {
				t.Errorf("%d events, want %d", len(seen), tc.want)
			}
		})
	}
}

func TestOlderEventsAreFoundByID(t *testing.T) {
	l := newLog(t, 50, 5)
	for _, id := range []string{"Ev000", "Ev049"} {
		if e, err := get(t, l, id); err != nil || e.ID != id {
			t.Errorf("Get(%s) = %s, %v", id, e.ID, err)
		}
	}
	if _, err := get(t, l, "Ev050"); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("Get of an unknown id: %v, want event.ErrNotFound", err)
	}
}

func TestAReaderSeesWhatWasAcknowledgedBefore(t *testing.T) {
	l := newLog(t, 10, 1000)
	for i := 10; i < 300; i++ {
		publish(t, l, i)
		page, err := query(t, l, event.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("Ev%03d", i); len(page.Events) != 1 || page.Events[0].ID != want {
			t.Fatalf("the newest event is %v, want %s", page.Events, want)
		}
	}
}

func TestACursorOfAnotherStoreIsRefused(t *testing.T) {
	l := newLog(t, 10, 5)
	_, err := query(t, l, event.Query{Order: event.OldestFirst, After: event.NewPosition("elsewhere", 3)})
	var expired *event.CursorExpiredError
	if !errors.As(err, &expired) {
		t.Fatalf("err = %v, want *event.CursorExpiredError", err)
	}
	if expired.Oldest == "" {
		t.Error("the error does not say where reading can begin")
	}
}

// TestAReaderSeesWhatAnotherReplicaAcknowledged publishes past a log, as another process
// does, and reads at once.
func TestAReaderSeesWhatAnotherReplicaAcknowledged(t *testing.T) {
	l := newLog(t, 1, 100)
	l.newest = &newest{store: l.store}
	for i := 1; i <= 50; i++ {
		id := fmt.Sprintf("EvOther%03d", i)
		if _, err := l.store.Queue.Publish(t.Context(), event.Event{Source: "slack", ID: id, ReceivedAt: time.Now(), Raw: []byte(`{}`)}); err != nil {
			t.Fatal(err)
		}
		page, err := query(t, l, event.Query{Limit: 1})
		if err != nil || len(page.Events) != 1 || page.Events[0].ID != id {
			t.Fatalf("Query = %+v, %v, want %s first", page.Events, err, id)
		}
	}
}
