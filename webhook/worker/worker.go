// Package worker works the events of a queue with handlers in Go.
//
// A [Mux] joins patterns with handlers: a type, type/subtype, the message.channels of
// Slack's subscription page and the like, or * for all. Each event goes to every handler
// whose pattern matches. Handlers share one consumer group unless they ask for one of
// their own ([InGroup]).
//
// Groups are independent: each sees every event, and retries, dead letters and delays
// of one do not affect another. For the handlers of one group an event is one unit: it is
// done when all of them have finished it, it is tried again when one fails, and it becomes
// one dead letter. Within a group a handler that is done with an event is not called again for
// it while this process lives; after a crash, or when another process takes the next
// attempt, it is called again. A handler that must not be called twice, or must not wait
// for the attempts of others, needs a group of its own.
//
// A panic is a failure of the attempt, and so is the group's deadline. See
// [queue.Permanent] and [queue.RetryAfter] for what a handler may say in its error.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// DefaultGroup is the consumer group of the handlers that name none.
const DefaultGroup = "handlers"

// A HandlerFunc works one event. It returns nil when the event is done; after an error the
// event is tried again. The event is
// shared with other handlers and must not be written to.
type HandlerFunc func(ctx context.Context, e *event.Event) error

// A Consumer hands out events; a [queue.Queue] is one.
type Consumer interface {
	Consume(ctx context.Context, g queue.Group, h queue.Handler) error
}

// Options configure a Mux. The zero value is ready to use.
type Options struct {
	// Group describes the consumer group that handlers share, and, but for the name,
	// the groups of those with one of their own. An empty name means DefaultGroup. Its
	// Filter applies to all.
	Group queue.Group
	// Logger gets a line for each handler's call; nil logs nothing.
	Logger *slog.Logger
	// OnEnter is called before each call of a handler and returns the context of the call;
	// nil keeps the context of the attempt.
	OnEnter func(ctx context.Context, group, pattern string, d queue.Delivery) context.Context
	// OnHandled is called after each call of a handler, with the context that OnEnter
	// returned; nil calls nothing. It is called concurrently.
	OnHandled func(ctx context.Context, o Observation)
}

// An Observation is one call of a handler.
type Observation struct {
	Group, Pattern string
	// Source and ID are those of the event.
	Source, ID string
	Kind       event.Kind
	Attempt    int
	// Err is nil when the handler was done.
	Err      error
	Duration time.Duration
}

// A Mux routes events to handlers. On is called before Run; a Mux is not safe for
// concurrent use until then.
type Mux struct {
	opt     Options
	routes  []route
	groups  []queue.Group // in the order of their first handler
	running bool
}

type route struct {
	pattern event.Pattern
	group   string
	fn      HandlerFunc

	changes []func(*queue.Group)
}

