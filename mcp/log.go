package mcp

import (
	"context"

	"slackmcp/webhook/event"
)

// An EventLog is the received events as the assistant's side reads them. Server
// composes it of the journal and the store's history. All methods are safe for
// concurrent use.
type EventLog interface {
	// Query reads one page; see event.Query.
	Query(ctx context.Context, q event.Query) (event.Page, error)
	// Get returns one event, or event.ErrNotFound.
	Get(ctx context.Context, source, id string) (event.Event, error)
	// Watch tells that events became visible: the channel, of capacity one, holds a
	// value after any number of new ones. A reader then queries OldestFirst after the
	// last position it saw. Stop must be called once.
	Watch() (changed <-chan struct{}, stop func())
	// Newest is the position of the newest visible event, empty when there is none.
	Newest() event.Position
}
