package sqlite

import (
	"time"

	"slackmcp/internal/clock"
)

// trimStep bounds how many events one transaction removes by age.
const trimStep = 512

// sweepEvery is how often retention by age looks.
const sweepEvery = 10 * time.Second

// kept is how many events are stored, in the log or for a group.
func (w *writer) kept() int64 { return w.last - w.trimmed + w.pinned }

// roomStep bounds how many events one transaction removes beyond those for which others come.
const roomStep = 1024

// makeRoom removes finished events, oldest first, so that n more fit. Dead letters go
// last, and are counted as expired. Where RetentionCount is much lower than before it does a
// step, and the writer goes on with it while it receives.
func (w *writer) makeRoom(n int) error {
	excess := w.kept() + int64(n) - int64(w.q.o.RetentionCount)
	left := min(excess, int64(n)+roomStep)
	for excess -= max(left, 0); left > 0; {
		kept, trimmed := w.kept(), w.trimmed
		if err := w.trim(min(trimmed+left, w.trimmable())); err != nil {
			return err
		}
		if w.trimmed == trimmed {
			break
		}
		left -= kept - w.kept()
	}
	if w.shrinking = excess > 0 && left <= 0 && w.trimmed < w.trimmable(); w.shrinking {
		w.q.mail.notify()
		return nil
	}
	excess += max(left, 0)
	if excess <= 0 || w.pinned == 0 || w.idleGroups {
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
	n, err := w.removeEvents(to)
	if err != nil {
		return err
	}
	w.pinned += to - w.trimmed - n
	if !w.idleGroups {
		if _, err := w.write("DELETE FROM work WHERE seq > ? AND seq <= ? AND state = 4", w.trimmed, to); err != nil {
			return err
		}
	}
	if err := w.trimBlocks(w.trimmed, to); err != nil {
		return err
	}
	w.trimmed = to
	w.oldestAt = 0
	_, err = w.write("UPDATE log SET trimmed = ?", to)
	return err
}

// removeEvents removes the events behind trimmed up to one that no group has work for, and
// returns how many. Those near to something unreadable stay in the file, where they are never
// looked at again, and count as removed.
func (w *writer) removeEvents(to int64) (n int64, err error) {
	if w.idleGroups {
		return to - w.trimmed, nil // Which of them a group needs cannot be read.
	}
	w.survey(to)
	for from := w.trimmed + 1; from <= to; {
		first, last, next := w.q.damage.leaves(from, to)
		stay := min(first-1, to) - from + 1 + max(min(next, to)-last, 0)
		if stay > 0 {
			held, err := w.db.number("SELECT count(DISTINCT seq) FROM work WHERE (seq BETWEEN ?1 AND ?2 - 1 OR seq BETWEEN ?3 + 1 AND ?4) AND state <> 4", from, min(first, to+1), last, min(next, to))
			if err != nil {
				return n, err
			}
			n += stay - held
		}
		if first <= last {
			removed, err := w.write("DELETE FROM events WHERE seq >= ?1 AND seq <= ?2 AND seq NOT IN (SELECT seq FROM work WHERE seq >= ?1 AND seq <= ?2 AND state <> 4)", first, last)
			if err != nil {
				return n, err
			}
			n += removed
		}
		from = max(next, last) + 1
	}
	return n, nil
}

// remove removes one event that is outside of the log. One near to something unreadable stays, as above.
func (w *writer) remove(seq int64) (n int64, err error) {
	if w.q.damage.near(seq) {
		return 1, nil
	}
	return w.write("DELETE FROM events WHERE seq = ?", seq)
}

// expirePinned removes up to n events outside the log of which only dead letters are left.
func (w *writer) expirePinned(n int) error {
	list, err := w.db.numbers("SELECT DISTINCT seq FROM work WHERE seq <= ? AND state = 2 ORDER BY seq LIMIT ?", w.trimmed, n)
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
	alive := false
	var owners []int64
	err := w.db.each(func(scan func(...any) error) error {
		var id int64
		var st workState
		err := scan(&id, &st)
		alive = alive || st != dead
		owners = append(owners, id)
		return err
	}, "SELECT grp, state FROM work WHERE seq = ?", seq)
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
	// A clock that was set back does not keep it from looking.
	if now.Before(w.sweepAt) && w.sweepAt.Sub(now) <= sweepEvery {
		return nil
	}
	w.sweepAt = now.Add(sweepEvery)
	aging := w.q.o.Aging(now)
	future := w.q.o.Believed(now).Add(clock.Tolerance).UnixNano()
	more := false
	if w.q.o.RetentionAge > 0 {
		since := aging.Add(-w.q.o.RetentionAge).UnixNano()
		old, err := w.sweepEvents(since, future)
		if err != nil {
			return err
		}
		letters, err := w.sweepLetters(since)
		if err != nil {
			return err
		}
		more = old || letters
	}
	dropped, err := w.dropSeen(aging, future)
	if err != nil {
		return err
	}
	if more || dropped {
		w.sweepAt = now
		w.q.mail.notify()
	}
	return nil
}

// sweepEvents removes a step of events that were stored before since. One that was stored later than
// future, by a clock that was ahead, is as old as the next one behind it that was not. It reports
// whether there may be more.
func (w *writer) sweepEvents(since, future int64) (bool, error) {
	if w.oldestAt > since && w.oldestAt <= future || w.trimmed == w.last {
		return false, nil
	}
	passed := w.ahead > w.trimmed
	to, more, err := w.olderThan(since, future)
	if err != nil || to == w.trimmed {
		return more, err
	}
	at := w.oldestAt
	if step := w.trimmed + trimStep; passed && to > step {
		to, at, more = step, 0, true
	}
	to = min(to, w.trimmable())
	if to <= w.trimmed {
		return false, nil
	}
	if err := w.trim(to); err != nil {
		return false, err
	}
	w.oldestAt = at
	return more, nil
}

// olderThan returns up to which event a step of retention by age goes, and whether there may be
// more. What cannot be read goes with the first event behind it.
func (w *writer) olderThan(since, future int64) (to int64, more bool, err error) {
	to, end := w.trimmed, w.last
	w.ahead = max(w.ahead, w.trimmed)
	w.survey(w.ahead + trimStep)
	if bad, ok := w.q.damage.from(w.ahead + 1); ok {
		if bad.From <= w.ahead+1 {
			return w.olderBehind(bad, since, future)
		}
		end = bad.From - 1
	}
	n := 0
	err = w.db.each(func(scan func(...any) error) error {
		var seq, at int64
		if err := scan(&seq, &at); err != nil {
			return err
		}
		switch {
		case at > future:
			w.ahead = seq
		case at >= since:
			w.oldestAt = at
			return errStop
		default:
			to = seq
		}
		n++
		return nil
	}, "SELECT seq, stored_at FROM events WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?", w.ahead+1, end, trimStep)
	return to, n == trimStep || max(to, w.ahead) == end && end < w.last, err
}

// olderBehind is olderThan where the next events cannot be read.
func (w *writer) olderBehind(bad span, since, future int64) (to int64, more bool, err error) {
	at, err := w.db.number("SELECT stored_at FROM events WHERE seq = ?", bad.To+1)
	switch {
	case err != nil:
		return w.trimmed, false, err
	case at > future:
		w.ahead = bad.To + 1
		return w.trimmed, true, nil
	case at >= since:
		w.oldestAt = at
		return w.trimmed, false, nil
	}
	return bad.To, true, nil
}

// sweepLetters removes a step of dead letters that died before since.
func (w *writer) sweepLetters(since int64) (bool, error) {
	more := false
	for _, g := range w.groups {
		if g.dead == 0 || w.idleGroups {
			continue
		}
		list, err := w.db.numbers("SELECT seq FROM work WHERE grp = ? AND state = 2 AND at < ? ORDER BY at LIMIT ?", g.id, since, trimStep)
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

// groupByID finds a group by its number in the tables.
func (w *writer) groupByID(id int64) *group {
	for _, g := range w.groups {
		if g.id == id {
			return g
		}
	}
	return nil
}
