// Package queue is the contract between the receiving HTTP handler and the code that works
// or reads the events: [Queue], and the retry [Policy] that all backends share.
//
// Promises, which package storetest holds every backend to:
//
//   - Publish that returned nil means durable as the backend is configured. A crash at
//     any moment loses no acknowledged event.
//   - Deduplication by (source, id) is atomic with the write. Seen ids live apart from
//     the events: they expire by the dedupe TTL only and survive trimming.
//   - Each event is handled by every group once, or again after a crash; attempts are
//     counted across crashes. A handler that fails delays itself and no other event.
//   - A lease is renewed while its handler runs, up to the handler's deadline, so that
//     a slow handler never runs twice at once.
//   - Retention never removes what a registered group has not finished; Publish then
//     fails with [ErrFull]. What expires is counted.
//   - An event that the store could not take if it were empty is refused with [ErrTooLong],
//     and removes nothing.
//   - accepted = done + waiting (in flight included) + dead + expired, for every group, exactly.
//
// It does not promise an order among the events that a group works.
//
// Retention takes the oldest events out of the log. One that a group has on its
// schedule or among its dead letters is kept for that group beyond, where History and
// Tail do not see it. Dead letters age by the instant of their death, and make room,
// oldest first, when nothing else is left to remove; both count as expired.
//
// The oldest position in an [event.CursorExpiredError] of a backend, given as After,
// reads everything that is kept.
//
// A new backend is held to all this by package storetest.
package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"slackmcp/webhook/event"
)

// Sentinels of Publish and of the operator's calls. All are wrapped with their cause.
var (
	// ErrFull says that the bound on stored events is reached and nothing may be removed.
	ErrFull = errors.New("queue is full")
	// ErrTooLong says that an event is longer than the store takes at all, so that it does not
	// help to publish it again. Nothing was removed for it. The text of the error says what to raise.
	ErrTooLong = errors.New("event is too long for the store")
	// ErrUnavailable says that the store cannot be written or reached now. What was
	// being published may or may not be stored; the sender has to send it again.
	ErrUnavailable = errors.New("queue is unavailable")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("queue is closed")
	// ErrNoGroup says that no such group is registered.
	ErrNoGroup = errors.New("no such group")
	// ErrLocked says that another process owns the embedded store.
	ErrLocked = errors.New("store is in use by another process")
)

// A Queue is a durable, deduplicating log of events with consumer groups.
// All methods are safe for concurrent use.
type Queue interface {
	// Publish stores e unless an event with the same source and id was stored within
	// the dedupe TTL. It returns when the event is durable, and honours ctx's deadline:
	// after an error the event may or may not have been stored. Publish reads e.Raw
	// only until it returns. Errors: ErrFull, ErrTooLong,
	// ErrUnavailable, ErrClosed, ctx's.
	Publish(ctx context.Context, e event.Event) (Receipt, error)

	// Consume registers g, durably, unless it exists, and works its events until ctx is
	// done; then it waits for the handlers that run (whose contexts it cancels after
	// g.Drain) and returns nil. Several calls, in this process or another, compete.
	// An attempt that the drain cut short is counted, and due again at once. Errors:
	// ErrUnavailable while registering, ErrNoGroup once the group was dropped,
	// ErrClosed, and *event.CursorExpiredError for a start that is no longer kept.
	Consume(ctx context.Context, g Group, h Handler) error

	// Tail calls fn with every event after from, in order, and then with each new one
	// as it becomes durable, until ctx is done (nil) or fn fails (its error). Tails
	// never compete and never slow Publish. A start that is no longer kept is
	// *event.CursorExpiredError.
	Tail(ctx context.Context, from Start, fn func(event.Event) error) error

	// History reads one page; see event.Query. It may be called while others write, and
	// holds no more bodies at a time than the page and one piece of the log, of at most
	// event.MaxPageBytes and one body.
	History(ctx context.Context, q event.Query) (event.Page, error)

	// Get returns the stored event, or event.ErrNotFound once retention has removed it.
	Get(ctx context.Context, source, id string) (event.Event, error)

	// Groups lists the registered groups by name.
	Groups(ctx context.Context) ([]string, error)
	// DropGroup forgets a group with its schedule and dead letters. ErrNoGroup.
	DropGroup(ctx context.Context, group string) error

	// DeadLetters lists a group's dead letters, oldest event first; see LetterQuery. It
	// returns none only when there are none. ErrNoGroup.
	DeadLetters(ctx context.Context, group string, q LetterQuery) ([]DeadLetter, error)
	// Redrive gives dead letters back to their group with a fresh attempt count and
	// returns how many it found; no positions are none. ErrNoGroup.
	Redrive(ctx context.Context, group string, at ...event.Position) (int, error)
	// Drop removes dead letters for good; they count as done. It returns how many it found.
	Drop(ctx context.Context, group string, at ...event.Position) (int, error)
	// Replay schedules stored events once more for a group, whatever became of them
	// there, and returns how many it found. An event that is being handled is left alone.
	Replay(ctx context.Context, group string, at ...event.Position) (int, error)

	// States says what became of the event at a position in each registered group, by the
	// groups' names, without writing. It knows an event that is in the log or that a group
	// has on its schedule or among its dead letters; for all others, and for a position of
	// another epoch, it answers event.ErrNotFound.
	States(ctx context.Context, at event.Position) ([]EventState, error)

	// Stats counts, without writing.
	Stats(ctx context.Context) (Stats, error)

	// Close ends all calls, cancels the handlers that run, and releases the store. It
	// is idempotent. Later calls, and those that run, answer ErrClosed.
	Close() error
}

