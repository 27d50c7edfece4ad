package redis

import (
	"context"
	"fmt"
	"time"

	"slackmcp/store/internal/eventlog"
	"slackmcp/store/internal/remote"
	"slackmcp/store/queue"
)

// Stats counts; see queue.Queue.
func (q *Store) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.check(ctx, "stats"); err != nil {
		return queue.Stats{}, err
	}
	s, err := q.stats(ctx)
	if err != nil {
		return queue.Stats{}, fmt.Errorf("stats: %w", err)
	}
	return s, nil
}

func (q *Store) stats(ctx context.Context) (queue.Stats, error) {
	text, err := q.inspect(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	names, err := q.groups(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	k := q.keys
	keys := []string{k.meta, k.log, k.kept, k.ids, k.groups}
	args := make([]any, 0, len(names))
	for _, name := range names {
		gk := k.group(name)
		keys = append(keys, gk.g, gk.lease, gk.due, gk.retry, gk.dead)
		args = append(args, name)
	}
	v, err := q.eval(ctx, statsScript, keys, args...)
	if err != nil {
		return queue.Stats{}, err
	}
	r := reply{list: v}
	s := queue.Stats{
		Backend: "redis", Durability: text, Epoch: r.text(), Accepted: r.number(), Expired: r.number(),
		Events: r.number(), SeenIDs: r.number(),
	}
	b := eventlog.Bounds{Epoch: s.Epoch}
	if oldest, newest := r.number(), r.number(); oldest > 0 {
		s.Oldest, s.Newest = b.Position(oldest), b.Position(newest)
	}
	groups := r.sub()
	for len(groups.list) > 0 && groups.err == nil {
		one := groups.sub()
		s.Groups = append(s.Groups, q.groupStats(one))
		groups.err = firstError(groups.err, one.err)
	}
	if err := firstError(r.err, groups.err); err != nil {
		return queue.Stats{}, fmt.Errorf("redis: %w", err)
	}
	return s, nil
}

// groupStats reads one group's part of the answer.
func (q *Store) groupStats(r *reply) queue.GroupStats {
	g := queue.GroupStats{
		Name: r.text(), Waiting: r.number(), InFlight: r.number(), Retrying: r.number(),
		Done: r.number(), Dead: r.number(), Expired: r.number(),
	}
	if rec := r.text(); rec != "" {
		e, err := remote.DecodeRecord([]byte(rec))
		r.err = firstError(r.err, err)
		g.OldestWaiting = e.ReceivedAt
	}
	if due, now := r.number(), r.number(); due > 0 {
		g.StalledSince = q.watch.StalledSince(g.Name, time.UnixMicro(due), time.UnixMicro(now))
	}
	return g
}
