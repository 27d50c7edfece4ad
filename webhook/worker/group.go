package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"slackmcp/store/queue"
)

// A group works the handlers of one consumer group.
type group struct {
	spec     queue.Group
	routes   []route
	log      *slog.Logger
	enter    func(ctx context.Context, group, pattern string, d queue.Delivery) context.Context
	observe  func(context.Context, Observation)
	progress progress
}

func (m *Mux) newGroup(spec queue.Group) *group {
	g := &group{spec: spec, log: m.opt.Logger, enter: m.opt.Enter, observe: m.opt.Observe, progress: newProgress()}
	g.spec.Filter.Patterns = nil
	for _, r := range m.routes {
		if r.group == spec.Name {
			g.routes = append(g.routes, r)
			g.spec.Filter.Patterns = append(g.spec.Filter.Patterns, r.pattern)
		}
	}
	return g
}

// handle is one attempt at an event: every handler that matches and is not yet done
// with it is called, in the order of registration, whatever became of the others.
func (g *group) handle(ctx context.Context, d queue.Delivery) error {
	p := g.progress.take(d, len(g.routes))
	var again []error
	for i, r := range g.routes {
		if !r.pattern.Match(&d.Event) || p.done(i) {
			continue
		}
		err := g.call(ctx, r, d)
		switch {
		case err == nil:
			p.finish(i, nil)
		case queue.IsPermanent(err):
			p.finish(i, fmt.Errorf("%s: %w", r.pattern, err))
		default:
			again = append(again, fmt.Errorf("%s: %w", r.pattern, err))
		}
	}
	switch {
	case len(again) > 0:
		g.progress.keep(d.Event.Position, p)
		return retryable(again, p.errs)
	case len(p.errs) > 0:
		return errors.Join(p.errs...) // each is permanent
	}
	return nil
}

// retryable joins the errors of the handlers that may yet succeed, the one that asked
// for the longest pause first, for the policy heeds the first. Those that have given
// up are told in words only: they may not end the event.
func retryable(again, given []error) error {
	pause := func(err error) time.Duration {
		return queue.Policy{Base: 1, Jitter: -1}.Next(1, err).Delay
	}
	slices.SortStableFunc(again, func(a, b error) int { return cmp.Compare(pause(b), pause(a)) })
	for _, err := range given {
		again = append(again, errors.New(err.Error()))
	}
	return errors.Join(again...)
}

// call calls one handler and turns a panic into an error.
func (g *group) call(ctx context.Context, r route, d queue.Delivery) (err error) {
	start := time.Now()
	if g.enter != nil {
		ctx = g.enter(ctx, g.spec.Name, r.pattern.String(), d)
	}
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
		if err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("handler returned after its deadline: %w", context.DeadlineExceeded)
		}
		g.report(ctx, r, d, err, time.Since(start))
	}()
	return r.fn(ctx, &d.Event)
}

func (g *group) report(ctx context.Context, r route, d queue.Delivery, err error, took time.Duration) {
	if g.observe != nil {
		g.observe(ctx, Observation{
			Group: g.spec.Name, Pattern: r.pattern.String(), Kind: d.Event.Kind,
			Attempt: d.Attempt, Err: err, Duration: took,
		})
	}
	level, outcome := slog.LevelInfo, "done"
	p, panicked := errors.AsType[*PanicError](err)
	switch {
	case panicked:
		level, outcome = slog.LevelError, "panic"
	case queue.IsPermanent(err):
		level, outcome = slog.LevelWarn, "permanent"
	case err != nil:
		level, outcome = slog.LevelWarn, "error"
	}
	if !g.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("outcome", outcome), slog.String("group", g.spec.Name), slog.String("pattern", r.pattern.String()),
		slog.String("source", d.Event.Source), slog.String("event_id", d.Event.ID), slog.String("kind", d.Event.Kind.String()),
		slog.Int("attempt", d.Attempt), slog.Duration("duration", took),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if panicked {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	g.log.LogAttrs(ctx, level, "event handled", attrs...)
}

// A PanicError is what a handler's panic becomes.
type PanicError struct {
	// Value is what was panicked with.
	Value any
	// Stack is where.
	Stack []byte
}

// Error names the panic; a long value is cut.
func (e *PanicError) Error() string {
	const longest = 200
	s := fmt.Sprint(e.Value)
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return "handler panicked: " + s
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
