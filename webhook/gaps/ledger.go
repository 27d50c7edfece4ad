package gaps

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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
	// OnRecorded is called with each gap that was recorded or has grown; nil calls nothing.
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
// noted, until ctx is done; then it returns nil. It survives a store that fails.
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
			l.finish(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// finish writes, when the process ends, that it ran until now, and what is still noted.
func (l *Ledger) finish(ctx context.Context) {
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
	default: // the constant backlog says why it may be dropped
	}
}

// write records a gap and announces it. When the store fails it is tried again later.
func (l *Ledger) write(ctx context.Context, g Gap) {
	recorded, changed, err := l.record(ctx, g)
	switch {
	case err != nil:
		l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a gap could not be recorded", slog.String("kind", string(g.Kind)), slog.Any("error", err))
		time.AfterFunc(l.opt.Beat, func() { l.note(g) })
	case changed:
		l.announce(ctx, recorded)
	}
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
}

// beat writes that a process runs, and logs when that fails.
func (l *Ledger) beat(ctx context.Context) {
	if err := l.tryBeat(ctx); err != nil && !errors.Is(err, state.ErrConflict) {
		l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "the store does not take the sign of life", slog.Any("error", err))
	}
}

// tryBeat writes the heartbeat. If the last one is older than After, no process ran in
// between, and that time is a gap.
func (l *Ledger) tryBeat(ctx context.Context) error {
	now := l.opt.Now().UTC()
	value, err := json.Marshal(heartbeat{now})
	if err != nil {
		return err
	}
	e, err := l.opt.State.Get(ctx, heartbeatKey)
	if errors.Is(err, state.ErrNotFound) {
		_, err = l.opt.State.Put(ctx, heartbeatKey, value, state.Put{IfAbsent: true})
		return err
	}
	if err != nil {
		return err
	}
	last := heartbeat{now}
	if err := json.Unmarshal(e.Value, &last); err != nil {
		l.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "the last sign of life cannot be read", slog.Any("error", err))
	}
	if now.Sub(last.At) > l.opt.After {
		// The gap is recorded before the heartbeat is written: if the process is killed in
		// between, the next one notices the gap.
		g, changed, err := l.record(ctx, newGap(Downtime, "", last.At, now, now))
		if err != nil {
			return err
		}
		if changed {
			l.announce(ctx, g)
		}
	}
	_, err = l.opt.State.Put(ctx, heartbeatKey, value, state.Put{IfVersion: e.Version})
	return err // ErrConflict means that another process has just written it
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

// record writes a gap, or extends the recorded gap of its kind that it continues. changed
// reports whether that changed a record.
func (l *Ledger) record(ctx context.Context, g Gap) (_ Gap, changed bool, err error) {
	for range tries {
		old, version, err := l.continued(ctx, g)
		if err != nil {
			return g, false, err
		}
		merged, put := g, state.Put{IfAbsent: true}
		if version != "" {
			if !g.To.After(old.To) {
				return old, false, nil
			}
			merged, put = old, state.Put{IfVersion: version}
			merged.To, merged.Fill = g.To, nil // the new part was not filled
		}
		_, err = l.put(ctx, merged, put)
		if err == nil {
			return merged, true, nil
		}
		if !errors.Is(err, state.ErrConflict) {
			return g, false, err
		}
	}
	return g, false, fmt.Errorf("others write the same gap: %w", state.ErrConflict)
}

// continued finds the recorded gap that g is a part of, or continues.
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
		if old.Kind == g.Kind && old.Team == g.Team && !g.From.Before(old.From) && !g.From.After(old.To) {
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

// A watch concludes from a delivery whether others before it were missed.
type watch struct {
	after time.Duration
	began time.Time // when this process began

	mu sync.Mutex
	// good is when the last delivery came that was no repetition. failing is when the first
	// of the deliveries came that are being refused; it is zero when none is. mu guards both.
	good, failing time.Time
}

// Delivered notes that a delivery of Slack's is stored. happened is when the event
// happened by Slack's clock, or zero if that is unknown; repetition says that Slack has
// tried to deliver it before.
func (l *Ledger) Delivered(happened time.Time, repetition bool) {
	now, w := l.opt.Now(), &l.watch
	w.mu.Lock()
	failing, good := w.failing, w.good
	w.failing = time.Time{}
	if !repetition {
		w.good = now
	}
	w.mu.Unlock()
	if !failing.IsZero() {
		if now.Sub(failing) > w.after {
			l.note(newGap(Unavailable, "", failing, now, now))
		}
		return
	}
	if !repetition || happened.IsZero() || now.Sub(happened) <= w.after || happened.Before(w.began) {
		return
	}
	// Slack has tried to deliver it for nearly as long as it ever does: events before it may
	// have been given up.
	from := w.began
	if good.After(from) {
		from = good
	}
	if from.Before(happened) {
		l.note(newGap(Unreachable, "", from, happened, now))
	}
}

// Refused notes that a delivery of Slack's was verified and could not be stored.
func (l *Ledger) Refused() {
	l.watch.mu.Lock()
	defer l.watch.mu.Unlock()
	if l.watch.failing.IsZero() {
		l.watch.failing = l.opt.Now()
	}
}

// Limited notes Slack's notice that it withheld events of the minute that began then.
func (l *Ledger) Limited(team string, minute time.Time) {
	if !minute.IsZero() {
		l.note(newGap(RateLimited, team, minute, minute.Add(time.Minute), l.opt.Now()))
	}
}
