package sqlite

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"slackmcp/store/internal/eventlog"
)

// load reads the log's bounds, the seen ids and the groups.
func (w *writer) load() (err error) {
	if w.epoch, err = w.readEpoch(); err != nil {
		return err
	}
	if w.trimmed, err = w.conn.Int("SELECT trimmed FROM log"); err != nil {
		return err
	}
	last, err := w.conn.Int("SELECT max(seq) FROM events")
	if err != nil {
		return err
	}
	w.last = max(last, w.trimmed)
	if w.mark, err = w.conn.Int("SELECT mark FROM events ORDER BY seq DESC LIMIT 1"); err != nil {
		return err
	}
	if w.pinned, err = w.conn.Int(fmt.Sprintf("SELECT count(*) FROM events WHERE seq <= %d", w.trimmed)); err != nil {
		return err
	}
	w.oldestAt, w.sweepAt = 0, time.Time{}
	if err := w.loadSeen(); err != nil {
		return err
	}
	return w.loadGroups()
}

func (w *writer) readEpoch() (string, error) {
	epoch, err := w.text("SELECT value FROM meta WHERE name = 'epoch'")
	if err == nil && epoch == "" {
		err = errors.New("the store has no epoch: it was damaged; restore it, or use another data directory")
	}
	return epoch, err
}

// loadSeen reads the runs, and the ids of the events that are in none.
func (w *writer) loadSeen() error {
	w.seen = newSeen()
	s, err := w.conn.Prepare("SELECT run, ids, to_seq, newest_at FROM seen_runs ORDER BY run")
	if err != nil {
		return err
	}
	err = s.Each(func() error {
		r := &run{number: s.Int(0), ids: int(s.Int(1)), toSeq: s.Int(2), newestAt: s.Int(3)}
		r.filter = newFilter(r.ids)
		w.seen.runs = append(w.seen.runs, r)
		w.seen.next = r.number + 1
		w.seen.flushed = max(w.seen.flushed, r.toSeq)
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range w.seen.runs {
		if err := w.loadRun(r); err != nil {
			return err
		}
	}
	w.seen.flushed = max(w.seen.flushed, w.trimmed)
	k := w.stmt.keysAfter
	k.BindInt(1, w.seen.flushed)
	err = k.Each(func() error {
		w.seen.fresh[eventlog.KeyOf(k.Text(2), k.Text(3))] = place{seq: k.Int(0), at: k.Int(1)}
		return nil
	})
	w.seen.show()
	return err
}

func (w *writer) loadRun(r *run) error {
	n := 0
	for chunk := 0; n < r.ids; chunk++ {
		b, err := w.readChunk(r.chunk(chunk))
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return fmt.Errorf("seen ids: run %d has %d ids, and only %d were found: the store was damaged; restore it", r.number, r.ids, n)
		}
		for ; len(b) >= idSize; b = b[idSize:] {
			row := decodeID(b)
			r.index(n, &row)
			n++
		}
	}
	return nil
}

// loadGroups reads the groups with their counts.
func (w *writer) loadGroups() error {
	w.groups = map[string]*group{}
	byID := map[int64]*group{}
	s, err := w.conn.Prepare("SELECT id, name, start, cursor, adopted, expired, leased FROM groups")
	if err != nil {
		return err
	}
	err = s.Each(func() error {
		g := &group{
			id: s.Int(0), name: s.Text(1), start: s.Int(2), cursor: s.Int(3),
			adopted: s.Int(4), expired: s.Int(5), leases: map[int64]lease{},
		}
		for _, seq := range decodeLeases(s.View(6)) {
			g.leases[seq] = lease{attempt: 1}
		}
		w.groups[g.name], byID[g.id] = g, g
		return nil
	})
	if err != nil {
		return err
	}
	if s, err = w.conn.Prepare("SELECT grp, seq, state, attempts FROM work WHERE state <> 4"); err != nil {
		return err
	}
	err = s.Each(func() error {
		if g := byID[s.Int(0)]; g != nil {
			g.count(s.Int(1), state(s.Int(2)), int(s.Int(3)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, g := range w.groups {
		if err := w.refresh(g); err != nil {
			return err
		}
	}
	return nil
}

// count enters a row of work.
func (g *group) count(seq int64, st state, attempts int) {
	switch st {
	case leased:
		g.leases[seq] = lease{attempt: attempts, row: true}
	case retrying:
		g.retrying++
	case dead:
		g.dead++
	case crashed:
		g.crashed++
	case finished:
	}
}

// resume settles what nobody works any more, and proves with a commit that the file
// can be written.
func (w *writer) resume(start bool) error {
	now := w.q.o.Now()
	for _, g := range w.groups {
		if err := w.resumeGroup(g, start, now); err != nil {
			return err
		}
	}
	if err := w.saveGroups(); err != nil {
		return err
	}
	probe, err := w.conn.Prepare("UPDATE log SET opened = opened + 1")
	if err != nil {
		return err
	}
	if err := cmpErr(w.write(probe), w.commit()); err != nil {
		return err
	}
	w.show()
	w.q.feed.restart(w.last)
	return nil
}

// resumeGroup gives a group the consumers of this process back, and puts those events
// on its schedule that were leased and that none of them has.
func (w *writer) resumeGroup(g *group, start bool, now time.Time) error {
	running := map[int64]struct{}{}
	for c := range w.active {
		if c.group != g.id || c.dropped {
			continue
		}
		maps.Copy(running, c.inFlight)
		c.free = c.g.Workers - len(c.inFlight)
		if c.attached {
			g.consumers = append(g.consumers, c)
			g.lastMove = now
		}
	}
	for seq, l := range g.leases {
		if _, ok := running[seq]; ok {
			continue
		}
		delete(g.leases, seq)
		g.dirty = true
		if err := w.orphan(g, seq, l, start, now); err != nil {
			return err
		}
	}
	return nil
}

// orphan puts an event back whose claim nobody holds: after a crash its attempt has
// begun; after a failed commit it was never handed out.
func (w *writer) orphan(g *group, seq int64, l lease, start bool, now time.Time) error {
	if start {
		g.crashed++
		return w.schedule(g, seq, crashed, l.attempt, now, "")
	}
	g.retrying++
	return w.schedule(g, seq, retrying, l.attempt-1, now, "")
}