// Receipt is Publish's answer.
type Receipt struct {
	// Position is where the event is stored; for a duplicate, where the first copy
	// was, or empty when the backend does not know it.
	Position event.Position
	// Duplicate reports that an event with this source and id was stored before.
	Duplicate bool
}

// Start says where a Tail begins; the zero value is the oldest event that is kept.
type Start struct {
	// After begins behind a position. It wins over the others.
	After event.Position
	// Since begins with the first event received at or after an instant. One that
	// lies in the future is as Now.
	Since time.Time
	// Now begins with the next event that is published.
	Now bool
}

// A Handler works one event. nil is done; an error is tried again by the group's
// policy; see Permanent, RetryAfter and Postpone.
type Handler func(ctx context.Context, d Delivery) error

// A Delivery is one attempt at an event.
type Delivery struct {
	Event event.Event
	Group string
	// Attempt counts from 1 and includes attempts that ended in a crash.
	Attempt int
}

// A Group describes the consumers that share one copy of each event.
type Group struct {
	// Name is 1 to 64 characters of [a-zA-Z0-9._-]. Required.
	Name string
	// Start is where a group that is registered for the first time begins; the zero
	// value is the oldest event that is kept. Ignored for a registered group.
	Start Start
	// Filter selects what the handler sees; the rest counts as done.
	Filter event.Filter
	// Key orders the group's events: those with the same key are handled one after
	// another, as they were published, and one that fails holds back those of its key
	// until it is done or dead. Events with an empty key, and all without Key, are in no
	// order. What is held back is given to the store and taken again, at least every few
	// seconds while its turn may come: a write for each. A consumer orders what it was
	// handed itself, 100,000 held back events at most; other consumers of the group have
	// an order of their own, and what was being tried again when the process ended may be
	// overtaken after the start. An event that is redriven or replayed comes when it comes.
	// Consume over the operator socket refuses it.
	Key func(*event.Event) string
	// Workers is how many handlers run at once in this call; 0 means 8.
	Workers int
	// Deadline bounds one attempt; 0 means one minute. An attempt that reaches it has failed.
	Deadline time.Duration
	// Drain is how long handlers may go on after ctx is done; 0 means 10 seconds.
	Drain time.Duration
	// Policy decides what follows a failure; the zero value is DefaultPolicy.
	Policy Policy
}

// A DeadLetter is an event that a group gave up.
type DeadLetter struct {
	Event    event.Event
	Group    string
	Attempts int
	// Reason is the last error's text.
	Reason string
	DiedAt time.Time
}

