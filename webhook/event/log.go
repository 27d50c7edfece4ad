package event

import "context"

// A Log is the received events as their readers see them: every stored event, in the
// order of its position, a moment after it was acknowledged. All methods are safe for
// concurrent use, and the Raw bytes of an event must not be written to.
type Log interface {
	// Query reads one page; see [Query]. A position that the log does not know any more
	// is a *CursorExpiredError.
	Query(ctx context.Context, q Query) (Page, error)
	// Get returns one event, or an error that wraps ErrNotFound.
	Get(ctx context.Context, source, id string) (Event, error)
	// Watch returns a channel, of capacity one, that holds a value after any number of
	// new events became visible. A reader takes it and then queries OldestFirst after the
	// last position that it saw. stop must be called once.
	Watch() (changed <-chan struct{}, stop func())
	// Newest returns the position of the newest visible event, or "" when there is none.
	Newest() Position
}

// A Follower reads a log from a position on, page after page, and says when there is
// more to read: so that every reader that waits does it in one way. It is used by one
// goroutine at a time.
//
//	f := event.Follow(log, event.Query{After: log.Newest()})
//	defer f.Close()
//	for {
//		page, err := f.Read(ctx)
//		// Work with them.
//		select {
//		case <-f.Ready():
//		case <-ctx.Done():
//			return
//		}
//	}
type Follower struct {
	log     Log
	query   Query
	changed <-chan struct{}
	stop    func()
	more    bool // the last page did not reach the end of the log
}

// Follow returns a follower of what a query selects, oldest first, behind its position
// After. It watches the log until it is closed.
func Follow(log Log, q Query) *Follower {
	q.Order = OldestFirst
	f := &Follower{log: log, query: q}
	f.changed, f.stop = log.Watch()
	return f
}

// Read returns the next page without waiting; it may be empty. A page that cannot be read
// leaves the position as it was. Behind a *CursorExpiredError the caller has to Seek.
func (f *Follower) Read(ctx context.Context) (Page, error) {
	page, err := f.log.Query(ctx, f.query)
	f.more = err == nil && page.More
	if err == nil && page.Next != "" {
		f.query.After = page.Next
	}
	return page, err
}

// Ready returns a channel from which one can receive as soon as Read may return
// something. It has to be asked for anew after each Read.
func (f *Follower) Ready() <-chan struct{} {
	if f.more {
		return always
	}
	return f.changed
}

// always is closed: one can receive from it at any time.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Position returns the position behind which the next page begins: everything before it
// was looked at.
func (f *Follower) Position() Position { return f.query.After }

// Seek makes the next page begin behind a position; "" is the beginning of the log.
func (f *Follower) Seek(p Position) { f.query.After, f.more = p, true }

// Close ends the watch. It must be called once.
func (f *Follower) Close() { f.stop() }
