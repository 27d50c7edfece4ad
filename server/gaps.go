package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"slackmcp/server/socket"
	"slackmcp/store/queue"
	"slackmcp/store/state"
	"slackmcp/webhook"
	"slackmcp/webhook/event"
	"slackmcp/webhook/gaps"
)

// The routes of the operator socket for `events gaps`.
const (
	GapsListRoute = "gaps/list"
	GapsFillRoute = "gaps/fill"
)

// GapsList answers GapsListRoute.
type GapsList struct {
	Gaps []gaps.Gap `json:"gaps"`
}

// GapsFill asks GapsFillRoute to fill a gap; the stream sends the gap after each channel.
type GapsFill struct {
	ID string `json:"id"`
}

// keepGaps keeps the account of the times in which Slack's events may have been missed.
func (b *builder) keepGaps(ctx context.Context) error {
	if !b.cfg.Mode.Webhook() || len(b.signingSecrets) == 0 && !b.cfg.Slack.SocketMode {
		return nil
	}
	notices := newGapNotices(b.store, b.cfg.Queue.DedupeTTL, b.log)
	l, err := gaps.New(gaps.Options{
		State: b.state, After: b.cfg.Receive.GapAfter, Beat: min(gaps.DefaultBeat, b.cfg.Receive.GapAfter/2), Logger: b.log,
		OnRecorded: func(g gaps.Gap) {
			b.metrics.Gaps.Recorded(string(g.Kind))
			notices.recorded(g)
		},
	})
	if err != nil {
		return err
	}
	b.gaps = l
	b.metrics.Gaps.Watch(l.OpenGaps)
	b.readers = append(b.readers, part{"gaps", func(ctx context.Context) error {
		b.limitedBefore(ctx)
		return l.Run(ctx)
	}}, part{"gap notices", func(ctx context.Context) error { return notices.run(ctx, l.List) }})
	return nil
}

// limitedBefore notes Slack's notices once more that were stored and perhaps not noted,
// because the process ended in between.
func (s *Server) limitedBefore(ctx context.Context) {
	patterns, err := event.ParsePatterns(rateLimited)
	if err != nil {
		return
	}
	page, err := s.store.History(ctx, event.Query{Filter: event.Filter{Source: event.SourceSlack, Patterns: patterns}, Limit: event.MaxLimit})
	if err != nil {
		return // the journal says that the store fails
	}
	for _, e := range page.Events {
		s.gaps.Limited(e.Team, e.At)
	}
}

const rateLimited = "app_rate_limited"

// observe is told of each request that was received.
func (b *builder) observe(o *webhook.Observation) {
	b.metrics.Receive.Observe(o)
	if b.gaps == nil || o.Source != event.SourceSlack {
		return
	}
	switch o.Outcome { //nolint:exhaustive // the others tell nothing of what was missed
	case webhook.Accepted, webhook.Duplicate:
		if o.Kind.Type == rateLimited {
			b.gaps.Limited(o.Team, o.At)
			return
		}
		b.gaps.Delivered(o.At, o.Retry.Num > 0)
	case webhook.Full, webhook.Unavailable:
		b.gaps.Refused()
	}
}

// gapRoutes are what `events gaps` asks.
func (b *builder) gapRoutes() {
	if b.gaps == nil {
		return
	}
	b.socket.Handle(GapsListRoute, socket.Call(func(ctx context.Context, _ struct{}) (GapsList, error) {
		list, err := b.gaps.List(ctx)
		return GapsList{list}, err
	}))
	b.socket.Handle(GapsFillRoute, socket.Stream(func(ctx context.Context, in GapsFill, send func(gaps.Gap) error) error {
		return b.fillGap(ctx, in.ID, send)
	}))
}

// fillGap fills one gap and sends how far it has come.
func (s *Server) fillGap(ctx context.Context, id string, send func(gaps.Gap) error) error {
	if s.slack == nil {
		return errors.New("a gap is filled by SLACK_BOT_TOKEN, and none is set: set it, with the scopes channels:history and channels:read (and groups:, im:, mpim: for other conversations), and start again")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &gaps.Filler{Ledger: s.gaps, History: &slackHistory{slack: s.slack}, Store: s.store}
	g, err := f.Fill(ctx, id, func(g gaps.Gap) {
		if send(g) != nil {
			cancel() // nobody looks on: the next call goes on from here
		}
	})
	switch {
	case errors.Is(err, state.ErrNotFound):
		return fmt.Errorf("there is no gap %s: see `events gaps list`", id)
	case errors.Is(err, state.ErrConflict):
		return fmt.Errorf("gap %s grew, or another is filling it: run it again", id)
	case err != nil:
		return err
	}
	return send(g)
}

// gapsView is what the resource slack://gaps holds.
func (s *Server) gapsView(ctx context.Context) (any, error) {
	list, err := s.gaps.List(ctx)
	if err != nil {
		return nil, cmp.Or(err, queue.ErrUnavailable)
	}
	return GapsList{list}, nil
}
