package redis

import (
	"context"
	"log/slog"
	"time"
)

// sweepEvery is how often each process looks for what retention is over for. Publishing
// also does so by itself.
const sweepEvery = 10 * time.Second

// sweepAll sweeps now and then until the store is closed. A sweep that fails is not
// reported to any caller: what expired stays a little longer.
func (q *Store) sweepAll() {
	every := sweepEvery
	if q.o.RetentionAge > 0 {
		every = max(min(every, q.o.RetentionAge/8), 10*time.Millisecond)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-q.life.Done():
			return
		case <-t.C:
		}
		ctx, cancel := context.WithTimeout(q.life, sweepEvery)
		if err := q.sweep(ctx, false); err != nil {
			q.o.Logger.LogAttrs(ctx, slog.LevelDebug, "sweep", slog.Any("error", err))
		}
		cancel()
	}
}

// maxSweeps bounds how often one call goes on while there is more to remove.
const maxSweeps = 16

// sweep removes what retention is over for. With room it also removes the oldest events
// of which only dead letters are left, when the store is full.
func (q *Store) sweep(ctx context.Context, room bool) error {
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
