package redis

import (
	"context"
	"log/slog"
	"time"
)

// tidyEvery is how often a process that reads or consumes looks for what retention is
// over for. Publishing does so by itself.
const tidyEvery = 2 * time.Second

// tidy removes what has expired when nobody of this process did so lately. Its failure
// is nobody's trouble: what expired stays a little longer.
func (q *Queue) tidy(ctx context.Context) {
	every := tidyEvery
	if q.o.RetentionAge > 0 {
		every = min(every, q.o.RetentionAge/8)
	}
	now, last := time.Now().UnixNano(), q.swept.Load()
	if now-last < int64(every) || !q.swept.CompareAndSwap(last, now) {
		return
	}
	if err := q.sweep(ctx, false); err != nil {
		q.o.Logger.LogAttrs(ctx, slog.LevelDebug, "sweep", slog.Any("error", err))
	}
}

// maxSweeps bounds how often one call goes on while there is more to remove.
const maxSweeps = 16

// sweep removes what retention is over for. With room it also removes the oldest events
// of which only dead letters are left, when the store is full.
func (q *Queue) sweep(ctx context.Context, room bool) error {
	for range maxSweeps {
		names, err := q.groups(ctx)
		if err != nil {
			return err
		}
		k := q.keys
		keys := []string{k.meta, k.log, k.kept, k.ids, k.seen, k.groups, k.pins}
		for _, name := range names {
			gk := k.group(name)
			keys = append(keys, gk.g, gk.dead, gk.died, gk.works, gk.took)
		}
		want := 0
		if room {
			want = 1
		}
		more, err := q.evalInt(ctx, sweepScript, keys, q.o.DedupeTTL.Microseconds(), max(q.o.RetentionAge, 0).Microseconds(),
			q.o.RetentionCount, want)
		if err != nil || more == 0 {
			return err
		}
	}
	return nil
}
