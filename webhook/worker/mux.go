package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// DefaultGroup is the consumer group of the handlers that name none.
const DefaultGroup = "handlers"

// A HandlerFunc works one event. nil is done; an error is tried again. The event is
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
	// Enter returns the context of a handler's call, which is about to begin; nil keeps
	// the attempt's.
	Enter func(ctx context.Context, group, pattern string, d queue.Delivery) context.Context
	// Observe is told of each handler's call that ended, with the context of Enter; nil
	// tells nobody.
	Observe func(ctx context.Context, o Observation)
}

// An Observation is one call of a handler.
type Observation struct {
	Group, Pattern string
	Kind           event.Kind
	Attempt        int
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

// describe finds the handler's group, or makes it as its options say.
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
