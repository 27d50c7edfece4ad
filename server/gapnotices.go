package server

import (
	"context"
	"log/slog"
	"time"

	"slackmcp/webhook/gaps"
)

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
