package tools

import (
	"context"
	"errors"
	"time"

	"slackmcp/webhook/event"
)

// ErrNoGroup is what an [Operator] answers about a group that is not registered.
var ErrNoGroup = errors.New("no such group")

// An Operator works the queue behind the events, for callers with the admin scope. Its
// long work goes page by page and ends early when ctx does: what was done stays done.
type Operator interface {
	// Groups counts what each consumer group has done and has to do.
	Groups(ctx context.Context) ([]GroupCounts, error)
	// DeadLetters lists chosen letters of a group behind a position, oldest event first,
	// and behind which position there may be more.
	DeadLetters(ctx context.Context, c LetterChoice, after event.Position, limit int) ([]DeadLetter, event.Position, error)
	// Redrive gives chosen letters back to their group, Drop removes them for good. told
	// hears how many of how many were looked at.
	Redrive(ctx context.Context, c LetterChoice, told func(done, total int64)) (Bulk, error)
	Drop(ctx context.Context, c LetterChoice, told func(done, total int64)) (Bulk, error)
	// Replay has a group work chosen events once more.
	Replay(ctx context.Context, group string, c EventChoice, told func(done, total int64)) (Bulk, error)
}

// GroupCounts is one group's: of each event accepted since it began, one of Done,
// Waiting, DeadLetters and Expired; Waiting includes InFlight and Retrying.
type GroupCounts struct {
	Name                                                    string
	Waiting, InFlight, Retrying, Done, DeadLetters, Expired int64
	// OldestWaiting is how long the oldest waiting event has waited; 0 when none does.
	OldestWaiting time.Duration
	Stalled       bool
}

// A DeadLetter is an event that a group gave up.
type DeadLetter struct {
	Event    event.Event
	Attempts int
	Reason   string
	DiedAt   time.Time
}

// A LetterChoice is dead letters of one group: those with the ids, those that the filter
// matches, or all.
type LetterChoice struct {
	Group  string
	IDs    []string
	Filter event.Filter
	All    bool
	DryRun bool
}

// An EventChoice is stored events: those with the ids, or those behind After that the
// filter matches, or all.
type EventChoice struct {
	IDs    []string
	Filter event.Filter
	After  event.Position
	All    bool
	DryRun bool
}

// Bulk is what long work came to.
type Bulk struct {
	Looked, Changed, Left int64
	// Complete says that nothing is left to do; otherwise At is where it stopped.
	Complete bool
	At       event.Position
}
