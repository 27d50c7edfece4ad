package operate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// The routes of the store, by name.
const (
	routeHistory     = "events/list"
	routeGet         = "events/get"
	routeTail        = "events/tail"
	routeStates      = "events/states"
	routeStats       = "stats"
	routeGroups      = "groups/list"
	routeDropGroup   = "groups/drop"
	routeDeadLetters = "dead-letters/list"
	routeRedrive     = "dead-letters/redrive"
	routeDrop        = "dead-letters/drop"
	routeReplay      = "replay"
	routeConsume     = "consume"
	routeSettle      = "consume/settle"
	routeLeave       = "consume/leave"
)

// serveQueue gives the store its routes: each is one call of the queue.
func (s *Server) serveQueue() {
	q := s.o.Queue
	s.Handle(routeHistory, reading(q, func(ctx context.Context, in wireQuery) (wirePage, error) {
		query, err := in.query()
		if err != nil {
			return wirePage{}, err
		}
		p, err := q.History(ctx, query)
		return wirePageOf(p), err
	}))
	s.Handle(routeGet, reading(q, func(ctx context.Context, in getIn) (wireEvent, error) {
		e, err := q.Get(ctx, string(in.Source), string(in.ID))
		return wireOf(e), err
	}))
	s.Handle(routeTail, Stream(func(ctx context.Context, from wireStart, send func(wireEvent) error) error {
		return q.Tail(ctx, from.start(), func(e event.Event) error { return send(wireOf(e)) })
	}))
	s.Handle(routeStates, Call(func(ctx context.Context, in statesIn) ([]wireState, error) {
		list, err := q.States(ctx, in.At)
		return wireStatesOf(list), err
	}))
	s.Handle(routeStats, Call(func(ctx context.Context, _ none) (queue.Stats, error) { return q.Stats(ctx) }))
	s.Handle(routeGroups, Call(func(ctx context.Context, _ none) ([]string, error) { return q.Groups(ctx) }))
	s.Handle(routeDropGroup, Call(func(ctx context.Context, in groupIn) (none, error) {
		err := q.DropGroup(ctx, in.Group)
		s.changed(ctx, "group dropped", in.Group, 0, err)
		return none{}, err
	}))
	s.Handle(routeDeadLetters, reading(q, func(ctx context.Context, in lettersIn) ([]wireLetter, error) {
		list, err := q.DeadLetters(ctx, in.Group, queue.LetterQuery{After: in.After, Limit: in.Limit, MaxBytes: in.MaxBytes, NoBodies: in.NoBodies})
		return wireLettersOf(list), err
	}))
	s.Handle(routeRedrive, s.change("dead letters redriven", q.Redrive))
	s.Handle(routeDrop, s.change("dead letters dropped", q.Drop))
	s.Handle(routeReplay, s.change("events replayed", q.Replay))
	leases := newLeases()
	s.Handle(routeConsume, stream(leases.consume(q, s.o.Drain)))
	s.Handle(routeSettle, Call(leases.settle))
	s.Handle(routeLeave, Call(leases.leave))
}

// change is a route that changes what becomes of events in a group.
func (s *Server) change(what string, do func(context.Context, string, ...event.Position) (int, error)) Route {
	return Call(func(ctx context.Context, in changeIn) (int, error) {
		n, err := do(ctx, in.Group, in.At...)
		s.changed(ctx, what, in.Group, n, err)
		return n, err
	})
}

// changed leaves a trace in the log of what an operator did.
func (s *Server) changed(ctx context.Context, what, group string, n int, err error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("what", what), slog.String("group", group), slog.Int("count", n)}
	if err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Any("error", err))
	}
	s.o.Logger.LogAttrs(ctx, level, "operator", attrs...)
	if s.o.OnChanged != nil {
		s.o.OnChanged(ctx, what, group, err)
	}
}

// reading makes a route like Call, whose values hold bodies of the store. They are written
// as JSON while a share of the memory for reading is held.
func reading[In, Out any](q queue.Queue, fn func(ctx context.Context, in In) (Out, error)) Route {
	return Call(func(ctx context.Context, in In) (body json.RawMessage, err error) {
		err = operator.Hold(ctx, q, func() error {
			out, err := fn(ctx, in)
			if err != nil {
				return err
			}
			body, err = json.Marshal(out)
			return err
		})
		return body, err
	})
}

