package server

import (
	"context"
	"time"

	"slackmcp/webhook/event"
)

// reads is the memory that all readers of this process hold of events' bodies at a time:
// those of the assistant's side, and those of operators. It holds a token for each reader.
// Receiving and handling events take nothing of it.
type reads chan struct{}

const (
	// readMemory is how many bytes of bodies readers hold together. What becomes of a body on
	// its way to an answer takes a few times as much.
	readMemory = 8 << 20
	// readPatience is how long a reader waits for its share.
	readPatience = 10 * time.Second
)

// newReads returns the budget where a body has at most maxBody bytes.
func newReads(maxBody int64) reads {
	return make(reads, max(1, readMemory/(event.MaxPageBytes+maxBody)))
}

// Hold calls use while it holds a share, which is enough for a page and one body. It
// returns event.ErrBusy, or the cause of ctx, when it did not get one.
func (r reads) Hold(ctx context.Context, use func() error) error {
	select {
	case r <- struct{}{}:
	default:
		patience := time.NewTimer(readPatience)
		defer patience.Stop()
		select {
		case r <- struct{}{}:
		case <-patience.C:
			return event.ErrBusy
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer func() { <-r }()
	return use()
}
