package sqlite

import (
	"encoding/binary"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/queue"
)

// A group is the writer's picture of one row of groups. The events up to cursor are
// done but for those that are leased or have a row in work, so that an event which is
// handled at the first attempt never has a row.
type group struct {
	id                      int64
	name                    string
	start, cursor           int64
	adopted, expired        int64
	leases                  map[int64]lease // seq -> the attempt that runs
	retrying, crashed, dead int64           // rows in work
	nextDue                 int64           // the earliest retry in Unix nanoseconds; 0 is none
	turn                    bool            // whether a new event goes before a retry
	dirty                   bool            // whether the row has to be written

	consumers []*consumer
	lastMove  time.Time // when a delivery began or a consumer came
}

// A lease is an attempt that runs. First attempts are listed in the group's row, the
// others have their own row in work.
type lease struct {
	attempt int
	row     bool
}

// state is what work.state says.
type state int64

const (
	leased   state = 0
	retrying state = 1
	dead     state = 2
	crashed  state = 3 // the process ended during the attempt; nobody has judged it yet
	finished state = 4 // done, and from before the group's start: counted in adopted
)

// settle records the end of an attempt.
func (w *writer) settle(s *settlement, now time.Time) error {
	s.c.free++
	g := w.groupByID(s.c.group)
	if g == nil || s.c.dropped {
		return nil
	}
	l, ok := g.leases[s.seq]
	if !ok {
		return nil // its claim was lost with a failed commit
	}
	delete(g.leases, s.seq)
	g.dirty = g.dirty || !l.row
	switch o := s.outcome; {
	case s.unstarted:
		g.retrying++
		return w.schedule(g, s.seq, retrying, l.attempt-1, now, "")
	case o.Done && !l.row && s.seq > g.start:
		return nil
	case o.Done:
		return w.finish(g, s.seq)
	case o.Dead:
		g.dead++
		return w.schedule(g, s.seq, dead, l.attempt, now, o.Reason)
	case o.Postponed:
		g.retrying++
		return w.schedule(g, s.seq, retrying, l.attempt-1, now.Add(o.Delay), o.Reason)
	default:
		g.retrying++
		return w.schedule(g, s.seq, retrying, l.attempt, now.Add(o.Delay), o.Reason)
	}
}

// schedule writes an event's row in work. An empty reason leaves the one that stands.
func (w *writer) schedule(g *group, seq int64, st state, attempts int, at time.Time, reason string) error {
	if st == retrying && (g.nextDue == 0 || at.UnixNano() < g.nextDue) {
		g.nextDue = at.UnixNano()
	}
	s := w.stmt.putWork
	s.BindInt(1, g.id)
	s.BindInt(2, seq)
	s.BindInt(3, int64(st))
	s.BindInt(4, int64(attempts))
	s.BindInt(5, at.UnixNano())
	s.BindText(6, reason)
	return w.write(s)
}

// finish removes an event's row in work, and the event itself when it has left the log
// and nobody else has work for it.
func (w *writer) finish(g *group, seq int64) error {
	if seq <= g.start && seq > w.trimmed {
		return w.schedule(g, seq, finished, 0, time.Unix(0, 0), "")
	}
	s := w.stmt.deleteWork
	s.BindInt(1, g.id)
	s.BindInt(2, seq)
	if err := w.write(s); err != nil {
		return err
	}
	return w.unpin(seq)
}

// unpin removes an event that has left the log and that no group has work for.
func (w *writer) unpin(seq int64) error {
	if seq > w.trimmed {
		return nil
	}
	s := w.stmt.hasWork
	s.BindInt(1, seq)
	held, err := s.Step()
	s.Reset()
	if err != nil || held {
		return err
	}
	w.stmt.deleteEvent.BindInt(1, seq)
	if err := w.write(w.stmt.deleteEvent); err != nil {
		return err
	}
	w.pinned -= int64(w.conn.Changes())
	return nil
}

// judge decides about the attempts that a crash cut short, once there is a policy.
func (w *writer) judge(g *group, p queue.Policy, now time.Time) error {
	if g.crashed == 0 {
		return nil
	}
	type row struct {
		seq      int64
		attempts int
	}
	var rows []row
	s := w.stmt.crashedWork
	s.BindInt(1, g.id)
	err := s.Each(func() error {
		rows = append(rows, row{s.Int(0), int(s.Int(1))})
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range rows {
		g.crashed--
		v := p.Next(r.attempts, consume.ErrCrashed)
		st, at := retrying, now.Add(v.Delay)
		if v.Dead {
			st, at = dead, now
			g.dead++
		} else {
			g.retrying++
		}
		if err := w.schedule(g, r.seq, st, r.attempts, at, consume.Reason(consume.ErrCrashed)); err != nil {
			return err
		}
	}
	return nil
}

// refresh reads when the next retry is due.
func (w *writer) refresh(g *group) error {
	s := w.stmt.nextDue
	s.BindInt(1, g.id)
	ok, err := s.Step()
	g.nextDue = 0
	if ok {
		g.nextDue = s.Int(0)
		s.Reset()
	}
	return err
}

// saveGroups writes the rows of the groups that changed.
func (w *writer) saveGroups() error {
	for _, g := range w.groups {
		if !g.dirty {
			continue
		}
		s := w.stmt.saveGroup
		s.BindInt(1, g.cursor)
		s.BindInt(2, g.adopted)
		s.BindInt(3, g.expired)
		s.BindBytes(4, g.encodeLeases())
		s.BindInt(5, g.id)
		if err := w.write(s); err != nil {
			return err
		}
		g.dirty = false
	}
	return nil
}

// encodeLeases lists the first attempts that run.
func (g *group) encodeLeases() []byte {
	var b []byte
	for seq, l := range g.leases {
		if !l.row {
			b = binary.AppendUvarint(b, uint64(seq)) //nolint:gosec // never negative
		}
	}
	return b
}

func decodeLeases(b []byte) []int64 {
	var list []int64
	for len(b) > 0 {
		seq, n := binary.Uvarint(b)
		if n <= 0 {
			break
		}
		list = append(list, int64(seq)) //nolint:gosec // as it was written
		b = b[n:]
	}
	return list
}

// stats counts; last is the log's end.
func (g *group) stats(last int64) queue.GroupStats {
	s := queue.GroupStats{
		Name:     g.name,
		InFlight: int64(len(g.leases)),
		Retrying: g.retrying + g.crashed,
		Dead:     g.dead,
		Expired:  g.expired,
	}
	s.Waiting = last - g.cursor + s.InFlight + s.Retrying
	s.Done = last - g.start + g.adopted - s.Waiting - s.Dead - s.Expired
	return s
}
