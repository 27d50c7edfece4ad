package event

import (
	"context"
	"errors"
)

// ErrBusy says that the memory for reading was in use for too long.
var ErrBusy = errors.New("too_many_reads: as many events are being read at once as the server has memory for. Nothing is wrong with them: ask again in some seconds, and for less at a time (limit, filters)")

// A Log is the received events as their readers see them: every stored event, in the
// order of its position, a moment after it was acknowledged. All methods are safe for
// concurrent use.
//
// All readers of one process share a budget of memory for the bodies that they hold. So
// what is read is handed to a function: the bodies (Raw) are the reader's until it
// returns, and must be neither written to nor kept. The function must not wait for a
// client or for Slack, nor read the log again. A reader waits for its share; when it does
// not get one in time, the error is ErrBusy and the function was not called.
type Log interface {
	// Query calls use with one page; see [Query]. It returns the error of use. A position
	// that the log does not know any more is a *CursorExpiredError.
	Query(ctx context.Context, q Query, use func(Page) error) error
	// Get calls use with one event, or returns an error that wraps ErrNotFound.
	Get(ctx context.Context, source, id string, use func(*Event) error) error
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
//		err := f.Read(ctx, func(page event.Page) error {
//			// Make of the events what is needed.
//		})
//		// Work with that.
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

// Read calls use with the next page, as [Log] has it, without waiting for more; it may be
// empty. A page that cannot be read, or of which use fails, leaves the position as it was.
// Behind a *CursorExpiredError the caller has to Seek.
func (f *Follower) Read(ctx context.Context, use func(Page) error) error {
	var next Position
	var more bool
	err := f.log.Query(ctx, f.query, func(page Page) error {
		next, more = page.Next, page.More
		return use(page)
	})
	f.more = err == nil && more
	if err == nil && next != "" {
		f.query.After = next
	}
	return err
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
