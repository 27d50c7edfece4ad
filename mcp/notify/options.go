package notify

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"slackmcp/internal/delivery"
	"slackmcp/internal/wait"
	"slackmcp/store/state"
)

// An Item is one message for a receiver.
type Item struct {
	// ID is the event's own; a receiver that sees it twice may drop the second.
	ID string
	// Body is what is posted.
	Body []byte
	// Cursor stands behind the event.
	Cursor string
}

// A Batch is what a [Follower] read; see events.Batch.
type Batch struct {
	Items        []Item
	From, Cursor string
	Truncated    bool
}

// A Source is where a subscription's events come from. It is safe for concurrent use.
type Source interface {
	// Follow returns a follower of a type's events behind a cursor, which reads at most
	// limit of them at once.
	Follow(name string, arguments []byte, cursor string, limit int) (Follower, error)
	// Now is the cursor behind the newest event.
	Now(ctx context.Context) (string, error)
}

// A Follower reads the events of one subscription, and is used by one goroutine.
type Follower interface {
	// Read returns what comes next, of events that were received at since or later. The
	// batch may be empty.
	Read(ctx context.Context, since time.Time) (Batch, error)
	// Ready returns a channel from which one can receive when Read may return something;
	// it has to be asked for anew after each Read.
	Ready() <-chan struct{}
	// Seek goes on behind a cursor.
	Seek(cursor string)
	// Close must be called once.
	Close()
}

// An Observation is one attempt at a delivery, for metrics.
type Observation struct {
	// Outcome is accepted, retried, skipped (the receiver wants it no more), dead (the last
	// attempt) or, of a challenge, verified or refused.
	Outcome  string
	Duration time.Duration
}

// Options configure an Engine. State, Source and Client are required.
type Options struct {
	State  state.Store
	Source Source
	Client delivery.Client
	// Exclusive says that no other process shares the State: there is nobody to divide
	// the subscriptions with.
	Exclusive bool
	// Valid reports whether a principal may (still) have subscriptions, by its name and
	// the credential that it subscribed with. Nil is always.
	Valid func(principal, credential string) bool
	// OwnIDs gives each message to a receiver an id of its own as webhook-id, instead of
	// the event's. It stays the same over retries.
	OwnIDs bool
	// TerminatedCode is the error's code in the message by which a receiver is told that
	// its subscription was ended.
	TerminatedCode int

	// MaxPerPrincipal bounds the subscriptions of one principal, Max all of them; 100 and
	// 10,000 when zero.
	MaxPerPrincipal, Max int
	// TTL is how long a subscription lives that asks for nothing, and the longest one;
	// 24 h when zero.
	TTL time.Duration
	// Backlog is how old an event may be when it is delivered; 24 h when zero.
	Backlog time.Duration
	// ChallengesPerMinute bounds the challenges sent to one host; 120 when zero.
	ChallengesPerMinute int
	// Retry decides when a failed delivery is tried again; see Retry.
	Retry Retry
	// SuspendAfter is how many events in a row are given up before a subscription is
	// suspended until it is refreshed; 10 when zero.
	SuspendAfter int
	// Grace is what a running delivery gets to finish when the engine stops; 5 s when zero.
	Grace time.Duration
	// Observe is told of each attempt; nil is nobody.
	Observe func(Observation)
	// Logger receives what an operator should know; silent when nil.
	Logger *slog.Logger
}

const minTTL = time.Minute

func (o Options) complete() (Options, error) {
	if o.State == nil || o.Source == nil || o.Client == nil {
		return o, errors.New("notify: State, Source and Client are required")
	}
	if o.Valid == nil {
		o.Valid = func(string, string) bool { return true }
	}
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.MaxPerPrincipal = cmp.Or(o.MaxPerPrincipal, 100)
	o.Max = cmp.Or(o.Max, 10_000)
	o.TTL = max(cmp.Or(o.TTL, 24*time.Hour), minTTL)
	o.Backlog = cmp.Or(o.Backlog, 24*time.Hour)
	o.ChallengesPerMinute = cmp.Or(o.ChallengesPerMinute, 120)
	o.Retry = o.Retry.complete()
	o.SuspendAfter = cmp.Or(o.SuspendAfter, 10)
	o.Grace = cmp.Or(o.Grace, 5*time.Second)
	return o, nil
}

// A Retry says when a delivery that failed is tried again: after Base, and after four
// times as long with each further failure, up to Cap, and less up to a fifth at random.
// The first tries come quickly because a receiver may not yet know a subscription that
// was just granted. The zero value tries 8 times within a quarter of an hour.
type Retry struct {
	MaxAttempts int
	Base, Cap   time.Duration
}

func (r Retry) complete() Retry {
	r.MaxAttempts = cmp.Or(r.MaxAttempts, 8)
	r.Base = cmp.Or(r.Base, 500*time.Millisecond)
	r.Cap = cmp.Or(r.Cap, 5*time.Minute)
	return r
}

// delay is the pause after a failed attempt, counted from 1, with a random number below
// 1, and not before the receiver asked for. It reports false after the last one.
func (r Retry) delay(attempt int, asked time.Duration, random float64) (time.Duration, bool) {
	if attempt >= r.MaxAttempts {
		return 0, false
	}
	d := wait.Growth{First: r.Base, Most: r.Cap, Factor: 4, Jitter: 0.2}.After(attempt, random)
	return max(d, min(asked, r.Cap)), true
}
