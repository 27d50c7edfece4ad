package remote

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	first = 25 * time.Millisecond
	most  = 2 * time.Second
)

// An Outage is the trouble of one loop with its engine. It is not safe for concurrent
// use.
type Outage struct {
	log   *slog.Logger
	what  string
	tries int
	since time.Time
}

// NewOutage returns an Outage that has not begun. What names the loop in the log, for example
// "tail" or a group.
func NewOutage(log *slog.Logger, what string) *Outage {
	return &Outage{log: log, what: what}
}

// Wait is called after each failure. It returns when it is time to try again, or false
// when ctx ended.
func (o *Outage) Wait(ctx context.Context, err error) bool {
	if o.tries == 0 {
		o.since = time.Now()
		o.log.LogAttrs(ctx, slog.LevelWarn, "queue engine is away, trying on",
			slog.String("for", o.what), slog.Any("error", err))
	}
	delay := most
	if o.tries < 7 {
		delay = min(first<<o.tries, most)
	}
	o.tries++
	// Replicas that lost the engine at once do not come back at once.
	t := time.NewTimer(delay - rand.N(delay/2)) //nolint:gosec // spreads load, hides nothing
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Over is called after each success; it costs nothing when there was no trouble.
func (o *Outage) Over(ctx context.Context) {
	if o.tries == 0 {
		return
	}
	o.log.LogAttrs(ctx, slog.LevelInfo, "queue engine is back", slog.String("for", o.what),
		slog.Duration("away", time.Since(o.since)), slog.Int("tries", o.tries))
	o.tries = 0
}