// A LetterQuery asks for some of a group's dead letters.
type LetterQuery struct {
	// After leaves out the letters of events up to this position.
	After event.Position
	// Limit is at most event.MaxLimit; 0 means event.DefaultLimit.
	Limit int
	// MaxBytes and NoBodies are those of an event.Query. There are fewer letters than Limit
	// where their bodies reach MaxBytes.
	MaxBytes int
	NoBodies bool
}

// Normalize returns q with its defaults filled in and its bounds kept to.
func (q LetterQuery) Normalize() LetterQuery {
	if q.Limit <= 0 {
		q.Limit = event.DefaultLimit
	}
	q.Limit, q.MaxBytes = min(q.Limit, event.MaxLimit), event.PageBytes(q.MaxBytes)
	return q
}

// Stats is a snapshot of the store.
type Stats struct {
	// Backend is "memory", "sqlite", "redis" or "nats".
	Backend string
	// Durability says in words what a crash and a power loss can take.
	Durability string
	// Epoch identifies the store: positions of another epoch are refused.
	Epoch string
	// Accepted counts the events ever stored, Expired those that retention removed.
	Accepted, Expired int64
	// Events is how many are kept now, SeenIDs how many ids deduplication remembers.
	Events, SeenIDs int64
	// Bytes is about what the events take, and MostBytes what they may take before the store is full; 0 is
	// not known. Others that use the same disk or database count only in what MostBytes leaves.
	Bytes, MostBytes int64
	// Oldest and Newest bound what is kept; empty when nothing is.
	Oldest, Newest event.Position
	Groups         []GroupStats
	// Damage is what is known to be missing or unreadable.
	Damage []Damage
}

// Damage is a part of a store that is gone or that cannot be read.
type Damage struct {
	// What says what happened, and Remedy what the operator can do. Neither holds a path.
	What, Remedy string
	// Events is how many events are concerned, as far as known. Since and Until are the
	// times between which they were received, zero where that is unknown.
	Events       int64
	Since, Until time.Time
	// Lost says that they are gone, and not only unreadable.
	Lost bool
	// Accepted says that the operator has said to go on without them.
	Accepted bool
}

// GroupStats counts one group's events: all that were accepted since its start are
// Done, Waiting, Dead or Expired.
type GroupStats struct {
	Name string
	// Waiting includes InFlight and Retrying.
	Waiting, InFlight, Retrying int64
	Done, Dead, Expired         int64
	// OldestWaiting is when the oldest waiting event was received; zero when none waits.
	OldestWaiting time.Time
	// StalledSince is when the watchdog first saw events due and nothing delivered;
	// zero when all is well or no process consumes.
	StalledSince time.Time
}

// What a Group's zero fields mean.
const (
	DefaultWorkers  = 8
	DefaultDeadline = time.Minute
	DefaultDrain    = 10 * time.Second
)

// maxName bounds the names of groups, so that every backend can store them in a key.
const maxName = 64

// Normalize returns g with its defaults filled in, or an error that names the field
// that is wrong. Backends call it at the start of Consume.
func (g Group) Normalize() (Group, error) {
	switch {
	case !validName(g.Name):
		return g, fmt.Errorf("group name %q: use 1 to %d characters of a-z A-Z 0-9 . _ -", g.Name, maxName)
	case g.Workers < 0:
		return g, fmt.Errorf("group %s: Workers is negative", g.Name)
	case g.Deadline < 0:
		return g, fmt.Errorf("group %s: Deadline is negative", g.Name)
	case g.Drain < 0:
		return g, fmt.Errorf("group %s: Drain is negative", g.Name)
	}
	if g.Workers == 0 {
		g.Workers = DefaultWorkers
	}
	if g.Deadline == 0 {
		g.Deadline = DefaultDeadline
	}
	if g.Drain == 0 {
		g.Drain = DefaultDrain
	}
	if g.Policy == (Policy{}) {
		g.Policy = DefaultPolicy()
	}
	return g, nil
}

func validName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// CheckEvent refuses what no backend can deduplicate: an event without source or id.
// Backends call it at the start of Publish.
func CheckEvent(e *event.Event) error {
	switch {
	case e.Source == "":
		return fmt.Errorf("publish: event has no source")
	case e.ID == "":
		return fmt.Errorf("publish: event has no id")
	}
	return nil
}
