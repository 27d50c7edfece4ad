package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"slackmcp/store/queue"
)

// Stats counts; see queue.Queue.
func (q *Store) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.enter(ctx, "stats"); err != nil {
		return queue.Stats{}, err
	}
	defer q.mu.Unlock()
	last := q.log.last()
	s := queue.Stats{
		Backend:    "memory",
		Durability: "nothing survives the end of the process: events, seen ids and the retry schedule are lost",
		Epoch:      q.epoch,
		Accepted:   last,
		Expired:    q.log.trimmed,
		Events:     int64(q.log.len()),
		SeenIDs:    int64(q.seen.len()),
	}
	if q.log.len() > 0 {
		s.Oldest, s.Newest = q.position(q.log.trimmed+1), q.position(last)
	}
	now := q.o.Now()
	for _, name := range slices.Sorted(maps.Keys(q.groups)) {
		g := q.groups[name]
		gs := g.stats(last)
		gs.OldestWaiting = q.oldestWaiting(g)
		gs.StalledSince = q.stalledSince(g, now)
		s.Groups = append(s.Groups, gs)
	}
	return s, nil
}

// oldestWaiting is when the oldest event was received that the group has not finished.
// Requires q.mu.
func (q *Store) oldestWaiting(g *group) time.Time {
	oldest := g.cursor + 1
	for seq, w := range g.work {
		if w.state != dead {
			oldest = min(oldest, seq)
		}
	}
	if r := q.stored(oldest); r != nil {
		return r.event.ReceivedAt
	}
	return time.Time{}
}

// stallGrace is how much longer than a whole attempt nothing may be delivered while
// events are due, before the group counts as stalled.
const stallGrace = 10 * time.Second

// stalledSince is when the watchdog saw that events were due and that for longer than
// an attempt may take nothing was delivered. Requires q.mu.
func (q *Store) stalledSince(g *group, now time.Time) time.Time {
	if g.consumers == 0 {
		return time.Time{}
	}
	var due time.Time
	if r := q.stored(g.cursor + 1); r != nil {
		due = r.event.ReceivedAt
	}
	if len(g.due) > 0 && (due.IsZero() || g.due[0].at.Before(due)) {
		due = g.due[0].at
	}
	if due.IsZero() {
		return time.Time{}
	}
	if due.Before(g.lastMove) {
		due = g.lastMove
	}
	if seen := due.Add(g.maxDeadline + stallGrace); !seen.After(now) {
		return seen
	}
	return time.Time{}
}
