package sqlite

import (
	"context"
	"fmt"
	"slices"

	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Groups lists the registered groups by name.
func (q *Queue) Groups(ctx context.Context) ([]string, error) {
	if err := q.ready(ctx, "groups"); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	names := make([]string, 0, len(q.view.groups))
	for i := range q.view.groups {
		names = append(names, q.view.groups[i].stats.Name)
	}
	return names, nil
}

// DropGroup forgets a group; its consumers end with ErrNoGroup.
func (q *Queue) DropGroup(ctx context.Context, name string) error {
	return q.call(ctx, "drop group", func(w *writer) error {
		g, err := w.group(name)
		if err != nil {
			return err
		}
		return w.drop(g)
	})
}

func (w *writer) group(name string) (*group, error) {
	if g := w.groups[name]; g != nil {
		return g, nil
	}
	return nil, fmt.Errorf("%w: %q", queue.ErrNoGroup, name)
}

// drop removes a group and what it alone kept.
func (w *writer) drop(g *group) error {
	s := w.stmt.groupWork
	s.BindInt(1, g.id)
	s.BindInt(2, w.trimmed)
	pinned, err := ints(s)
	if err != nil {
		return err
	}
	w.stmt.dropGroup.BindInt(1, g.id)
	w.stmt.dropWork.BindInt(1, g.id)
	if err := cmpErr(w.write(w.stmt.dropGroup), w.write(w.stmt.dropWork)); err != nil {
		return err
	}
	for _, seq := range pinned {
		if err := w.unpin(seq); err != nil {
			return err
		}
	}
	delete(w.groups, g.name)
	w.dropped = append(w.dropped, g.consumers...)
	return nil
}

// DeadLetters lists a group's dead letters; see queue.Queue. At most event.MaxLimit.
func (q *Queue) DeadLetters(ctx context.Context, name string, after event.Position, limit int) ([]queue.DeadLetter, error) {
	id, ok := q.groupID(name)
	if err := q.ready(ctx, "dead letters"); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("dead letters: %w: %q", queue.ErrNoGroup, name)
	}
	var from int64
	if after != "" {
		var err error
		if from, err = q.bounds().Seq(after); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	if limit <= 0 {
		limit = event.DefaultLimit
	}
	var list []queue.DeadLetter
	err := q.pool.use(ctx, func(r *reader) (err error) {
		list, err = r.letters(q.bounds(), id, name, from, min(limit, event.MaxLimit))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return list, nil
}

// Redrive gives dead letters back to their group; see queue.Queue.
func (q *Queue) Redrive(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "redrive", name, at, func(w *writer, g *group, seq int64) (bool, error) {
		st, ok, err := w.workState(g, seq)
		if err != nil || !ok || st != dead {
			return false, err
		}
		g.dead--
		g.retrying++
		return true, w.schedule(g, seq, retrying, 0, w.q.o.Now(), "")
	})
}

// Drop removes dead letters for good; see queue.Queue.
func (q *Queue) Drop(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "drop", name, at, func(w *writer, g *group, seq int64) (bool, error) {
		st, ok, err := w.workState(g, seq)
		if err != nil || !ok || st != dead {
			return false, err
		}
		g.dead--
		return true, w.finish(g, seq)
	})
}

// Replay schedules stored events once more; see queue.Queue.
func (q *Queue) Replay(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "replay", name, at, func(w *writer, g *group, seq int64) (bool, error) {
		return w.replay(g, seq)
	})
}

func (w *writer) replay(g *group, seq int64) (bool, error) {
	if seq > g.cursor {
		return true, nil // it waits already
	}
	if _, running := g.leases[seq]; running {
		return false, nil
	}
	st, ok, err := w.workState(g, seq)
	if err != nil || !ok && seq <= w.trimmed {
		return false, err
	}
	switch {
	case !ok && seq <= g.start:
		g.adopted++
		g.dirty = true
	case ok && st == dead:
		g.dead--
	case ok && st == crashed:
		g.crashed--
	case ok && st == retrying:
		g.retrying--
	}
	g.retrying++
	return true, w.schedule(g, seq, retrying, 0, w.q.o.Now(), "")
}

// workState reads an event's row in work.
func (w *writer) workState(g *group, seq int64) (st state, ok bool, err error) {
	s := w.stmt.getWork
	s.BindInt(1, g.id)
	s.BindInt(2, seq)
	if ok, err = s.Step(); ok {
		st = state(s.Int(0))
		s.Reset()
	}
	return st, ok, err
}

// each has the writer do something with each event of this epoch, and counts.
func (q *Queue) each(ctx context.Context, op, name string, at []event.Position, do func(*writer, *group, int64) (bool, error)) (int, error) {
	total := 0
	for part := range slices.Chunk(append(slices.Clone(at), ""), eachStep) {
		n := 0
		err := q.call(ctx, op, func(w *writer) (err error) {
			n, err = w.each(name, part, do)
			return err
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// eachStep is how many events an operator's call changes in one transaction, so that
// it does not hold up the events that come in.
const eachStep = 500

func (w *writer) each(name string, at []event.Position, do func(*writer, *group, int64) (bool, error)) (int, error) {
	g, err := w.group(name)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range at {
		seq, err := w.bounds().Seq(p)
		if err != nil {
			continue // another epoch's, or nobody's
		}
		ok, err := do(w, g, seq)
		if err != nil {
			return 0, err
		}
		if ok {
			n++
		}
	}
	return n, w.refresh(g)
}

// ready refuses what cannot be done now.
func (q *Queue) ready(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if q.life.Err() != nil {
		return fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	return nil
}
