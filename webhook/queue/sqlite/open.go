package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"slackmcp/webhook/queue"
	"slackmcp/webhook/queue/internal/idkey"
	"slackmcp/webhook/queue/sqlite/internal/engine"
)

// checkpointPages is how long the write-ahead log may grow before a commit copies it
// into the database.
const checkpointPages = 1000

// open opens the file and reads the writer's state. start says that the process
// begins: attempts that were running then were cut short by a crash.
func (w *writer) open(start bool) (err error) {
	w.conn, err = engine.Open(w.q.files.db, engine.ReadWrite, busyMillis)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.discard())
		}
	}()
	if err := w.configure(); err != nil {
		return err
	}
	if err := migrate(w.conn, w.q.files.db); err != nil {
		return err
	}
	w.stmt = statements{}
	if err := w.stmt.prepare(w.conn); err != nil {
		return err
	}
	if err := w.load(); err != nil {
		return err
	}
	return w.resume(start)
}

// configure sets what the promise of durability stands on.
func (w *writer) configure() error {
	mode, err := w.text("PRAGMA journal_mode = WAL")
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%s: this file system cannot hold a write-ahead log (journal_mode is %q): choose a data directory on a local disk", w.q.files.db, mode)
	}
	if err := w.conn.Exec(fmt.Sprintf("PRAGMA synchronous = %s; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = %d", w.q.o.Synchronous, walLimit)); err != nil {
		return err
	}
	return w.conn.AutoCheckpoint(checkpointPages)
}

// walLimit is to what size the write-ahead log is cut back after it had to grow.
const walLimit = 64 << 20

// text reads the one text that a query answers.
func (w *writer) text(sql string) (string, error) {
	s, err := w.conn.Prepare(sql)
	if err != nil {
		return "", err
	}
	defer s.Reset()
	if ok, err := s.Step(); err != nil || !ok {
		return "", err
	}
	return s.Text(0), nil
}

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
	for {
		ok, err := s.Step()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		r := &run{number: s.Int(0), ids: int(s.Int(1)), toSeq: s.Int(2), newestAt: s.Int(3)}
		r.filter = newFilter(r.ids)
		w.seen.runs = append(w.seen.runs, r)
		w.seen.next = r.number + 1
		w.seen.flushed = max(w.seen.flushed, r.toSeq)
	}
	for _, r := range w.seen.runs {
		if err := w.loadRun(r); err != nil {
			return err
		}
	}
	w.seen.flushed = max(w.seen.flushed, w.trimmed)
	k := w.stmt.keysAfter
	k.BindInt(1, w.seen.flushed)
	for {
		ok, err := k.Step()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		w.seen.fresh[idkey.Of(k.Text(2), k.Text(3))] = place{seq: k.Int(0), at: k.Int(1)}
	}
	w.seen.show()
	return nil
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
	for {
		ok, err := s.Step()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		g := &group{
			id: s.Int(0), name: s.Text(1), start: s.Int(2), cursor: s.Int(3),
			adopted: s.Int(4), expired: s.Int(5), leases: map[int64]lease{},
		}
		for _, seq := range decodeLeases(s.View(6)) {
			g.leases[seq] = lease{attempt: 1}
		}
		w.groups[g.name], byID[g.id] = g, g
	}
	s, err = w.conn.Prepare("SELECT grp, seq, state, attempts FROM work WHERE state <> 4")
	if err != nil {
		return err
	}
	for {
		ok, err := s.Step()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		g := byID[s.Int(0)]
		if g == nil {
			continue
		}
		switch state(s.Int(2)) {
		case leased:
			g.leases[s.Int(1)] = lease{attempt: int(s.Int(3)), row: true}
		case retrying:
			g.retrying++
		case dead:
			g.dead++
		case crashed:
			g.crashed++
		case finished:
		}
	}
	for _, g := range w.groups {
		if err := w.refresh(g); err != nil {
			return err
		}
	}
	return nil
}

