package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"slackmcp/server/operate"
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
	b.socket.Handle(GapsListRoute, operate.Call(func(ctx context.Context, _ struct{}) (GapsList, error) {
		list, err := b.gaps.List(ctx)
		return GapsList{list}, err
	}))
	b.socket.Handle(GapsFillRoute, operate.Stream(func(ctx context.Context, in GapsFill, send func(gaps.Gap) error) error {
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

const (
	// noticeBacklog bounds the gaps that wait to be told of. What does not fit is told of
	// at the next start.
	noticeBacklog = 256
	// noticePause is the first pause after a store that failed; it doubles, up to
	// noticeLongest.
	noticePause   = time.Second
	noticeLongest = 30 * time.Second
	noticeTimeout = 10 * time.Second // of one try
)

// gapNotices tell of recorded gaps by events in the store. A gap's event has the gap's
// id, so that the store keeps one of it, also when replicas tell it, or a restart does.
type gapNotices struct {
	store gaps.Store
	// remembered is how long the store knows an id. Nothing is told of a gap that was
	// noticed half of that ago, or earlier: it could be stored twice.
	remembered time.Duration
	log        *slog.Logger
	waiting    chan gaps.Gap
}

func newGapNotices(store gaps.Store, remembered time.Duration, log *slog.Logger) *gapNotices {
	return &gapNotices{store: store, remembered: remembered, log: log, waiting: make(chan gaps.Gap, noticeBacklog)}
}

// recorded takes a gap to be told of. It never waits: the account of gaps calls it.
func (n *gapNotices) recorded(g gaps.Gap) {
	if !n.due(&g) {
		return
	}
	select {
	case n.waiting <- g:
	default:
		n.log.Warn("too many gaps wait to be told of; this one is at the next start", slog.String("gap", g.ID))
	}
}

// due reports whether a gap is to be told of. What Slack withheld it said itself.
func (n *gapNotices) due(g *gaps.Gap) bool {
	return g.Kind != gaps.RateLimited && time.Since(g.NoticedAt) < n.remembered/2
}

// run tells of the gaps that an earlier process recorded and perhaps did not tell of, and
// then of each that is recorded, until ctx is done. It survives a store that fails.
func (n *gapNotices) run(ctx context.Context, list func(context.Context) ([]gaps.Gap, error)) error {
	var before []gaps.Gap
	n.insist(ctx, "the gaps cannot be read", func(ctx context.Context) (err error) {
		before, err = list(ctx)
		return err
	})
	for i := range before {
		if n.due(&before[i]) {
			n.tell(ctx, &before[i])
		}
	}
	for {
		select {
		case g := <-n.waiting:
			n.tell(ctx, &g)
		case <-ctx.Done():
			return nil // the next start tells of what waits
		}
	}
}

// tell stores a gap's event.
func (n *gapNotices) tell(ctx context.Context, g *gaps.Gap) {
	n.insist(ctx, "the event of gap "+g.ID+" could not be stored", func(ctx context.Context) error {
		e, err := g.Notice(time.Now())
		if err == nil {
			_, err = n.store.Publish(ctx, e)
		}
		return err
	})
}

// insist tries something until it succeeds or ctx is done.
func (n *gapNotices) insist(ctx context.Context, because string, try func(context.Context) error) {
	for pause := noticePause; ctx.Err() == nil; pause = min(2*pause, noticeLongest) {
		one, cancel := context.WithTimeout(ctx, noticeTimeout)
		err := try(one)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		n.log.LogAttrs(ctx, slog.LevelWarn, "gaps wait to be told of", slog.String("because", because), slog.Duration("again_in", pause), slog.Any("error", err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