// New returns a Mux without handlers.
func New(o Options) *Mux {
	if o.Group.Name == "" {
		o.Group.Name = DefaultGroup
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Mux{opt: o}
}

// An Option changes one handler's registration. All but InGroup describe the group that
// InGroup gives it, and are for the first handler of that group.
type Option func(*route)

// InGroup gives the handler a consumer group of that name; several handlers may share
// it. The name is durable: under a new one the handler begins with the oldest event.
func InGroup(name string) Option { return func(r *route) { r.group = name } }

// Attempts is how often an event is tried in all before it is a dead letter.
func Attempts(n int) Option {
	return change(func(g *queue.Group) { g.Policy.MaxAttempts = n })
}

// Deadline bounds one attempt.
func Deadline(d time.Duration) Option {
	return change(func(g *queue.Group) { g.Deadline = d })
}

// Workers is how many events are worked at once.
func Workers(n int) Option {
	return change(func(g *queue.Group) { g.Workers = n })
}

// Ordered works the events with the same key one after another; see [queue.Group] for
// what it costs and promises.
func Ordered(key func(*event.Event) string) Option {
	return change(func(g *queue.Group) { g.Key = key })
}

// ByChannel is the key of events of one channel; those without a channel are in no order.
func ByChannel(e *event.Event) string {
	if e.Channel == "" {
		return ""
	}
	return e.Source + "/" + e.Team + "/" + e.Channel
}

// StartAt is where a group begins that is new.
func StartAt(s queue.Start) Option {
	return change(func(g *queue.Group) { g.Start = s })
}

func change(fn func(*queue.Group)) Option {
	return func(r *route) { r.changes = append(r.changes, fn) }
}

// On registers a handler for what a pattern matches; see [event.ParsePattern]. It
// fails when the pattern or the group's name is ill-formed, or when Run was called.
func (m *Mux) On(pattern string, fn HandlerFunc, opts ...Option) error {
	if m.running {
		return errors.New("worker: On was called after Run")
	}
	if fn == nil {
		return fmt.Errorf("worker: handler for %q is nil", pattern)
	}
	p, err := event.ParsePattern(pattern)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	r := route{pattern: p, group: m.opt.Group.Name, fn: fn}
	for _, o := range opts {
		o(&r)
	}
	if err := m.describe(&r); err != nil {
		return fmt.Errorf("worker: handler for %q: %w", pattern, err)
	}
	m.routes = append(m.routes, r)
	return nil
}

// describe finds the group of a handler, or adds it with the options of the handler.
func (m *Mux) describe(r *route) error {
	known := slices.ContainsFunc(m.groups, func(g queue.Group) bool { return g.Name == r.group })
	switch {
	case len(r.changes) > 0 && r.group == m.opt.Group.Name:
		return errors.New("its options describe a group: give it one of its own with InGroup")
	case len(r.changes) > 0 && known:
		return fmt.Errorf("the options of its first handler describe group %s: leave them out here", r.group)
	case known:
		return nil
	}
	g := m.opt.Group
	g.Name = r.group
	for _, fn := range r.changes {
		fn(&g)
	}
	if g.Policy.MaxAttempts < 0 {
		return errors.New("Attempts is negative")
	}
	if _, err := g.Normalize(); err != nil {
		return err
	}
	m.groups = append(m.groups, g)
	return nil
}

// Groups lists the consumer groups that Run will work, in order of registration.
func (m *Mux) Groups() []string {
	var names []string
	for _, g := range m.groups {
		names = append(names, g.Name)
	}
	return names
}

// Run works the queue with all handlers until ctx is done and those that run have
// ended; then it returns nil. When one group fails the others are ended too, and the
// error is returned. Without handlers it waits for ctx.
func (m *Mux) Run(ctx context.Context, c Consumer) error {
	m.running = true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if len(m.groups) == 0 {
		<-ctx.Done()
		return nil
	}
	var wg sync.WaitGroup
	failures := make([]error, len(m.groups))
	for i, spec := range m.groups {
		g := m.newGroup(spec)
		wg.Go(func() {
			if err := c.Consume(ctx, g.spec, g.handle); err != nil {
				failures[i] = fmt.Errorf("consumer group %s: %w", spec.Name, err)
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(failures...)
}

// A group calls the handlers of one consumer group.
type group struct {
	spec      queue.Group
	routes    []route
	log       *slog.Logger
	onEnter   func(ctx context.Context, group, pattern string, d queue.Delivery) context.Context
	onHandled func(context.Context, Observation)

	mu sync.Mutex
	// unfinished remembers, between the attempts at an event, which handlers have finished
	// it. It is guarded by mu.
	unfinished map[event.Position]*progress
}

func (m *Mux) newGroup(spec queue.Group) *group {
	g := &group{spec: spec, log: m.opt.Logger, onEnter: m.opt.OnEnter, onHandled: m.opt.OnHandled, unfinished: map[event.Position]*progress{}}
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
	p := g.take(d)
	var again []error
	for i, r := range g.routes {
		if !r.pattern.Match(&d.Event) || p.finished[i] {
			continue
		}
		err := g.call(ctx, r, d)
		switch {
		case err == nil:
			p.finished[i] = true
		case queue.IsPermanent(err):
			p.finished[i] = true
			p.errs = append(p.errs, fmt.Errorf("%s: %w", r.pattern, err))
		default:
			again = append(again, fmt.Errorf("%s: %w", r.pattern, err))
		}
	}
	switch {
	case len(again) > 0:
		g.keep(d.Event.Position, p)
		return retryable(again, p.errs)
	case len(p.errs) > 0:
		return errors.Join(p.errs...) // each is permanent
	}
	return nil
}

// retryable joins the errors of the handlers that may yet succeed, the one that asked
// for the longest pause first, because the policy uses the first. The errors of handlers
// that gave up are added as text only, so that they do not end the event.
func retryable(again, given []error) error {
	slices.SortStableFunc(again, func(a, b error) int { return cmp.Compare(queue.Pause(b), queue.Pause(a)) })
	for _, err := range given {
		again = append(again, errors.New(err.Error()))
	}
	return errors.Join(again...)
}

// call calls one handler and turns a panic into an error.
func (g *group) call(ctx context.Context, r route, d queue.Delivery) (err error) {
	start := time.Now()
	if g.onEnter != nil {
		ctx = g.onEnter(ctx, g.spec.Name, r.pattern.String(), d)
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
	if g.onHandled != nil {
		g.onHandled(ctx, Observation{
			Group: g.spec.Name, Pattern: r.pattern.String(), Source: d.Event.Source, ID: d.Event.ID, Kind: d.Event.Kind,
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
		slog.Int("attempt", d.Attempt), slog.Float64("duration_seconds", took.Seconds()),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if panicked {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	g.log.LogAttrs(ctx, level, "event handled", attrs...)
}

// A PanicError says that a handler panicked.
type PanicError struct {
	// Value is the argument of panic.
	Value any
	// Stack is the stack of the goroutine.
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

// maxProgress bounds how many events a group remembers the handlers of. Beyond it an
// event is forgotten, and its next attempt calls all of them again.
const maxProgress = 10_000

// A progress is which handlers have finished an event. One attempt uses it at a time.
type progress struct {
	finished []bool  // by the index of the handler
	errs     []error // of the handlers that gave up
}

// take returns the progress of an event, and forgets it until keep. The first attempt
// begins anew: an event that is redriven or replayed goes to all handlers again.
func (g *group) take(d queue.Delivery) *progress {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.unfinished[d.Event.Position]
	delete(g.unfinished, d.Event.Position)
	if ok && d.Attempt > 1 {
		return p
	}
	return &progress{finished: make([]bool, len(g.routes))}
}

// keep remembers an event that has handlers left to call.
func (g *group) keep(at event.Position, p *progress) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for old := range g.unfinished {
		if len(g.unfinished) < maxProgress {
			break
		}
		delete(g.unfinished, old)
	}
	g.unfinished[at] = p
}
