package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
)

// Groups lists the registered groups by name.
func (q *Store) Groups(ctx context.Context) ([]string, error) {
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
func (q *Store) DropGroup(ctx context.Context, name string) error {
	return q.call(ctx, "drop group", func(w *writer) error {
		g, err := w.group(name)
		if err != nil {
			return err
		}
		return w.cannotWork(w.drop(g))
	})
}

func (w *writer) group(name string) (*group, error) {
	if w.idleGroups {
		return nil, fmt.Errorf("%w: the table %s cannot be read: %s", queue.ErrUnavailable, workTable, repairRemedy)
	}
	if g := w.groups[name]; g != nil {
		return g, nil
	}
	return nil, fmt.Errorf("%w: %q", queue.ErrNoGroup, name)
}

// drop removes a group and what it alone kept.
func (w *writer) drop(g *group) error {
	pinned, err := w.db.numbers("SELECT seq FROM work WHERE grp = ? AND seq <= ?", g.id, w.trimmed)
	if err != nil {
		return err
	}
	for _, query := range []string{"DELETE FROM groups WHERE id = ?", "DELETE FROM work WHERE grp = ?"} {
		if _, err := w.write(query, g.id); err != nil {
			return err
		}
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

// DeadLetters lists a group's dead letters; see queue.Queue.
func (q *Store) DeadLetters(ctx context.Context, name string, ask queue.LetterQuery) ([]queue.DeadLetter, error) {
	id, ok := q.groupID(name)
	if err := q.ready(ctx, "dead letters"); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("dead letters: %w: %q", queue.ErrNoGroup, name)
	}
	var from int64
	if ask.After != "" {
		var err error
		if from, err = q.bounds().Seq(ask.After); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
	}
	var list []queue.DeadLetter
	err := q.readers.use(ctx, func(s session) (err error) {
		list, err = letters(s, q.bounds(), id, name, from, ask.Normalize())
		return err
	})
	if err != nil {
		q.cannotLook(err)
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return list, nil
}

// States says what became of an event in each group; see queue.Queue.
func (q *Store) States(ctx context.Context, at event.Position) ([]queue.EventState, error) {
	if err := q.ready(ctx, "states"); err != nil {
		return nil, err
	}
	seq, err := q.bounds().Seq(at)
	if err != nil {
		return nil, fmt.Errorf("states: %w", event.ErrNotFound)
	}
	var list []queue.EventState
	err = q.readers.use(ctx, func(s session) (err error) {
		list, err = states(s, seq, q.o.RetentionAge, q.o.Now())
		return err
	})
	if err != nil {
		q.cannotLook(err)
		return nil, fmt.Errorf("states: %w", err)
	}
	return list, nil
}

// states reads what became of an event in each group, by their names.
func states(s session, seq int64, age time.Duration, now time.Time) ([]queue.EventState, error) {
	trimmed, err := s.number("SELECT trimmed FROM log")
	if err != nil {
		return nil, err
	}
	stored, err := s.number("SELECT stored_at FROM events WHERE seq = ?", seq)
	if err != nil && !unreadable(err) {
		return nil, err
	}
	var list []queue.EventState
	known := seq > trimmed
	err = s.each(func(scan func(...any) error) error {
		r := consume.Rest{Seq: seq, Logged: seq > trimmed, StoredAt: time.Unix(0, stored)}
		var one queue.EventState
		var first []byte
		var st sql.Null[workState]
		var at int64
		err := scan(&one.Group, &r.Start, &r.Cursor, &r.Adopted, &r.Expired, &first, &st, &one.Attempts, &at, &one.Reason)
		r.Took = st.V == finished
		switch {
		case st.Valid && st.V != finished:
			known = true
			one.State, one.At = st.V.shown(at)
			if st.V == crashed {
				one.Reason = consume.Reason(consume.ErrCrashed)
			}
		case slices.Contains(decodeLeases(first), seq):
			one.State, one.Attempts = queue.InFlight, 1
		default:
			one.State = r.State(age, now)
		}
		list = append(list, one)
		return err
	}, "SELECT g.name, g.start, g.cursor, g.adopted, g.expired, g.leased, w.state, ifnull(w.attempts, 0), ifnull(w.at, 0), ifnull(w.reason, '') FROM groups AS g LEFT JOIN work AS w ON w.grp = g.id AND w.seq = ? ORDER BY g.name", seq)
	if err == nil && !known {
		err = event.ErrNotFound
	}
	return list, err
}

// shown is how queue.Queue names a state, and its instant there.
func (st workState) shown(at int64) (queue.State, time.Time) {
	switch st {
	case retrying:
		return queue.Retrying, time.Unix(0, at).UTC()
	case dead:
		return queue.Dead, time.Unix(0, at).UTC()
	case crashed:
		return queue.Retrying, time.Time{}
	case leased, finished:
	}
	return queue.InFlight, time.Time{}
}

// cannotLook remembers that a reader could not read the work of the groups.
func (q *Store) cannotLook(err error) {
	if unreadable(err) {
		q.foundTable(workTable, lettersMean, err)
	}
}

// Redrive gives dead letters back to their group; see queue.Queue.
func (q *Store) Redrive(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "redrive", name, at, func(w *writer, g *group, seq int64) (bool, error) {
		st, ok, err := w.stateOf(g, seq)
		if err != nil || !ok || st != dead {
			return false, err
		}
		g.dead--
		g.retrying++
		return true, w.schedule(g, seq, retrying, 0, w.q.o.Now(), "")
	})
}

// Drop removes dead letters for good; see queue.Queue.
func (q *Store) Drop(ctx context.Context, name string, at ...event.Position) (int, error) {
	return q.each(ctx, "drop", name, at, func(w *writer, g *group, seq int64) (bool, error) {
		st, ok, err := w.stateOf(g, seq)
		if err != nil || !ok || st != dead {
			return false, err
		}
		g.dead--
		return true, w.finish(g, seq)
	})
}

// Replay schedules stored events once more; see queue.Queue.
func (q *Store) Replay(ctx context.Context, name string, at ...event.Position) (int, error) {
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
	st, ok, err := w.stateOf(g, seq)
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

// stateOf reads an event's row in work.
func (w *writer) stateOf(g *group, seq int64) (st workState, ok bool, err error) {
	ok, err = w.db.one([]any{&st}, "SELECT state FROM work WHERE grp = ? AND seq = ?", g.id, seq)
	return st, ok, err
}

// each has the writer do something with each event of this epoch, and counts.
func (q *Store) each(ctx context.Context, op, name string, at []event.Position, do func(*writer, *group, int64) (bool, error)) (int, error) {
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
			continue // it is another epoch's, or was never given out
		}
		ok, err := do(w, g, seq)
		if err != nil {
			return 0, w.cannotWork(err)
		}
		if ok {
			n++
		}
	}
	return n, w.cannotWork(w.refresh(g))
}

// ready refuses what cannot be done now.
func (q *Store) ready(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if q.life.Err() != nil {
		return fmt.Errorf("%s: %w", op, queue.ErrClosed)
	}
	return nil
}

// groupID finds a group's number.
func (q *Store) groupID(name string) (int64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.view.groups {
		if q.view.groups[i].stats.Name == name {
			return q.view.groups[i].id, true
		}
	}
	return 0, false
}

// Stats counts; see queue.Queue. It answers also while the store is unavailable, then
// without the instants that have to be read.
func (q *Store) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.ready(ctx, "stats"); err != nil {
		return queue.Stats{}, err
	}
	q.mu.Lock()
	v := q.view
	groups := append([]groupView(nil), v.groups...)
	q.mu.Unlock()
	s := queue.Stats{
		Backend:    "sqlite",
		Durability: durability(q.o.Synchronous),
		Epoch:      v.epoch,
		Accepted:   v.last,
		Expired:    v.trimmed,
		Events:     v.last - v.trimmed,
		SeenIDs:    v.seen.len(),
		Damage:     q.Damage(),
	}
	if s.Events > 0 {
		b := v.bounds()
		s.Oldest, s.Newest = b.Position(v.trimmed+1), b.Position(v.last)
	}
	s.Bytes, s.MostBytes = q.files.space(q.unused(ctx))
	now := q.o.Now()
	for i := range groups {
		gs, err := q.groupStats(ctx, &groups[i], v.bounds(), now)
		q.cannotLook(err)
		if err != nil && !errors.Is(err, queue.ErrUnavailable) && !unreadable(err) {
			return queue.Stats{}, fmt.Errorf("stats: %w", err)
		}
		s.Groups = append(s.Groups, gs)
	}
	return s, nil
}

