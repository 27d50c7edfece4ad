package sqlite

import (
	"slices"
	"time"

	"slackmcp/store/internal/engine"
)

// trimStep bounds how many events one transaction removes by age.
const trimStep = 512

// sweepEvery is how often retention by age looks.
const sweepEvery = 10 * time.Second

// kept is how many events are stored, in the log or for a group.
func (w *writer) kept() int64 { return w.last - w.trimmed + w.pinned }

// makeRoom removes finished events, oldest first, so that n more fit. Dead letters go
// last, and are counted as expired.
func (w *writer) makeRoom(n int) error {
	excess := w.kept() + int64(n) - int64(w.q.o.RetentionCount)
	for excess > 0 {
		kept, trimmed := w.kept(), w.trimmed
		if err := w.trim(min(trimmed+excess, w.trimmable())); err != nil {
			return err
		}
		if w.trimmed == trimmed {
			break
		}
		excess -= kept - w.kept()
	}
	if excess <= 0 || w.pinned == 0 {
		return nil
	}
	return w.expirePinned(int(min(excess, trimStep)))
}

// trimmable is the newest event up to which the log may be removed: every group has
// begun all of them, and no first attempt at one of them runs.
func (w *writer) trimmable() int64 {
	limit := w.last
	for _, g := range w.groups {
		limit = min(limit, g.cursor)
		for seq, l := range g.leases {
			if !l.row {
				limit = min(limit, seq-1)
			}
		}
	}
	return limit
}

// trim takes the events up to one out of the log. Those that a group has still work
// for stay in the table.
func (w *writer) trim(to int64) error {
	if to <= w.trimmed {
		return nil
	}
	if to > w.seen.flushed {
		// Ids outlive their events.
		if err := w.flushSeen(); err != nil {
			return err
		}
	}
	s := w.stmt.trimEvents
	s.BindInt(1, w.trimmed)
	s.BindInt(2, to)
	if err := w.write(s); err != nil {
		return err
	}
	w.pinned += to - w.trimmed - int64(w.conn.Changes())
	s = w.stmt.trimMarks
	s.BindInt(1, w.trimmed)
	s.BindInt(2, to)
	if err := w.write(s); err != nil {
		return err
	}
	w.stmt.setTrimmed.BindInt(1, to)
	w.trimmed = to
	w.oldestAt = 0
	return w.write(w.stmt.setTrimmed)
}

// expirePinned removes up to n events outside the log of which only dead letters are left.
func (w *writer) expirePinned(n int) error {
	s := w.stmt.pinnedDead
	s.BindInt(1, w.trimmed)
	s.BindInt(2, int64(n))
	list, err := ints(s)
	if err != nil {
		return err
	}
	for _, seq := range list {
		if err := w.expireDead(seq); err != nil {
			return err
		}
	}
	return nil
}

// expireDead removes the dead letters of an event unless another group has it on its
// schedule.
func (w *writer) expireDead(seq int64) error {
	s := w.stmt.workOf
	s.BindInt(1, seq)
	alive := false
	var owners []int64
	err := s.Each(func() error {
		alive = alive || state(s.Int(1)) != dead
		owners = append(owners, s.Int(0))
		return nil
	})
	if err != nil || alive {
		return err
	}
	for _, id := range owners {
		if err := w.expireLetter(w.groupByID(id), seq); err != nil {
			return err
		}
	}
	return nil
}

// expireLetter removes one dead letter and counts it.
func (w *writer) expireLetter(g *group, seq int64) error {
	g.dead--
	g.expired++
	g.dirty = true
	return w.finish(g, seq)
}

// sweep removes what is too old: events, dead letters and seen ids, a step at a time.
func (w *writer) sweep(now time.Time) error {
	if now.Before(w.sweepAt) {
		return nil
	}
	w.sweepAt = now.Add(sweepEvery)
	more := false
	if w.q.o.RetentionAge > 0 {
		since := now.Add(-w.q.o.RetentionAge).UnixNano()
		old, err := w.sweepEvents(since)
		if err != nil {
			return err
		}
		letters, err := w.sweepLetters(since)
		if err != nil {
			return err
		}
		more = old || letters
	}
	dropped, err := w.dropSeen(now)
	if err != nil {
		return err
	}
	if more || dropped {
		w.sweepAt = now
		w.q.mail.ring()
	}
	return nil
}

// sweepEvents removes a step of events that were stored before since. It reports
// whether there may be more.
func (w *writer) sweepEvents(since int64) (bool, error) {
	if w.oldestAt > since || w.trimmed == w.last {
		return false, nil
	}
	s := w.stmt.agesAfter
	s.BindInt(1, w.trimmed)
	s.BindInt(2, trimStep)
	to, n := w.trimmed, 0
	err := s.Each(func() error {
		if at := s.Int(1); at >= since {
			w.oldestAt = at
			return engine.ErrStop
		}
		to = s.Int(0)
		n++
		return nil
	})
	if err != nil {
		return false, err
	}
	to = min(to, w.trimmable())
	if to <= w.trimmed {
		return false, nil
	}
	at := w.oldestAt
	if err := w.trim(to); err != nil {
		return false, err
	}
	w.oldestAt = at
	return n == trimStep, nil
}

// sweepLetters removes a step of dead letters that died before since.
func (w *writer) sweepLetters(since int64) (bool, error) {
	more := false
	for _, g := range w.groups {
		if g.dead == 0 {
			continue
		}
		s := w.stmt.oldDead
		s.BindInt(1, g.id)
		s.BindInt(2, since)
		s.BindInt(3, trimStep)
		list, err := ints(s)
		if err != nil {
			return false, err
		}
		for _, seq := range list {
			if err := w.expireLetter(g, seq); err != nil {
				return false, err
			}
		}
		more = more || len(list) == trimStep
	}
	return more, nil
}

// ints collects the first number of each row.
func ints(s *engine.Stmt) ([]int64, error) {
	var list []int64
	err := s.Each(func() error {
		list = append(list, s.Int(0))
		return nil
	})
	return list, err
}

// groupByID finds a group by its number in the tables.
func (w *writer) groupByID(id int64) *group {
	for _, g := range w.groups {
		if g.id == id {
			return g
		}
	}
	return nil
}

// names lists the groups.
func (w *writer) names() []string {
	var list []string
	for name := range w.groups {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
