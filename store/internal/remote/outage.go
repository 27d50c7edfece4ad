package remote

import (
	"context"
	"log/slog"
	"time"

	"slackmcp/internal/wait"
)

// An Outage is the trouble of one loop with a backend that went away: the loop waits ever
// longer, up to two seconds, with one log line when the backend goes and one when it is
// back. It is not safe for concurrent use.
type Outage struct {
	log     *slog.Logger
	what    string
	tries   int
	since   time.Time
	backoff wait.Backoff
}

// NewOutage returns an Outage that has not begun. What names the loop in the log, for
// example "tail" or a group.
func NewOutage(log *slog.Logger, what string) *Outage {
	return &Outage{log: log, what: what, backoff: wait.Backoff{First: 25 * time.Millisecond, Most: 2 * time.Second}}
}

// Wait is called after each failure. It returns when it is time to try again, or false
// when ctx ended.
func (o *Outage) Wait(ctx context.Context, err error) bool {
	if o.tries == 0 {
		o.since = time.Now()
		o.log.LogAttrs(ctx, slog.LevelWarn, "queue engine is away, trying on",
			slog.String("for", o.what), slog.Any("error", err))
	}
	o.tries++
	return o.backoff.Sleep(ctx) == nil
}

// Over is called after each success; it costs nothing when there was no trouble.
func (o *Outage) Over(ctx context.Context) {
	if o.tries == 0 {
		return
	}
	o.log.LogAttrs(ctx, slog.LevelInfo, "queue engine is back", slog.String("for", o.what),
		slog.Duration("away", time.Since(o.since)), slog.Int("tries", o.tries))
	o.tries = 0
	o.backoff.Reset()
}
