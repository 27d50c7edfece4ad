package rule

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"slackmcp/internal/wait"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// How long to wait before a group is consumed again whose consumer ended with an error.
const (
	firstRest = time.Second
	lastRest  = 30 * time.Second
	// selfPatience is how long it may take to learn who our bot is before it is told of.
	selfPatience = 5 * time.Second
)

// work consumes a rule's group until ctx is done, whatever happens to the queue.
func (r *Runner) work(ctx context.Context, one *Rule, since time.Time) {
	act, err := one.act(r.tools)
	if err != nil {
		return // Check has tried it
	}
	defer release(act)
	self, ok := r.self(ctx, one)
	if !ok {
		return
	}
	h := &handler{r: r, rule: one, act: act, self: self, trip: &trip{b: one.breaker, now: r.opt.Now}}
	backoff := wait.Backoff{First: firstRest, Most: lastRest}
	for {
		err := r.opt.Queue.Consume(ctx, one.group(r.opt.Group, since), h.handle)
		if ctx.Err() != nil || errors.Is(err, queue.ErrClosed) {
			return
		}
		if errors.Is(err, queue.ErrNoGroup) {
			// Somebody dropped it; what the rule has not seen then is not wanted.
			since = r.opt.Now()
		}
		if _, expired := errors.AsType[*event.CursorExpiredError](err); expired {
			since = r.opt.Now()
		}
		rest := backoff.Next()
		r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a rule stopped and will begin again",
			slog.String("rule", one.Name()), slog.Duration("in", rest), slog.Any("error", err))
		if wait.Sleep(ctx, rest) != nil {
			return
		}
	}
}

// self waits until it is known who our bot is, where the rule has to know.
func (r *Runner) self(ctx context.Context, one *Rule) (Self, bool) {
	if r.opt.Self == nil || !one.minds() {
		return Self{}, true
	}
	soon, cancel := context.WithTimeout(ctx, selfPatience)
	s, err := r.opt.Self(soon)
	cancel()
	if err == nil || ctx.Err() != nil {
		return s, err == nil
	}
	r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a rule waits until Slack has said who our bot is: otherwise it might answer itself; its events are kept",
		slog.String("rule", one.Name()))
	s, err = r.opt.Self(ctx)
	return s, err == nil
}

// A handler works the events of one rule.
type handler struct {
	r    *Runner
	rule *Rule
	act  action
	self Self
	trip *trip
}

// handle is one attempt at an event.
func (h *handler) handle(ctx context.Context, d queue.Delivery) error {
	e := &d.Event
	if !h.rule.match.match(e) || !h.rule.spec.IncludeSelf && h.self.did(e) {
		return nil
	}
	start := time.Now()
	err := h.attempt(ctx, d)
	took := time.Since(start)
	if h.r.opt.Observe != nil {
		h.r.opt.Observe(Observation{Rule: h.rule.Name(), Action: h.rule.Action(), Attempt: d.Attempt, Err: err, Duration: took})
	}
	attrs := []slog.Attr{
		slog.String("rule", h.rule.Name()), slog.String("action", h.rule.Action()), slog.String("source", e.Source),
		slog.String("event_id", e.ID), slog.Int("attempt", d.Attempt), slog.Duration("duration", took),
	}
	if err == nil {
		h.r.opt.Logger.LogAttrs(ctx, slog.LevelDebug, "rule acted", attrs...)
		return nil
	}
	h.r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "rule did not act", append(attrs, slog.Any("error", err))...)
	return err
}

// attempt acts, unless the breaker says that it was too often. Only first attempts count:
// a retry was allowed before.
func (h *handler) attempt(ctx context.Context, d queue.Delivery) error {
	if d.Attempt == 1 {
		ok, change := h.trip.allow(&d.Event)
		h.told(ctx, change)
		if !ok {
			return queue.Permanent(&TrippedError{Rule: h.rule.Name(), Breaker: h.rule.breaker})
		}
	}
	return h.act.do(ctx, d)
}

// told tells of a breaker that opened or closed.
func (h *handler) told(ctx context.Context, change string) {
	if change == "" {
		return
	}
	if h.r.opt.ObserveBreaker != nil {
		h.r.opt.ObserveBreaker(h.rule.Name(), change == opened)
	}
	if change == closed {
		h.r.opt.Logger.LogAttrs(ctx, slog.LevelWarn, "a rule's breaker is closed again", slog.String("rule", h.rule.Name()))
		return
	}
	b := h.rule.breaker
	h.r.opt.Logger.LogAttrs(ctx, slog.LevelError, "a rule's breaker opened: it acted too often, perhaps in a loop with another bot; what comes now is a dead letter",
		slog.String("rule", h.rule.Name()), slog.Int("limit", b.Limit), slog.Duration("within", b.Within), slog.Duration("pause", b.Pause))
}
