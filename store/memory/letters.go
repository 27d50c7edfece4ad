package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Groups lists the registered groups by name.
func (q *Store) Groups(ctx context.Context) ([]string, error) {
	if err := q.enter(ctx, "groups"); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	return slices.Sorted(maps.Keys(q.groups)), nil
}

// DropGroup forgets a group; its consumers end with ErrNoGroup.
func (q *Store) DropGroup(ctx context.Context, name string) error {
	g, err := q.group(ctx, "drop group", name)
	if err != nil {
		return err
	}
	defer q.mu.Unlock()
	g.end(queue.ErrNoGroup)
	g.stopTimer()
	delete(q.groups, name)
	for seq := range g.work {
		q.unpin(seq)
	}
	clear(g.work)
	return nil
}

// group finds a group and returns with the lock held, or with an error and without.
func (q *Store) group(ctx context.Context, op, name string) (*group, error) {
	if err := q.enter(ctx, op); err != nil {
		return nil, err
	}
	g := q.groups[name]
	if g == nil {
		q.mu.Unlock()
		return nil, fmt.Errorf("%s: %w: %q", op, queue.ErrNoGroup, name)
	}
	return g, nil
}

// DeadLetters lists a group's dead letters; see queue.Queue. At most event.MaxLimit.
func (q *Store) DeadLetters(ctx context.Context, name string, after event.Position, limit int) ([]queue.DeadLetter, error) {
	g, err := q.group(ctx, "dead letters", name)
	if err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	var from int64
	if after != "" {
		if from, err = q.bounds().Seq(after); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	items := slices.Clone(g.dying)
	items = slices.DeleteFunc(items, func(w *item) bool { return w.seq <= from })
	slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.seq, b.seq) })
	if limit <= 0 {
		limit = event.DefaultLimit
	}
	var list []queue.DeadLetter
	for _, w := range items[:min(len(items), limit, event.MaxLimit)] {
		list = append(list, queue.DeadLetter{
			Event: q.stored(w.seq).event, Group: name, Attempts: w.attempts, Reason: w.reason, DiedAt: w.at,
		})
	}
	return list, nil
}

// Redrive gives dead letters back to their group; see queue.Queue.
func (q *Store) Redrive(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "redrive", name, at, func(g *group, seq int64) bool {
		w := g.work[seq]
		if w == nil || w.state != dead {
			return false
		}
		g.retry(w, q.o.Now(), w.reason)
		w.attempts = 0
		return true
	})
}

// Drop removes dead letters for good; see queue.Queue.
func (q *Store) Drop(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "drop", name, at, func(g *group, seq int64) bool {
		w := g.work[seq]
		if w == nil || w.state != dead {
			return false
		}
		g.remove(w)
		q.unpin(seq)
		return true
	})
}

// Replay schedules stored events once more; see queue.Queue.
func (q *Store) Replay(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "replay", name, at, func(g *group, seq int64) bool {
		if q.stored(seq) == nil {
			return false
		}
		w := g.work[seq]
		switch {
		case seq > g.cursor:
			return true // it waits already
		case w == nil && q.log.at(seq) == nil:
			return false // another group's: it has left the log
		case w == nil:
			g.adopt(seq)
			w = &item{seq: seq}
		case w.state == leased:
			return false
		}
		g.retry(w, q.o.Now(), w.reason)
		w.attempts = 0
		return true
	})
}

// adopt counts an event from before the group's start as the group's. Requires q.mu.
func (g *group) adopt(seq int64) {
	if seq > g.start {
		return
	}
	if _, ok := g.took[seq]; !ok {
		g.took[seq] = struct{}{}
		g.adopted++
	}
}

// each calls fn with the sequence number of each position of this epoch, and counts.
func (q *Store) each(ctx context.Context, op, name string, at []event.Position, fn func(*group, int64) bool) (int, error) {
	g, err := q.group(ctx, op, name)
	if err != nil {
		return 0, err
	}
	defer q.mu.Unlock()
	n := 0
	for _, p := range at {
		if seq, err := q.bounds().Seq(p); err == nil && fn(g, seq) {
			n++
		}
	}
	g.signal()
	return n, nil
}
