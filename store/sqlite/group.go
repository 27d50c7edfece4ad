package sqlite

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
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

// A workState is what work.state says.
type workState int64

const (
	leased   workState = 0
	retrying workState = 1
	dead     workState = 2
	crashed  workState = 3 // the process ended during the attempt, which is not judged yet
	finished workState = 4 // done, and from before the group's start: counted in adopted
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
func (w *writer) schedule(g *group, seq int64, st workState, attempts int, at time.Time, reason string) error {
	if st == retrying && (g.nextDue == 0 || at.UnixNano() < g.nextDue) {
		g.nextDue = at.UnixNano()
	}
	_, err := w.write("INSERT INTO work (grp, seq, state, attempts, at, reason) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (grp, seq) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, at = excluded.at, reason = coalesce(excluded.reason, reason)",
		g.id, seq, st, attempts, at.UnixNano(), storedText(reason))
	return err
}

// finish removes an event's row in work, and the event itself when it has left the log
// and no other group has work for it.
func (w *writer) finish(g *group, seq int64) error {
	if seq <= g.start && seq > w.trimmed {
		return w.schedule(g, seq, finished, 0, time.Unix(0, 0), "")
	}
	if _, err := w.write("DELETE FROM work WHERE grp = ? AND seq = ?", g.id, seq); err != nil {
		return err
	}
	return w.unpin(seq)
}

// unpin removes an event that has left the log and that no group has work for.
func (w *writer) unpin(seq int64) error {
	if seq > w.trimmed {
		return nil
	}
	held, err := w.db.number("SELECT 1 FROM work WHERE seq = ? AND state <> 4 LIMIT 1", seq)
	if err != nil || held != 0 {
		return err
	}
	n, err := w.remove(seq)
	w.pinned -= n
	return err
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
	err := w.db.each(func(scan func(...any) error) error {
		var r row
		err := scan(&r.seq, &r.attempts)
		rows = append(rows, r)
		return err
	}, "SELECT seq, attempts FROM work WHERE grp = ? AND state = 3", g.id)
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
func (w *writer) refresh(g *group) (err error) {
	g.nextDue, err = w.db.number("SELECT at FROM work WHERE grp = ? AND state = 1 ORDER BY at LIMIT 1", g.id)
	return err
}

// saveGroups writes the rows of the groups that changed.
func (w *writer) saveGroups() error {
	for _, g := range w.groups {
		if !g.dirty {
			continue
		}
		var leased []byte // the first attempts that run
		for seq, l := range g.leases {
			if !l.row {
				leased = binary.AppendUvarint(leased, uint64(seq)) //nolint:gosec // never negative
			}
		}
		_, err := w.write("UPDATE groups SET cursor = ?, adopted = ?, expired = ?, leased = ? WHERE id = ?",
			g.cursor, g.adopted, g.expired, leased, g.id)
		if err != nil {
			return err
		}
		g.dirty = false
	}
	return nil
}

// decodeLeases reads the first attempts that ran from the row of a group.
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

// A claim is a delivery that is handed out once it is committed.
type claim struct {
	c *consumer
	delivery
}

// claimFor claims events of one group for its workers that are free. New events and due retries take turns, so that
// neither a backlog nor a storm of failures starves the other.
func (w *writer) claimFor(g *group, now time.Time) error {
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
		e, fresh := w.skip(g, c)
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
		g.turn, g.dirty = false, true
		g.cursor++
		w.take(g, c, delivery{seq: g.cursor, attempt: 1, event: e}, lease{attempt: 1})
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

// far is the latest time for which a retry can have been scheduled now. What is scheduled for later was
// so before the clock was set back, and is due.
func (g *group) far(now time.Time) int64 {
	longest := queue.Policy{}.Longest()
	for _, c := range g.consumers {
		longest = max(longest, c.g.Policy.Longest())
	}
	return now.Add(longest).UnixNano()
}

// due reads the retries that are due.
func (w *writer) due(g *group, now time.Time, limit int) ([]delivery, error) {
	far := g.far(now)
	if g.nextDue == 0 || g.nextDue > now.UnixNano() && g.nextDue <= far {
		return nil, nil
	}
	var list []delivery
	read := func(scan func(...any) error) error {
		var d delivery
		err := scan(&d.seq, &d.attempt)
		d.attempt++
		list = append(list, d)
		return err
	}
	err := w.db.each(read, "SELECT seq, attempts FROM work WHERE grp = ? AND state = 1 AND at <= ? ORDER BY at, seq LIMIT ?", g.id, now.UnixNano(), limit)
	if err == nil && len(list) < limit {
		err = w.db.each(read, "SELECT seq, attempts FROM work WHERE grp = ? AND state = 1 AND at > ? ORDER BY at, seq LIMIT ?", g.id, far, limit-len(list))
	}
	return list, err
}

// skip passes over new events that the consumer's filter does not want, as far as they
// are in memory, and reports whether there is one to claim. It returns that event, or nil
// when the event is not in memory: then it is filtered when it is read.
func (w *writer) skip(g *group, c *consumer) (*event.Event, bool) {
	for ; g.cursor < w.last; g.cursor++ {
		var e event.Event
		known := true
		if i := g.cursor - (w.last - int64(len(w.fresh))); i >= 0 {
			e = w.fresh[i]
		} else {
			e, known = w.q.feed.get(g.cursor + 1)
		}
		switch {
		case !known:
			return nil, true
		case c.g.Filter.Match(&e):
			wanted := e // a copy, so that only the events that are claimed are put on the heap
			return &wanted, true
		}
		g.dirty = true
	}
	return nil, false
}

func (w *writer) claimDue(g *group, c *consumer, d delivery) error {
	if _, err := w.write("UPDATE work SET state = 0, attempts = attempts + 1 WHERE grp = ? AND seq = ?", g.id, d.seq); err != nil {
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
	w.claims = append(w.claims, claim{c: c, delivery: d})
}

// load reads the log's bounds, the seen ids and the groups.
func (w *writer) load(start bool) (err error) {
	found, err := w.db.one([]any{&w.epoch}, "SELECT value FROM meta WHERE name = 'epoch'")
	if err != nil {
		return err
	}
	if !found || w.epoch == "" {
		return errors.New("the store has no epoch: it was damaged; restore it, or use another data directory")
	}
	var last int64
	for _, n := range []struct {
		to    *int64
		query string
	}{
		{&w.trimmed, "SELECT trimmed FROM log"},
		{&last, "SELECT max(seq) FROM events"},
		{&w.mark, "SELECT mark FROM events ORDER BY seq DESC LIMIT 1"},
	} {
		if *n.to, err = w.db.number(n.query); err != nil {
			return err
		}
	}
	w.last = max(last, w.trimmed)
	w.oldestAt, w.ahead, w.sweepAt = 0, 0, time.Time{}
	if err := w.loadSeen(); err != nil {
		return err
	}
	if w.idleGroups {
		return nil
	}
	if err := w.loadGroups(); start || !unreadable(err) {
		return err
	} else {
		_ = w.cannotWork(err) // the process has begun with them, and goes on without
	}
	return nil
}

// loadGroups reads the groups with their counts.
func (w *writer) loadGroups() (err error) {
	w.pinned, err = w.db.number("SELECT count(DISTINCT seq) FROM work WHERE seq <= (SELECT trimmed FROM log) AND state <> 4")
	if err != nil {
		return err
	}
	groups, byID := map[string]*group{}, map[int64]*group{}
	err = w.db.each(func(scan func(...any) error) error {
		g := &group{leases: map[int64]lease{}}
		var first []byte
		if err := scan(&g.id, &g.name, &g.start, &g.cursor, &g.adopted, &g.expired, &first); err != nil {
			return err
		}
		for _, seq := range decodeLeases(first) {
			g.leases[seq] = lease{attempt: 1}
		}
		groups[g.name], byID[g.id] = g, g
		return nil
	}, "SELECT id, name, start, cursor, adopted, expired, leased FROM groups")
	if err != nil {
		return err
	}
	err = w.db.each(func(scan func(...any) error) error {
		var id, seq int64
		var st workState
		var attempts int
		if err := scan(&id, &seq, &st, &attempts); err != nil {
			return err
		}
		if g := byID[id]; g != nil {
			g.count(seq, st, attempts)
		}
		return nil
	}, "SELECT grp, seq, state, attempts FROM work WHERE state <> 4")
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := w.refresh(g); err != nil {
			return err
		}
	}
	w.groups = groups
	return nil
}

// count enters a row of work.
func (g *group) count(seq int64, st workState, attempts int) {
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

// resume settles what no consumer works any more, and proves with a commit that the file
// can be written.
func (w *writer) resume(start bool) error {
	if err := w.resumeGroups(start, w.q.o.Now()); err != nil {
		return err
	}
	if err := w.openBlocks(); err != nil {
		return err
	}
	if _, err := w.write("UPDATE log SET opened = opened + 1"); err != nil {
		return err
	}
	if err := w.commit(); err != nil {
		return err
	}
	w.show()
	w.q.note.advanceEvents(w.epoch, w.last)
	w.q.feed.restart(w.last)
	w.q.shelf.clear()
	return nil
}

func (w *writer) resumeGroups(start bool, now time.Time) error {
	if w.idleGroups {
		return nil
	}
	for _, g := range w.groups {
		if err := w.resumeGroup(g, start, now); err != nil {
			return err
		}
	}
	return w.saveGroups()
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

// orphan puts an event back whose claim no consumer has: after a crash its attempt has
// begun; after a failed commit it was never handed out.
func (w *writer) orphan(g *group, seq int64, l lease, start bool, now time.Time) error {
	if start {
		g.crashed++
		return w.schedule(g, seq, crashed, l.attempt, now, "")
	}
	g.retrying++
	return w.schedule(g, seq, retrying, l.attempt-1, now, "")
}

// A view is what the last commit made of the store, for all but the writer.
type view struct {
	epoch         string
	last, trimmed int64
	seen          *seen
	groups        []groupView // by name
}

// A groupView is one group's part.
type groupView struct {
	id          int64
	stats       queue.GroupStats
	cursor      int64
	leases      int64 // the oldest first attempt that runs; 0 is none
	nextDue     int64
	consumers   int
	maxDeadline time.Duration
	lastMove    time.Time
}

func (v *view) bounds() eventlog.Bounds {
	return eventlog.Bounds{Epoch: v.epoch, Trimmed: v.trimmed, Last: v.last}
}

func (w *writer) bounds() eventlog.Bounds {
	return eventlog.Bounds{Epoch: w.epoch, Trimmed: w.trimmed, Last: w.last}
}

func (w *writer) position(seq int64) event.Position {
	return event.NewPosition(w.epoch, uint64(seq)) //nolint:gosec // A sequence number is never negative.
}

// show makes the writer's state the view.
func (w *writer) show() {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	v := &w.q.view
	v.epoch, v.last, v.trimmed, v.seen = w.epoch, w.last, w.trimmed, w.seen
	v.groups = v.groups[:0]
	for _, name := range slices.Sorted(maps.Keys(w.groups)) {
		g := w.groups[name]
		gv := groupView{
			id: g.id, stats: g.stats(w.last), cursor: g.cursor,
			nextDue: g.nextDue, consumers: len(g.consumers), lastMove: g.lastMove,
		}
		for seq, l := range g.leases {
			if !l.row && (gv.leases == 0 || seq < gv.leases) {
				gv.leases = seq
			}
		}
		for _, c := range g.consumers {
			gv.maxDeadline = max(gv.maxDeadline, c.g.Deadline)
		}
		v.groups = append(v.groups, gv)
	}
}