// resume settles what nobody works any more, and proves with a commit that the file
// can be written.
func (w *writer) resume(start bool) error {
	now := w.q.o.Now()
	running := map[int64]map[int64]bool{} // group -> events whose handler runs in this process
	for c := range w.active {
		c.free = c.g.Workers - len(c.inFlight)
		if running[c.group] == nil {
			running[c.group] = map[int64]bool{}
		}
		for seq := range c.inFlight {
			running[c.group][seq] = true
		}
	}
	for _, g := range w.groups {
		for c := range w.active {
			if c.attached && c.group == g.id {
				g.consumers = append(g.consumers, c)
				g.lastMove = now
			}
		}
		for seq, l := range g.leases {
			if running[g.id][seq] {
				continue
			}
			delete(g.leases, seq)
			g.dirty = true
			if err := w.orphan(g, seq, l, start, now); err != nil {
				return err
			}
		}
	}
	if err := w.saveGroups(); err != nil {
		return err
	}
	probe, err := w.conn.Prepare("UPDATE log SET opened = opened + 1")
	if err != nil {
		return err
	}
	if err := w.write(probe); err != nil {
		return err
	}
	if err := w.commit(); err != nil {
		return err
	}
	w.show()
	w.q.feed.restart(w.last)
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

// discard closes the connection without touching the files further.
func (w *writer) discard() error {
	w.tx = false
	if w.conn == nil {
		return nil
	}
	err := errors.Join(w.conn.KeepLogOnClose(), w.conn.Close())
	w.conn = nil
	return err
}

// close gives the store back.
func (w *writer) close() error {
	w.q.pool.shut(errClosedPool)
	defer w.q.files.release()
	if w.conn == nil {
		return nil
	}
	err := w.conn.Close()
	w.conn = nil
	return err
}

// Bounds of the pauses between attempts at reopening.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// recover closes the store after an error and tries until it is open again, or the
// queue is closed. Meanwhile everybody is told that it is unavailable.
func (w *writer) recover(cause error) {
	w.q.mail.suspend(unavailable(cause))
	w.q.pool.shut(unavailable(cause))
	w.q.o.Logger.Error("store is unavailable and is being reopened", "error", cause)
	acknowledged := w.q.bounds()
	if err := w.discard(); err != nil {
		w.q.o.Logger.Warn("closing the store", "error", err)
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if !w.idle(pause/2 + rand.N(pause/2+1)) {
			return
		}
		err := w.q.files.renew()
		if err == nil {
			err = w.open(false)
		}
		if err == nil {
			err = w.check(acknowledged.Last)
		}
		if err == nil {
			break
		}
		w.q.o.Logger.Warn("store is still unavailable", "error", err)
	}
	w.q.pool.open()
	w.q.mail.suspend(nil)
	w.q.o.Logger.Info("store is available again")
}

// check looks whether what was acknowledged is there. If it is not, which takes a disk
// that broke its word or a file that somebody exchanged, the store begins a new epoch,
// so that no position is given out twice.
func (w *writer) check(acknowledged int64) error {
	if w.last >= acknowledged {
		return nil
	}
	w.q.o.Logger.Error("acknowledged events are missing after the store was reopened", "missing", acknowledged-w.last)
	epoch, err := newEpoch()
	if err == nil {
		err = w.conn.Exec("UPDATE meta SET value = '" + epoch + "' WHERE name = 'epoch'")
	}
	if err != nil {
		return errors.Join(err, w.discard())
	}
	w.epoch = epoch
	w.show()
	return nil
}

// idle waits between attempts at reopening, and does what touches no file. It reports
// false when the queue is closed.
func (w *writer) idle(d time.Duration) bool {
	w.timer.Reset(d)
	for {
		select {
		case <-w.timer.C:
			return true
		case <-w.q.stop:
			return false
		case <-w.q.mail.wake:
			b := w.q.mail.take(w.again)
			w.again = b.settled
			for _, c := range b.calls {
				c.err = queue.ErrUnavailable
				if c.local {
					c.err = c.do(w)
				}
			}
			b.fail(queue.ErrUnavailable)
		}
	}
}
