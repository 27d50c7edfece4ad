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
