package gaps

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"slackmcp/store/state"
)

// The defaults of Options.
const (
	// DefaultAfter is below the time after which Slack gives an event up.
	DefaultAfter = 5 * time.Minute
	// DefaultBeat is how often a process says that it is there.
	DefaultBeat = 15 * time.Second
	// DefaultKeep is how long a gap is remembered.
	DefaultKeep = 90 * 24 * time.Hour
)

// backlog bounds the notes that wait to be written. What does not fit is a repetition of
// what is there, or of an outage that goes on.
const backlog = 1024

// Options configure a [Ledger].
type Options struct {
	// State keeps the account. Required.
	State state.Store
	// After is how long nothing may be received before it is a gap: what is shorter, the
	// sender's repetitions bridge. 0 means DefaultAfter.
	After time.Duration
	// Beat is how often the process says that it is there; 0 means DefaultBeat.
	Beat time.Duration
	// Keep is how long a gap is remembered; 0 means DefaultKeep.
	Keep time.Duration
	// Recorded is told of each gap that was recorded, or grew; nil is nobody.
	Recorded func(Gap)
	// Logger is told likewise; nil discards it.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A Ledger records gaps. It is safe for concurrent use.
type Ledger struct {
	opt   Options
	notes chan Gap
	watch watch
}

// New checks the options.
func New(o Options) (*Ledger, error) {
	if o.State == nil {
		return nil, errors.New("gaps: State is required")
	}
	if o.After < 0 || o.Beat < 0 || o.Keep < 0 {
		return nil, errors.New("gaps: After, Beat and Keep must not be negative")
	}
	o.After, o.Beat, o.Keep = or(o.After, DefaultAfter), or(o.Beat, DefaultBeat), or(o.Keep, DefaultKeep)
	if o.Recorded == nil {
		o.Recorded = func(Gap) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Ledger{opt: o, notes: make(chan Gap, backlog), watch: watch{after: o.After, began: o.Now()}}, nil
}

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Run notices the downtime before it, says from then on that the process is there, and
// writes what is noted, until ctx is done. It survives a store that fails.
func (l *Ledger) Run(ctx context.Context) error {
	tick := time.NewTicker(l.opt.Beat)
	defer tick.Stop()
	l.beat(ctx)
	for {
		select {
		case g := <-l.notes:
			l.write(ctx, g)
		case <-tick.C:
			l.beat(ctx)
		case <-ctx.Done():
			l.leave(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// leave writes, when the process ends, that it was there until now.
func (l *Ledger) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	l.beat(ctx)
	for {
		select {
		case g := <-l.notes:
			l.write(ctx, g)
		default:
			return
		}
	}
}

// note queues a gap to be written. It never waits: deliveries call it.
func (l *Ledger) note(g Gap) {
	select {
	case l.notes <- g:
	default: // see backlog
	}
}

// write records a gap and tells of it. When the store fails it is tried again later.
func (l *Ledger) write(ctx context.Context, g Gap) {
	recorded, changed, err := l.record(ctx, g)
	switch {
	case err != nil:
		l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a gap could not be recorded", slog.String("kind", string(g.Kind)), slog.Any("error", err))
		time.AfterFunc(l.opt.Beat, func() { l.note(g) })
	case changed:
		l.tell(ctx, recorded)
	}
}

func (l *Ledger) tell(ctx context.Context, g Gap) {
	l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "events may have been missed", slog.String("gap", g.ID), slog.String("kind", string(g.Kind)),
		slog.Time("from", g.From), slog.Time("to", g.To), slog.String("remedy", "slack-webhook-server events gaps fill "+g.ID))
	l.opt.Recorded(g)
}
