package gaps

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"slackmcp/store/state"
)

// The defaults of Options.
const (
	// DefaultAfter is below the time after which Slack gives an event up.
	DefaultAfter = 5 * time.Minute
	// DefaultBeat is how often a process writes its heartbeat.
	DefaultBeat = 15 * time.Second
	// DefaultKeep is how long a gap is remembered.
	DefaultKeep = 90 * 24 * time.Hour
)

// backlog bounds the noted gaps that wait to be written. Further ones are dropped: they
// repeat those that wait, or belong to an outage that goes on.
const backlog = 1024

// Options configure a [Ledger].
type Options struct {
	// State keeps the account. Required.
	State state.Store
	// After is how long nothing may be received before that is a gap; after a shorter time
	// the sender has repeated its deliveries. 0 means DefaultAfter.
	After time.Duration
	// Beat is how often the process writes its heartbeat; 0 means DefaultBeat.
	Beat time.Duration
	// Keep is how long a gap is remembered; 0 means DefaultKeep.
	Keep time.Duration
	// Connected reports whether Slack can deliver over a connection of this process; nil means
	// that this process opens none, as Slack reaches it by itself. It is called at each beat.
	Connected func() bool
	// OnRecorded is called with each gap that was recorded, or that has grown and ended; nil
	// calls nothing.
	OnRecorded func(Gap)
	// Logger gets a line for each of them; nil logs nothing.
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
	o.After, o.Beat, o.Keep = cmp.Or(o.After, DefaultAfter), cmp.Or(o.Beat, DefaultBeat), cmp.Or(o.Keep, DefaultKeep)
	if o.OnRecorded == nil {
		o.OnRecorded = func(Gap) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Ledger{opt: o, notes: make(chan Gap, backlog), watch: watch{after: o.After, began: o.Now()}}, nil
}

// Run records the downtime before it, writes heartbeats, and records the gaps that are
// noted and those that go on, until ctx is done; then it returns nil. It survives a store
// that fails.
func (l *Ledger) Run(ctx context.Context) error {
	tick := time.NewTicker(l.opt.Beat)
	defer tick.Stop()
	var waiting []Gap // for a store that takes them
	l.beat(ctx)
	for {
		select {
		case g := <-l.notes:
			if waiting = append(waiting, g); len(waiting) == 1 {
				waiting = l.write(ctx, waiting)
			}
			waiting = waiting[:min(len(waiting), backlog)]
		case <-tick.C:
			l.beat(ctx)
			waiting = l.write(ctx, waiting)
		case <-ctx.Done():
			l.finish(context.WithoutCancel(ctx), waiting)
			return nil
		}
	}
}

// finish writes, when the process ends, that it ran until now, and what is still noted.
func (l *Ledger) finish(ctx context.Context, waiting []Gap) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	l.beat(ctx)
	for {
		select {
		case g := <-l.notes:
			waiting = append(waiting, g)
		default:
			l.write(ctx, waiting)
			return
		}
	}
}

// note queues a gap to be written. It never waits: deliveries call it.
func (l *Ledger) note(g Gap) {
	select {
	case l.notes <- g:
	default: // the constant backlog says why it may be dropped
	}
}

// write records gaps and announces them, and returns those that are left because the store
// fails.
func (l *Ledger) write(ctx context.Context, list []Gap) (left []Gap) {
	for i, g := range list {
		if err := l.settle(ctx, g, true); err != nil {
			l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "gaps could not be recorded", slog.String("kind", string(g.Kind)), slog.Int("waiting", len(list)-i), slog.Any("error", err))
			return list[i:]
		}
	}
	return nil
}

// settle records a gap. It is announced when it is new, and when it has ended: one that
// goes on is recorded at each beat.
func (l *Ledger) settle(ctx context.Context, g Gap, ended bool) error {
	recorded, change, err := l.record(ctx, g)
	if change == made || change == grown && ended {
		l.announce(ctx, recorded)
	}
	return err
}

// announce logs a gap and calls OnRecorded.
func (l *Ledger) announce(ctx context.Context, g Gap) {
	l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "events may have been missed", slog.String("gap", g.ID), slog.String("kind", string(g.Kind)),
		slog.Time("from", g.From), slog.Time("to", g.To), slog.String("remedy", "slack-webhook-server events gaps fill "+g.ID))
	l.opt.OnRecorded(g)
}

// heartbeatKey is the key under which the processes of a store write that one of them
// runs.
const heartbeatKey = "gaps/beat"

type heartbeat struct {
	At time.Time `json:"at"`
	// Reached is when Slack could last deliver to a process that opens the connections
	// itself; it is zero where none does.
	Reached time.Time `json:"reached,omitzero"`
}

// beat writes that a process runs, records the refusals that go on, and logs when that fails.
func (l *Ledger) beat(ctx context.Context) {
	err := l.tryBeat(ctx)
	for range tries {
		if !errors.Is(err, state.ErrConflict) {
			break
		}
		err = l.tryBeat(ctx) // another process has just written
	}
	if err == nil || errors.Is(err, state.ErrConflict) {
		err = l.refusing(ctx)
	}
	if err != nil {
		l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "the store does not take the sign of life", slog.Any("error", err))
	}
}

// refusing records the time in which Slack's deliveries have been refused, while it goes on.
func (l *Ledger) refusing(ctx context.Context) error {
	now := l.opt.Now()
	from, to, ok := l.watch.refusing(now)
	if !ok {
		return nil
	}
	return l.settle(ctx, newGap(Unavailable, "", from, to, now), false)
}