// unused is how many bytes of the database have been freed and will be used again; 0 also where that cannot be read.
func (q *Store) unused(ctx context.Context) (n int64) {
	_ = q.readers.use(ctx, func(s session) (err error) {
		n, err = s.number("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")
		return err
	})
	return n
}

func durability(s Synchronous) string {
	if s == Normal {
		return "neither a crash nor a restart takes an accepted event; a power loss takes those of the last seconds"
	}
	return "each event is on the disk (fsync) before it is accepted: neither a crash nor a power loss takes it"
}

// groupStats adds the instants to a group's counts.
func (q *Store) groupStats(ctx context.Context, g *groupView, b eventlog.Bounds, now time.Time) (queue.GroupStats, error) {
	s := g.stats
	if s.Waiting == 0 {
		return s, nil
	}
	fresh := time.Time{} // when the next new event was received
	err := q.readers.use(ctx, func(r session) error {
		var err error
		if g.cursor < b.Last {
			if fresh, err = receivedAt(r, b, g.cursor+1); err != nil {
				return err
			}
		}
		oldest := g.cursor + 1
		if g.leases != 0 {
			oldest = g.leases
		}
		seq, err := r.number("SELECT min(seq) FROM work WHERE grp = ? AND state IN (0, 1, 3)", g.id)
		if err != nil {
			return err
		}
		if seq != 0 {
			oldest = min(oldest, seq)
		}
		s.OldestWaiting, err = receivedAt(r, b, oldest)
		return err
	})
	s.StalledSince = g.stalledSince(fresh, now)
	return s, err
}

func receivedAt(s session, b eventlog.Bounds, seq int64) (time.Time, error) {
	e, err := readEvent(s, b, seq, false)
	if errors.Is(err, event.ErrNotFound) || unreadable(err) {
		return time.Time{}, nil // finished and removed since the counts were taken, or passed over
	}
	return e.ReceivedAt, err
}

// stallGrace is how much longer than a whole attempt nothing may be delivered while
// events are due, before the group counts as stalled.
const stallGrace = 10 * time.Second

// stalledSince is when the watchdog saw that events were due and that for longer than
// an attempt may take nothing was delivered. fresh is when the next new event was
// received, or zero.
func (g *groupView) stalledSince(fresh, now time.Time) time.Time {
	due := fresh
	if g.nextDue != 0 && (due.IsZero() || g.nextDue < due.UnixNano()) {
		due = time.Unix(0, g.nextDue)
	}
	if g.consumers == 0 || due.IsZero() {
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
