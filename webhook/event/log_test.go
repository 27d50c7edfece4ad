package event_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"slackmcp/webhook/event"
)

// A numbered log has events that are called by the number of their position. A page looks
// at two of them, and what lies before oldest has expired.
type numbered struct {
	event.Log // nil: what a follower does not call

	count, oldest uint64
	changed       chan struct{}
	fails         error
	watched       int
}

func at(n uint64) event.Position { return event.NewPosition("e", n) }

func (l *numbered) Watch(event.Filter) (changed <-chan struct{}, stop func()) {
	l.watched++
	return l.changed, func() { l.watched-- }
}

func (l *numbered) Query(_ context.Context, q event.Query, use func(event.Page) error) error {
	page, err := l.page(q)
	if err != nil {
		return err
	}
	return use(page)
}

func (l *numbered) page(q event.Query) (event.Page, error) {
	if l.fails != nil {
		return event.Page{}, l.fails
	}
	n := uint64(0)
	if q.After != "" {
		n, _ = q.After.Seq()
	}
	if n+1 < l.oldest && q.After != "" {
		return event.Page{}, &event.CursorExpiredError{}
	}
	page := event.Page{Next: q.After}
	for looked := 0; n < l.count; looked++ {
		if looked == 2 {
			page.More = true
			break
		}
		n++
		page.Next = at(n)
		if e := (event.Event{ID: string(at(n)), Position: at(n), Channel: []string{"even", "odd"}[n%2]}); q.Filter.Match(&e) {
			page.Events = append(page.Events, e)
		}
	}
	return page, nil
}

func ready(f *event.Follower) bool {
	select {
	case <-f.Ready():
		return true
	default:
		return false
	}
}

// next reads the next page, and keeps it.
func next(t *testing.T, f *event.Follower) (page event.Page, err error) {
	t.Helper()
	err = f.Read(t.Context(), func(p event.Page) error {
		page = p
		return nil
	})
	return page, err
}

func TestFollowerReadsEachEventOnce(t *testing.T) {
	log := &numbered{count: 3, changed: make(chan struct{}, 1)}
	f := event.Follow(log, event.Query{Filter: event.Filter{Channel: "odd"}, Order: event.NewestFirst})
	var got []string
	read := func() {
		t.Helper()
		page, err := next(t, f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			got = append(got, page.Events[i].ID)
		}
	}
	read()
	if !ready(f) {
		t.Error("a page that did not reach the end leaves the follower waiting")
	}
	read()
	if ready(f) {
		t.Error("the follower is ready at the end of the log")
	}
	log.count = 4
	log.changed <- struct{}{}
	if !ready(f) {
		t.Error("the follower is not ready after a change")
	}
	read()
	if want := []string{string(at(1)), string(at(3))}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	if f.Position() != at(4) {
		t.Errorf("the position is %s, want that of the last event that was looked at, %s", f.Position(), at(4))
	}
	f.Close()
	if log.watched != 0 {
		t.Error("a closed follower still watches the log")
	}
}

func TestFollowerKeepsItsPlaceWhenAReadFails(t *testing.T) {
	log := &numbered{count: 3, changed: make(chan struct{}, 1)}
	f := event.Follow(log, event.Query{After: at(1)})
	defer f.Close()
	log.fails = errors.New("the store is away")
	if _, err := next(t, f); !errors.Is(err, log.fails) || f.Position() != at(1) || ready(f) {
		t.Errorf("a read that failed: %v, position %s", err, f.Position())
	}
	log.fails, log.oldest = nil, 3
	if _, err := next(t, f); !errors.As(err, new(*event.CursorExpiredError)) {
		t.Errorf("a read behind an expired position: %v", err)
	}
	f.Seek(at(2))
	if !ready(f) {
		t.Error("the follower is not ready after Seek")
	}
	if page, err := next(t, f); err != nil || len(page.Events) != 1 || page.Events[0].Position != at(3) {
		t.Errorf("the read after Seek: %+v, %v", page, err)
	}
	log.count = 4
	refused := errors.New("the reader cannot use it")
	if err := f.Read(t.Context(), func(event.Page) error { return refused }); !errors.Is(err, refused) || f.Position() != at(3) {
		t.Errorf("a page that was not used: %v, position %s", err, f.Position())
	}
}