// tryBeat writes the heartbeat. If the last one is older than After, no process ran in
// between, and that time is a gap. So is a time in which Slack could reach no process.
func (l *Ledger) tryBeat(ctx context.Context) error {
	now := l.opt.Now().UTC()
	e, err := l.opt.State.Get(ctx, heartbeatKey)
	if errors.Is(err, state.ErrNotFound) {
		return l.putBeat(ctx, heartbeat{now, l.reached(now, now)}, state.Put{IfAbsent: true})
	}
	if err != nil {
		return err
	}
	last := heartbeat{At: now}
	if err := json.Unmarshal(e.Value, &last); err != nil {
		l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "the last sign of life cannot be read", slog.Any("error", err))
	}
	next := heartbeat{now, l.reached(cmp.Or(last.Reached, now), now)}
	switch {
	// A gap is recorded before the heartbeat is written: if the process is killed in between,
	// the next one notices the gap.
	case now.Sub(last.At) > l.opt.After:
		next.Reached = l.reached(now, now) // the downtime tells the rest
		err = l.settle(ctx, newGap(Downtime, "", last.At, now, now), true)
	case !last.Reached.IsZero() && !next.Reached.IsZero() && now.Sub(last.Reached) > l.opt.After:
		err = l.settle(ctx, newGap(Disconnected, "", last.Reached, now, now), next.Reached.Equal(now))
	}
	if err != nil {
		return err
	}
	return l.putBeat(ctx, next, state.Put{IfVersion: e.Version}) // ErrConflict: another process has just written it
}

func (l *Ledger) putBeat(ctx context.Context, b heartbeat, p state.Put) error {
	value, err := json.Marshal(b)
	if err == nil {
		_, err = l.opt.State.Put(ctx, heartbeatKey, value, p)
	}
	return err
}

// reached returns when Slack could last deliver, which was before: now, when a connection
// is open or a delivery has come by another way since the last beat; zero where this process
// opens no connections.
func (l *Ledger) reached(before, now time.Time) time.Time {
	switch {
	case l.opt.Connected == nil:
		return time.Time{}
	case l.opt.Connected(), now.Sub(l.watch.newest()) <= l.opt.Beat:
		return now
	}
	return before
}

const (
	// MaxGaps is how many gaps are listed.
	MaxGaps = 1000
	// tries is how often a record is written that others write as well.
	tries = 5
)

// List returns the gaps that are remembered, oldest first.
func (l *Ledger) List(ctx context.Context) ([]Gap, error) {
	entries, err := l.opt.State.List(ctx, prefix, "", MaxGaps)
	if err != nil {
		return nil, err
	}
	list := make([]Gap, len(entries))
	for i, e := range entries {
		if list[i], err = decode(e.Value); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// get returns one gap with the version of its record; state.ErrNotFound.
func (l *Ledger) get(ctx context.Context, id string) (Gap, string, error) {
	e, err := l.opt.State.Get(ctx, prefix+safe(id))
	if err != nil {
		return Gap{}, "", err
	}
	g, err := decode(e.Value)
	return g, e.Version, err
}

// put writes a gap's record.
func (l *Ledger) put(ctx context.Context, g Gap, p state.Put) (version string, err error) {
	value, err := json.Marshal(g)
	if err != nil {
		return "", fmt.Errorf("encode a gap: %w", err)
	}
	p.TTL = l.opt.Keep
	return l.opt.State.Put(ctx, prefix+g.ID, value, p)
}

// A change is what recording a gap did to the record.
type change int

const (
	unchanged change = iota
	made
	grown
)

// record writes a gap, or extends the recorded gap of its kind that it continues.
func (l *Ledger) record(ctx context.Context, g Gap) (Gap, change, error) {
	for range tries {
		old, version, err := l.continued(ctx, g)
		if err != nil {
			return g, unchanged, err
		}
		merged, did, put := g, made, state.Put{IfAbsent: true}
		if version != "" {
			if !g.To.After(old.To) && !g.From.Before(old.From) {
				return old, unchanged, nil
			}
			merged, did, put = old.with(g), grown, state.Put{IfVersion: version}
		}
		_, err = l.put(ctx, merged, put)
		if err == nil {
			return merged, did, nil
		}
		if !errors.Is(err, state.ErrConflict) {
			return g, unchanged, err
		}
	}
	return g, unchanged, fmt.Errorf("others write the same gap: %w", state.ErrConflict)
}

// continued finds the recorded gap that g overlaps or continues.
func (l *Ledger) continued(ctx context.Context, g Gap) (_ Gap, version string, err error) {
	entries, err := l.opt.State.List(ctx, prefix, "", MaxGaps)
	if err != nil {
		return Gap{}, "", err
	}
	for _, e := range entries {
		old, err := decode(e.Value)
		if err != nil {
			return Gap{}, "", err
		}
		if old.Kind == g.Kind && old.Team == g.Team && !g.To.Before(old.From) && !g.From.After(old.To) {
			return old, e.Version, nil
		}
	}
	return Gap{}, "", nil
}

// OpenGaps returns how many gaps are not filled to their end.
func (l *Ledger) OpenGaps(ctx context.Context) (int, error) {
	list, err := l.List(ctx)
	n := 0
	for i := range list {
		if list[i].Open() {
			n++
		}
	}
	return n, err
}

// Lost notes that events of a time were stored and are gone: From <= t < To. It may be called
// again with the same times.
func (l *Ledger) Lost(from, to time.Time) { l.note(newGap(Lost, "", from, to, l.opt.Now())) }
