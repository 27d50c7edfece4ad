package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"time"

	"slackmcp/store/internal/consume"
	"slackmcp/store/internal/eventlog"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
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

// A promise is a delivery that is handed out once it is committed.
type promise struct {
	c *consumer
	delivery
}

// pump claims events for the workers that are free.
func (w *writer) pump(now time.Time) error {
	w.claims = w.claims[:0]
	for _, g := range w.groups {
		if err := w.pumpGroup(g, now); err != nil {
			return err
		}
	}
	return nil
}

// pumpGroup claims for one group. New events and due retries take turns, so that
// neither a backlog nor a storm of failures starves the other.
func (w *writer) pumpGroup(g *group, now time.Time) error {
	free := g.free()
	if free == 0 {
		return nil
	}
	due, err := w.due(g, now, free)
	if err != nil {
		return err
	}
	taken, next := 0, 0
	for range free {
		c := g.pick(&next)
		fresh := w.skip(g, c)
		if taken < len(due) && (!fresh || !g.turn) {
			g.turn = true
			if err := w.claimDue(g, c, due[taken]); err != nil {
				return err
			}
			taken++
			continue
		}
		if !fresh {
			break
		}
		g.turn = false
		w.claimNew(g, c)
	}
	if taken > 0 {
		return w.refresh(g)
	}
	return nil
}

// free is how many workers have nothing to do.
func (g *group) free() int {
	n := 0
	for _, c := range g.consumers {
		n += c.free
	}
	return n
}

// pick returns the consumers with a free worker in turn.
func (g *group) pick(next *int) *consumer {
	for {
		c := g.consumers[*next%len(g.consumers)]
		*next++
		if c.free > 0 {
			return c
		}
	}
}

// due reads the retries that are due.
func (w *writer) due(g *group, now time.Time, limit int) ([]delivery, error) {
	if g.nextDue == 0 || g.nextDue > now.UnixNano() {
		return nil, nil
	}
	s := w.stmt.dueWork
	s.BindInt(1, g.id)
	s.BindInt(2, now.UnixNano())
	s.BindInt(3, int64(limit))
	var list []delivery
	err := s.Each(func() error {
		list = append(list, delivery{seq: s.Int(0), attempt: int(s.Int(1)) + 1})
		return nil
	})
	return list, err
}

// skip passes over new events that the consumer's filter does not want, as far as they
// are in memory, and reports whether there is one to claim. The rest is filtered when
// it is read.
func (w *writer) skip(g *group, c *consumer) bool {
	for ; g.cursor < w.last; g.cursor++ {
		e, ok := w.recent(g.cursor + 1)
		if !ok || c.g.Filter.Match(&e) {
			return true
		}
		g.dirty = true
	}
	return false
}

// recent returns a new event from memory.
func (w *writer) recent(seq int64) (event.Event, bool) {
	if i := seq - (w.last - int64(len(w.fresh))) - 1; i >= 0 {
		return w.fresh[i], true
	}
	return w.q.feed.get(seq)
}

func (w *writer) claimNew(g *group, c *consumer) {
	g.cursor++
	g.dirty = true
	d := delivery{seq: g.cursor, attempt: 1}
	if e, ok := w.recent(d.seq); ok {
		d.event = &e
	}
	w.take(g, c, d, lease{attempt: 1})
}

func (w *writer) claimDue(g *group, c *consumer, d delivery) error {
	s := w.stmt.leaseWork
	s.BindInt(1, g.id)
	s.BindInt(2, d.seq)
	if err := w.write(s); err != nil {
		return err
	}
	g.retrying--
	w.take(g, c, d, lease{attempt: d.attempt, row: true})
	return nil
}

func (w *writer) take(g *group, c *consumer, d delivery, l lease) {
	g.leases[d.seq] = l
	g.lastMove = w.q.o.Now()
	c.free--
	w.claims = append(w.claims, promise{c: c, delivery: d})
}

// handOut gives the claimed events to their consumers. A consumer's channel has room
// for all its workers, so this never waits.
func (w *writer) handOut() {
	for i := range w.claims {
		w.claims[i].c.order.Taken(w.claims[i].seq)
	}
	for i := range w.claims {
		c := w.claims[i].c
		c.inFlight[w.claims[i].seq] = struct{}{}
		c.work <- w.claims[i].delivery
	}
	clear(w.claims)
	w.claims = w.claims[:0]
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
