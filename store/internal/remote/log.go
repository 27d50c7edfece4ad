package remote

import (
	"context"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A Log is a log of numbered events, a network away. Errors that wrap
// queue.ErrUnavailable pass by themselves; all others do not.
type Log interface {
	// Start finds behind which sequence number a reader begins, and the bounds of the
	// log. A start that is not kept is an expiry error.
	Start(ctx context.Context, s queue.Start) (eventlog.Bounds, int64, error)
	// Read returns at most n events from one sequence number to another, or the
	// other way when back is set, and the bounds of the log at that moment. It may
	// return fewer, but none only when there are none.
	Read(ctx context.Context, from, to int64, back bool, n int) (eventlog.Bounds, []event.Event, error)
	// Wait returns when the log may have something behind a sequence number, at the
	// latest after a short while.
	Wait(ctx context.Context, after int64)
}

// piece is how many events are read at a time; an engine may stop earlier.
const piece = 256

// seqOf returns the sequence number of an event that was read from the store.
func seqOf(e *event.Event) int64 {
	seq, _ := e.Position.Seq()
	return int64(seq) //nolint:gosec // the engines' numbers are below 2^53
}
