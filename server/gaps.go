package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"slackmcp/config"
	"slackmcp/internal/wait"
	"slackmcp/mcp/access"
	"slackmcp/server/operate"
	"slackmcp/slackapi"
	"slackmcp/slackapi/socketmode"
	"slackmcp/store/queue"
	"slackmcp/store/state"
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

// gapKeeper keeps the account of the times in which Slack's events may have been missed, and
// fills them.
type gapKeeper struct {
	ledger  *gaps.Ledger
	notices *gapNotices
	store   queue.Queue
	slack   *slackapi.Client // nil without a bot token
}

// neverMissed is a pause that is never reached: the sandbox's workspace stops with the server, which can miss
// nothing of it meanwhile.
const neverMissed = 100 * 365 * 24 * time.Hour

// newGapKeeper returns nil where nothing of Slack's is received.
// socket is asked while the account is kept.
func newGapKeeper(cfg config.Config, slack slackAccess, client *slackapi.Client, store queue.Queue, values state.Store, socket func() *socketmode.Client, h *hooks) (*gapKeeper, error) {
	if !cfg.Mode.Webhook() || len(slack.signingSecrets) == 0 && !cfg.Slack.SocketMode {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	var connected func() bool
	if cfg.Slack.SocketMode {
		connected = func() bool { c := socket(); return c != nil && c.Connections() > 0 }
	}
	after := cfg.Receive.GapAfter
	if cfg.Sandbox {
		after = neverMissed
	}
	notices := newGapNotices(store, cfg.Queue.DedupeTTL, h.log)
	l, err := gaps.New(gaps.Options{
		State: values, After: after, Beat: min(gaps.DefaultBeat, after/2), Logger: h.log,
		Connected: connected,
		OnRecorded: func(g gaps.Gap) {
			h.metrics.Gaps.Recorded(string(g.Kind))
			notices.recorded(g)
		},
	})
	if err != nil {
		return nil, err
	}
	h.metrics.Gaps.Watch(l.OpenGaps)
	return &gapKeeper{ledger: l, notices: notices, store: store, slack: client}, nil
}

// account is the ledger; nil of a nil keeper.
func (k *gapKeeper) account() *gaps.Ledger {
	if k == nil {
		return nil
	}
	return k.ledger
}

// parts are what runs for the account.
func (k *gapKeeper) parts() []part {
	return []part{
		{"gaps", func(ctx context.Context) error {
			k.limitedBefore(ctx)
			return k.ledger.Run(ctx)
		}},
		{"gap notices", func(ctx context.Context) error { return k.notices.run(ctx, k.ledger.List) }},
	}
}

// limitedBefore notes Slack's notices once more that were stored and perhaps not noted,
// because the process ended in between.
func (k *gapKeeper) limitedBefore(ctx context.Context) {
	patterns, err := event.ParsePatterns(rateLimited)
	if err != nil {
		return
	}
	page, err := k.store.History(ctx, event.Query{Filter: event.Filter{Source: event.SourceSlack, Patterns: patterns}, Limit: event.MaxLimit, NoBodies: true})
	if err != nil {
		return // the journal says that the store fails
	}
	for _, e := range page.Events {
		k.ledger.Limited(e.Team, e.At)
	}
}

// serve gives `events gaps` its routes.
func (k *gapKeeper) serve(socket *operate.Server) {
	socket.Handle(GapsListRoute, operate.Call(func(ctx context.Context, _ struct{}) (GapsList, error) {
		list, err := k.ledger.List(ctx)
		return GapsList{list}, err
	}))
	socket.Handle(GapsFillRoute, operate.Stream(func(ctx context.Context, in GapsFill, send func(gaps.Gap) error) error {
		return k.fill(ctx, in.ID, send)
	}))
}

// fill fills one gap and sends how far it has come.
func (k *gapKeeper) fill(ctx context.Context, id string, send func(gaps.Gap) error) error {
	if k.slack == nil {
		return errors.New("a gap is filled by SLACK_BOT_TOKEN, and none is set: set it, with the scopes channels:history and channels:read (and groups:, im:, mpim: for other conversations), and start again")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &gaps.Filler{Ledger: k.ledger, History: &slackHistory{slack: k.slack}, Store: k.store}
	g, err := f.Fill(ctx, id, func(g gaps.Gap) {
		if send(g) != nil {
			cancel() // the caller has gone: the next call goes on from here
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

// view is what the resource slack://gaps holds for the caller.
func (k *gapKeeper) view(ctx context.Context) (any, error) {
	list, err := k.ledger.List(ctx)
	if err != nil {
		return nil, cmp.Or(err, queue.ErrUnavailable)
	}
	if who, person := access.From(ctx).SignIn(); person {
		return gapsOf(who.Person, list), nil
	}
	return GapsList{list}, nil
}

// A personGap is a gap as a person is told of it: when events may have been missed, and whether they were read
// since. What was found, and in which conversations, is of some that the person may not see.
type personGap struct {
	ID        string    `json:"id"`
	Kind      gaps.Kind `json:"kind"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	NoticedAt time.Time `json:"noticed_at"`
	State     string    `json:"state"` // open, filling or filled
}

// personGaps is what a person reads at slack://gaps.
type personGaps struct {
	Gaps []personGap `json:"gaps"`
}

// gapsOf are the gaps that may be of a person's workspace.
func gapsOf(p access.Person, list []gaps.Gap) personGaps {
	out := personGaps{Gaps: []personGap{}}
	for i := range list {
		g := &list[i]
		if g.Team == "" || g.Team == p.Team {
			out.Gaps = append(out.Gaps, personGap{ID: g.ID, Kind: g.Kind, From: g.From, To: g.To, NoticedAt: g.NoticedAt, State: g.State()})
		}
	}
	return out
}

const (
	// noticeBacklog bounds the gaps that wait to be published. What does not fit is published
	// at the next start.
	noticeBacklog = 256
	// noticePause is the first pause after a store that failed; it doubles, up to
	// noticeLongest.
	noticePause   = time.Second
	noticeLongest = 30 * time.Second
	noticeTimeout = 10 * time.Second // of one try
)

// gapNotices publish an event for each recorded gap. A gap's event has the gap's
// id, so that the store keeps one of it, also when replicas publish it, or a restart does.
type gapNotices struct {
	store gaps.Store
	// remembered is how long the store knows an id. No event is published for a gap that was
	// noticed half of that ago, or earlier: it could be stored twice.
	remembered time.Duration
	log        *slog.Logger
	waiting    chan gaps.Gap
}

func newGapNotices(store gaps.Store, remembered time.Duration, log *slog.Logger) *gapNotices {
	return &gapNotices{store: store, remembered: remembered, log: log, waiting: make(chan gaps.Gap, noticeBacklog)}
}

// recorded takes a gap to be published. It never waits: the account of gaps calls it.
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

// due reports whether a gap is to be published. For what Slack withheld it sent an event itself.
func (n *gapNotices) due(g *gaps.Gap) bool {
	return g.Kind != gaps.RateLimited && time.Since(g.NoticedAt) < n.remembered/2
}

// run publishes the gaps that an earlier process recorded and perhaps did not publish, and
// then of each that is recorded, until ctx is done. It survives a store that fails.
func (n *gapNotices) run(ctx context.Context, list func(context.Context) ([]gaps.Gap, error)) error {
	var before []gaps.Gap
	n.insist(ctx, "the gaps cannot be read", func(ctx context.Context) (err error) {
		before, err = list(ctx)
		return err
	})
	for i := range before {
		if n.due(&before[i]) {
			n.publish(ctx, &before[i])
		}
	}
	for {
		select {
		case g := <-n.waiting:
			n.publish(ctx, &g)
		case <-ctx.Done():
			return nil // the next start publishes what waits
		}
	}
}

// publish stores a gap's event.
func (n *gapNotices) publish(ctx context.Context, g *gaps.Gap) {
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
	for backoff := (wait.Backoff{First: noticePause, Most: noticeLongest}); ctx.Err() == nil; {
		one, cancel := context.WithTimeout(ctx, noticeTimeout)
		err := try(one)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		pause := backoff.Next()
		n.log.LogAttrs(ctx, slog.LevelWarn, "gaps wait to be told of", slog.String("because", because), slog.Float64("again_in_seconds", pause.Seconds()), slog.Any("error", err))
		_ = wait.Sleep(ctx, pause) // the loop ends with ctx
	}
}
