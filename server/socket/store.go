package socket

import (
	"context"
	"log/slog"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// The routes of the store, by name.
const (
	routeHistory     = "events/list"
	routeGet         = "events/get"
	routeTail        = "events/tail"
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
	s.Handle(routeHistory, Call(func(ctx context.Context, in wireQuery) (wirePage, error) {
		query, err := in.query()
		if err != nil {
			return wirePage{}, err
		}
		p, err := q.History(ctx, query)
		return wirePageOf(p), err
	}))
	s.Handle(routeGet, Call(func(ctx context.Context, in getIn) (wireEvent, error) {
		e, err := q.Get(ctx, string(in.Source), string(in.ID))
		return wireOf(e), err
	}))
	s.Handle(routeTail, Stream(func(ctx context.Context, from wireStart, send func(wireEvent) error) error {
		return q.Tail(ctx, from.start(), func(e event.Event) error { return send(wireOf(e)) })
	}))
	s.Handle(routeStats, Call(func(ctx context.Context, _ none) (queue.Stats, error) { return q.Stats(ctx) }))
	s.Handle(routeGroups, Call(func(ctx context.Context, _ none) ([]string, error) { return q.Groups(ctx) }))
	s.Handle(routeDropGroup, Call(func(ctx context.Context, in groupIn) (none, error) {
		err := q.DropGroup(ctx, in.Group)
		s.changed(ctx, "group dropped", in.Group, 0, err)
		return none{}, err
	}))
	s.Handle(routeDeadLetters, Call(func(ctx context.Context, in lettersIn) ([]wireLetter, error) {
		list, err := q.DeadLetters(ctx, in.Group, in.After, in.Limit)
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
	if s.o.Changed != nil {
		s.o.Changed(ctx, what, group, err)
	}
}
