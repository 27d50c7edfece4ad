package rule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"slackmcp/internal/delivery"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// A gate holds a rule's events back while the rule's target refuses: its workers wait, the
// events behind them stay where they are in the log, and one attempt at a time probes whether
// the target answers again. What waits, and what probes in vain, is not counted. After the patience,
// or as far as more waits than the backlog may have, events become dead letters instead: so
// that a target which does not come back neither fills the store nor stops receiving.
type gate struct {
	rule     string
	log      *slog.Logger
	now      func() time.Time
	stop     <-chan struct{} // closed when the rule ends
	patience time.Duration
	waiting  func(context.Context) (n, most int64, ok bool) // how many of the rule's events wait, and may

	mu       sync.Mutex
	since    time.Time     // when the target began to refuse; zero while the gate is open
	changed  chan struct{} // closed when the gate opens, or a probe ends
	probing  bool
	pause    time.Duration
	probeAt  time.Time
	cause    error
	failed   []string  // the last events that failed one after the other while the gate was open
	told     time.Time // when the log was told last
	surplus  int64     // how many events may still become dead letters by the backlog
	asked    time.Time // when the backlog was looked at last
	dead     int64     // how many became dead letters
	gaveUpAt time.Time // when the last one did
	probes   int       // how many probes began, and when the last one failed
	failedAt time.Time

	// gaveUp has the last events that became dead letters; those before it are none behind gaveUpTo.
	gaveUp   map[event.Position]struct{}
	gaveUpTo event.Position
}

// How a gate probes, and what it says.
const (
	firstProbe = time.Second
	lastProbe  = time.Minute
	// enoughFailed is how many different events have to fail one after the other before a
	// target that answers, though with failures, counts as one that refuses.
	enoughFailed = 3
	tellEvery    = time.Minute
	askEvery     = time.Second
	// mostGaveUp bounds gaveUp.
	mostGaveUp = 4096
	// margin is how long before its deadline an attempt that waits is given back at most.
	margin = 2 * time.Second
)

// Refused marks a failure of a [Poster] after which no other event would fare better: the rule waits until
// its target takes something again. Refused(nil) is nil.
func Refused(err error) error {
	if err == nil {
		return nil
	}
	return &refusedError{err}
}

// A refusedError is a failure after which no other event would fare better.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// giveBack is when an attempt that waits has to be given back: a margin before its deadline, of at most
// half the time that is left. ok is false for one that may wait for ever.
func giveBack(ctx context.Context) (at time.Time, ok bool) {
	deadline, ok := ctx.Deadline()
	return deadline.Add(-min(margin, max(0, time.Until(deadline)/2))), ok
}

var errHeld = errors.New("the rule waits: its target refuses")

// enter waits until an attempt may be made. probe says that it is the one that finds out
// whether the target answers. An error is what becomes of the event without an attempt.
func (g *gate) enter(ctx context.Context, at event.Position) (probe bool, err error) {
	if g == nil {
		return false, nil
	}
	until, bounded := giveBack(ctx)
	before := g.begun()
	for {
		changed, wait, probe, err := g.look(ctx, at, before)
		if changed == nil || err != nil {
			return probe, err
		}
		if bounded {
			left := time.Until(until)
			if left <= 0 {
				return false, queue.Postpone(errHeld, 0)
			}
			wait = min(wait, left)
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-g.stop:
			err = queue.Postpone(errHeld, 0)
		case <-ctx.Done():
			err = queue.Postpone(errHeld, 0)
		}
		timer.Stop()
		if err != nil {
			return false, err
		}
	}
}

// begun is how many probes began.
func (g *gate) begun() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.probes
}

// look says whether an attempt may be made now: then there is no channel. Else it says what to
// wait for and how long at most. before is how many probes began before the event came.
func (g *gate) look(ctx context.Context, at event.Position, before int) (changed <-chan struct{}, wait time.Duration, probe bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	switch {
	case g.since.IsZero():
		return nil, 0, false, nil
	case !g.probing && (!now.Before(g.probeAt) || g.rested(now) || g.redriven(now, at) && before == g.probes):
		g.probing, g.probes = true, g.probes+1
		return nil, 0, true, nil
	case g.overfull(ctx, now), !g.probing && g.outwaited(now): // while one finds out, the others wait
		return nil, 0, false, g.letter(at)
	}
	wait = askEvery
	if !g.probing {
		wait = min(wait, g.probeAt.Sub(now))
	}
	return g.changed, wait, false, nil
}

// rested reports whether events were given up, and for a while none came: what comes then may have been
// redriven because the target was mended, and is tried. It requires g.mu.
func (g *gate) rested(now time.Time) bool {
	return g.outwaited(now) && !g.gaveUpAt.IsZero() && now.Sub(g.gaveUpAt) >= askEvery
}

// redriven reports whether an event became a dead letter of this target before. It may have been redriven because the
// target was mended, and becomes one again only after a probe that began since has failed. Where more wait than may, one
// such probe in askEvery has to do. It requires g.mu.
func (g *gate) redriven(now time.Time, at event.Position) bool {
	_, known := g.gaveUp[at]
	return (known || at <= g.gaveUpTo) && (g.surplus == 0 || now.Sub(g.failedAt) >= askEvery)
}

