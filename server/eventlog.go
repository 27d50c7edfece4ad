package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/journal"
)

// eventLog is what the assistant's side reads: the journal for what is recent, the
// store's history for what is older. A page never mixes the two unless the journal
// alone could not fill it.
type eventLog struct {
	window *journal.Journal
	store  *watchedStore
	// newest is asked where other replicas publish too; nil where none does.
	newest *newest
}

// catchUp bounds how long a reader waits for the journal to show what this process has
// just acknowledged; the follower of Tail is behind by well under a millisecond.
const catchUp = 250 * time.Millisecond

// Query reads one page, from the journal as far as its window reaches. What this process
// or, unless the store is away, another replica has acknowledged before the call is in it.
func (l *eventLog) Query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	reached := l.await(ctx, l.store.last())
	if l.newest != nil {
		reached = l.await(ctx, l.newest.position(ctx)) && reached
	}
	return l.store.Hold(ctx, func() error {
		page, err := l.page(ctx, q, reached)
		if err != nil {
			return err
		}
		page.Unreadable = l.store.unreadable()
		return use(page)
	})
}

// page reads one page. Reached reports that the window shows all that has to be in it.
func (l *eventLog) page(ctx context.Context, q event.Query, reached bool) (event.Page, error) {
	if !reached {
		// The follower of the store pauses after a failure, so the store is asked itself.
		if page, err := l.store.History(ctx, q); err == nil {
			return page, nil
		}
	}
	if q.Limit <= 0 {
		q.Limit = event.DefaultLimit
	}
	q.Limit = min(q.Limit, event.MaxLimit)
	floor := l.window.Floor()
	if floor == "" || q.Filter.Text != nil || !l.reaches(q, floor) { // the store may have an index of words
		return l.store.History(ctx, q)
	}
	page, err := l.window.Query(ctx, q)
	_, moved := errors.AsType[*event.CursorExpiredError](err)
	switch {
	case moved:
		return l.store.History(ctx, q) // the window moved on in between
	case err != nil:
		return event.Page{}, err
	case q.Order == event.OldestFirst, page.More:
		return page, nil
	case len(page.Events) >= q.Limit, page.Next != "":
		// The page is full with the window's last event; what lies behind it is the store's.
		page.Next, page.More = page.Events[len(page.Events)-1].Position, true
		return page, nil
	}
	return l.older(ctx, q, page)
}

// reaches reports whether the journal can begin the page: its window holds the place
// where the query starts. A cursor is compared only with positions of its own epoch;
// the store judges the others.
func (l *eventLog) reaches(q event.Query, floor event.Position) bool {
	if q.After == "" {
		return q.Order == event.NewestFirst
	}
	newest := l.Newest()
	return q.After.Epoch() == floor.Epoch() && q.After >= floor && q.After <= newest
}

// older fills the rest of a page from the store. The window may have moved since the
// page was read, upwards only: the store goes on below its floor of now, or below the
// page's last event where that lies deeper.
func (l *eventLog) older(ctx context.Context, q event.Query, page event.Page) (event.Page, error) {
	rest := q
	rest.After = l.window.Floor()
	if n := len(page.Events); n > 0 {
		rest.After = min(rest.After, page.Events[n-1].Position)
	}
	rest.Limit = q.Limit - len(page.Events)
	rest.MaxBytes = event.PageBytes(q.MaxBytes)
	for i := range page.Events {
		rest.MaxBytes -= len(page.Events[i].Raw) // not to 0: the page would be full
	}
	more, err := l.store.History(ctx, rest)
	if _, ok := errors.AsType[*event.CursorExpiredError](err); ok {
		// Retention has just removed what lay behind the window.
		page.Next, page.More = "", false
		return page, nil
	}
	if err != nil {
		return event.Page{}, err
	}
	more.Events = append(page.Events, more.Events...)
	return more, nil
}

// await waits until the journal has reached p, for a while, and reports whether it has.
func (l *eventLog) await(ctx context.Context, p event.Position) bool {
	if p == "" || l.Newest() >= p {
		return true
	}
	changed, stop := l.Watch(event.Filter{})
	defer stop()
	timeout := time.NewTimer(catchUp)
	defer timeout.Stop()
	for l.Newest() < p {
		select {
		case <-changed:
		case <-timeout.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Get looks into the window first, then into the store.
func (l *eventLog) Get(ctx context.Context, source, id string, use func(*event.Event) error) error {
	return l.store.Hold(ctx, func() error {
		e, err := l.window.Get(ctx, source, id)
		if errors.Is(err, event.ErrNotFound) {
			e, err = l.store.Get(ctx, source, id)
		}
		if err != nil {
			return err
		}
		return use(&e)
	})
}

// Watch implements event.Log.
func (l *eventLog) Watch(f event.Filter) (changed <-chan struct{}, stop func()) {
	return l.window.Watch(f)
}

// Newest implements event.Log.
func (l *eventLog) Newest() event.Position { return l.window.Newest() }

// newestPatience bounds how long a reader waits to learn how far other replicas are: a
// store that is away delays no reader longer, who then sees what this process has.
const newestPatience = 500 * time.Millisecond

// A newest finds the newest position of a store that other replicas publish to. Readers
// that ask at once share one question, which is asked after the last of them came.
type newest struct {
	store queue.Queue

	mu      sync.Mutex
	next    *question // what new readers join
	running bool
}

type question struct {
	answered chan struct{}
	position event.Position // "" when it was not learnt
}

// position returns the position of the newest event of any replica at a moment after the
// call began, or "" when that cannot be learnt in time.
func (n *newest) position(ctx context.Context) event.Position {
	n.mu.Lock()
	q := n.next
	if q == nil {
		q = &question{answered: make(chan struct{})}
		n.next = q
	}
	if !n.running {
		n.running = true
		go n.ask(context.WithoutCancel(ctx))
	}
	n.mu.Unlock()
	select {
	case <-q.answered:
		return q.position
	case <-ctx.Done():
		return ""
	}
}

// ask answers questions until there is none.
func (n *newest) ask(ctx context.Context) {
	for {
		n.mu.Lock()
		q := n.next
		n.next = nil
		n.running = q != nil
		n.mu.Unlock()
		if q == nil {
			return
		}
		one, cancel := context.WithTimeout(ctx, newestPatience)
		page, err := n.store.History(one, event.Query{Order: event.NewestFirst, Limit: 1, NoBodies: true})
		cancel()
		if err == nil && len(page.Events) > 0 {
			q.position = page.Events[0].Position
		}
		close(q.answered)
	}
}