// errConsumerGone is the reason of an attempt whose consumer ended before it said how
// the attempt went: it is a failed attempt like that of a handler that crashed.
var errConsumerGone = errors.New("the consumer went away during the attempt")

// A verdict is how an attempt went.
type verdict struct {
	Lease string `json:"lease"`
	// Reason is why it failed; "" is done.
	Reason string `json:"reason,omitempty"`
	// Permanent, Postponed and RetryAfter are those of the error; see package queue.
	Permanent  bool          `json:"permanent,omitempty"`
	Postponed  bool          `json:"postponed,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

func (v verdict) err() error {
	switch {
	case v.Reason == "":
		return nil
	case v.Permanent:
		return queue.Permanent(errors.New(v.Reason))
	case v.Postponed:
		return queue.Postpone(errors.New(v.Reason), v.RetryAfter)
	case v.RetryAfter > 0:
		return queue.RetryAfter(errors.New(v.Reason), v.RetryAfter)
	}
	return errors.New(v.Reason)
}

// leases are the deliveries that consumers in other processes hold.
type leases struct {
	mu        sync.Mutex
	held      map[string]chan<- verdict     // lease -> who waits for its verdict
	consumers map[string]context.CancelFunc // consumer -> lets it have no more
}

func newLeases() *leases {
	return &leases{held: map[string]chan<- verdict{}, consumers: map[string]context.CancelFunc{}}
}

// consume hands a group's events out over a stream until the reader leaves, goes away
// or the server stops. A delivery is held until its verdict comes; one whose reader went
// away has failed.
func (l *leases) consume(q queue.Queue, drain time.Duration) func(ctx, reader context.Context, in wireGroup, send func(handout) error) error {
	return func(ctx, reader context.Context, in wireGroup, send func(handout) error) error {
		g, err := in.group()
		if err != nil {
			return err
		}
		ctx, leave := context.WithCancel(ctx)
		defer leave()
		name := rand.Text()
		l.join(name, leave)
		defer l.join(name, nil)
		if err := send(handout{Consumer: name}); err != nil {
			return err
		}
		if g.Drain <= 0 || g.Drain > drain {
			g.Drain = drain
		}
		return q.Consume(ctx, g, func(ctx context.Context, d queue.Delivery) error {
			return l.attempt(ctx, reader, d, send)
		})
	}
}

// attempt hands one delivery out and waits for its verdict.
func (l *leases) attempt(ctx, reader context.Context, d queue.Delivery, send func(handout) error) error {
	if reader.Err() != nil {
		return errConsumerGone
	}
	lease, answer := l.hold()
	defer l.release(lease)
	e := wireOf(d.Event)
	if err := send(handout{Lease: lease, Event: &e, Attempt: d.Attempt}); err != nil {
		return errConsumerGone
	}
	select {
	case v := <-answer:
		return v.err()
	case <-reader.Done():
		return errConsumerGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *leases) join(name string, leave context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if leave == nil {
		delete(l.consumers, name)
		return
	}
	l.consumers[name] = leave
}

func (l *leases) hold() (lease string, answer <-chan verdict) {
	lease = rand.Text()
	c := make(chan verdict, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[lease] = c
	return lease, c
}

func (l *leases) release(lease string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, lease)
}

// settle takes a verdict. The first one counts.
func (l *leases) settle(_ context.Context, v verdict) (none, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer, ok := l.held[v.Lease]
	if !ok {
		return none{}, fmt.Errorf("settle: %w", ErrLeaseGone)
	}
	delete(l.held, v.Lease)
	answer <- v // it has room for one
	return none{}, nil
}

// leave lets a consumer have no more deliveries; what it holds it still settles.
func (l *leases) leave(_ context.Context, in handout) (none, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if leave := l.consumers[in.Consumer]; leave != nil {
		leave()
	}
	return none{}, nil
}