// outwaited reports whether the target has refused for longer than the patience. It requires g.mu.
func (g *gate) outwaited(now time.Time) bool { return now.Sub(g.since) >= g.patience }

// overfull reports whether an event is to become a dead letter because more wait than may. It requires g.mu.
func (g *gate) overfull(ctx context.Context, now time.Time) bool {
	if now.Sub(g.asked) >= askEvery {
		g.asked = now
		if n, most, ok := g.waiting(ctx); ok {
			g.surplus = max(0, n-most)
		}
	}
	if g.surplus == 0 {
		return false
	}
	g.surplus--
	return true
}

// letter is the error of an event that is given up. The last failure is told and not wrapped: it was
// another event's, and what it asked for does not concern this one. It requires g.mu.
func (g *gate) letter(at event.Position) error {
	g.dead++
	g.gaveUpAt = g.now()
	if len(g.gaveUp) >= mostGaveUp {
		for p := range g.gaveUp {
			g.gaveUpTo = max(g.gaveUpTo, p)
		}
		clear(g.gaveUp)
	}
	if g.gaveUp == nil {
		g.gaveUp = map[event.Position]struct{}{}
	}
	g.gaveUp[at] = struct{}{}
	return queue.Permanent(fmt.Errorf("the target has refused since %s: %s", g.since.UTC().Format(time.RFC3339), g.cause.Error()))
}

// leave judges an attempt at an event and returns what becomes of it.
func (g *gate) leave(ctx context.Context, probe bool, e *event.Event, err error) error {
	if g == nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = g.probing && !probe
	if _, held := queue.Postponed(err); held {
		return err // The rule has not asked its target.
	}
	_, status := errors.AsType[*delivery.StatusError](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		g.announce() // It was cut short.
		return err
	case err == nil, status && queue.IsPermanent(err):
		g.open(ctx)
		return err
	case queue.IsPermanent(err), !g.refuses(e.ID, err):
		g.announce()
		return err
	}
	return g.shut(ctx, probe, e.Position, err)
}

// shut holds the others back after a failure, and returns what becomes of the event that failed. It
// requires g.mu.
func (g *gate) shut(ctx context.Context, probe bool, at event.Position, err error) error {
	now, shut := g.now(), !g.since.IsZero()
	switch {
	case !shut:
		g.since, g.pause, g.dead, g.gaveUpAt = now, firstProbe, 0, time.Time{}
	case probe:
		g.pause, g.failedAt = min(2*g.pause, lastProbe), now
	}
	g.cause = err
	if probe || !shut {
		g.probeAt = now.Add(max(g.pause, queue.Pause(err)))
	}
	g.announce()
	over := g.outwaited(now) || g.overfull(ctx, now)
	g.tell(ctx, now, over)
	switch {
	case over:
		return g.letter(at)
	case !shut:
		// This attempt is counted: an event that alone fails does not come for ever.
		return err
	}
	return queue.Postpone(err, max(g.probeAt.Sub(now), 0))
}

// release gives back the right to probe.
func (g *gate) release(probe bool) {
	if g == nil || !probe {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	g.announce()
}

// refuses reports whether a failure says that the target refuses, and not one event. It
// requires g.mu.
func (g *gate) refuses(id string, err error) bool {
	if _, ok := errors.AsType[*refusedError](err); ok || !g.since.IsZero() {
		return true
	}
	if !slices.Contains(g.failed, id) {
		g.failed = append(g.failed, id)
	}
	return len(g.failed) >= enoughFailed
}

// open lets all through. It requires g.mu.
func (g *gate) open(ctx context.Context) {
	g.failed = nil
	if g.since.IsZero() {
		return
	}
	g.log.LogAttrs(ctx, slog.LevelWarn, "the target of a rule answers again", slog.String("rule", g.rule),
		slog.Float64("refused_seconds", g.now().Sub(g.since).Seconds()), slog.Int64("dead_letters", g.dead))
	g.since, g.told, g.surplus, g.gaveUp, g.gaveUpTo = time.Time{}, time.Time{}, 0, nil, ""
	g.announce()
}

// announce wakes those that wait. It requires g.mu.
func (g *gate) announce() {
	if g.changed != nil {
		close(g.changed)
	}
	g.changed = make(chan struct{})
}

// tell writes a line to the log, once a minute. It requires g.mu.
func (g *gate) tell(ctx context.Context, now time.Time, over bool) {
	if now.Sub(g.told) < tellEvery {
		return
	}
	g.told = now
	attrs := []slog.Attr{slog.String("rule", g.rule), slog.Time("since", g.since), slog.Int64("dead_letters", g.dead), slog.Any("error", g.cause)}
	if n, _, ok := g.waiting(ctx); ok {
		attrs = append(attrs, slog.Int64("waiting", n))
	}
	if over {
		g.log.LogAttrs(ctx, slog.LevelError, "the target of a rule refuses; its events become dead letters", attrs...)
		return
	}
	g.log.LogAttrs(ctx, slog.LevelWarn, "the target of a rule refuses; its events wait", attrs...)
}

// A Refusing is a rule whose target refuses.
type Refusing struct {
	Rule  string
	Since time.Time
	// DeadLetters is how many events were given up since.
	DeadLetters int64
}

// refusing says whether the target refuses.
func (g *gate) refusing() (Refusing, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Refusing{g.rule, g.since, g.dead}, !g.since.IsZero()
}
