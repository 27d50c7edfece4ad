package memory

import "time"

// kept is how many events are held, in the log or for a group. Requires q.mu.
func (q *Store) kept() int { return q.log.len() + len(q.pinned.records) }

// expire removes what is too old: events that no group waits for, dead letters, seen
// ids. Requires q.mu.
func (q *Store) expire(now time.Time) {
	if since, ok := q.since(now); ok {
		for q.log.len() > 0 && q.log.at(q.log.trimmed+1).mark.Before(since) && q.trimOldest() {
		}
		for _, g := range q.groups {
			g.expire(q, since)
		}
	}
	q.seen.forget(now, q.o.DedupeTTL, q.log.trimmed)
}

// makeRoom removes finished events, oldest first, until one of size fits, and reports
// whether it does. Dead letters go last, and are counted. Requires q.mu.
func (q *Store) makeRoom(size int) bool {
	fits := func() bool { return q.kept() < q.o.RetentionCount && q.bytes+size <= q.o.MaxBytes }
	for !fits() && q.trimOldest() {
	}
	if fits() {
		return true
	}
	q.pinned.oldest(maxLook, func(seq int64) bool {
		q.expireDead(seq)
		return !fits()
	})
	return fits()
}

// maxLook bounds how many events one Publish looks at in search of room.
const maxLook = 256

// trimOldest takes the oldest event out of the log unless a group has yet to begin it.
// What is being worked, waits for another attempt or is a dead letter stays for its
// group. Requires q.mu.
func (q *Store) trimOldest() bool {
	if q.log.len() == 0 {
		return false
	}
	seq := q.log.trimmed + 1
	held := false
	for _, g := range q.groups {
		if seq > g.cursor {
			return false
		}
		held = held || g.work[seq] != nil
	}
	for _, g := range q.groups {
		delete(g.took, seq)
	}
	r := q.log.trim()
	if held {
		q.pinned.put(seq, r)
	} else {
		q.bytes -= r.size
	}
	return true
}

// expireDead removes a pinned event when all that is left of it are dead letters.
// Requires q.mu.
func (q *Store) expireDead(seq int64) {
	for _, g := range q.groups {
		if w := g.work[seq]; w != nil && w.state != dead {
			return
		}
	}
	for _, g := range q.groups {
		if w := g.work[seq]; w != nil {
			g.remove(w)
			g.expired++
		}
	}
	q.unpin(seq)
}

// unpin lets go of an event outside the log that no group has work for any more.
// Requires q.mu.
func (q *Store) unpin(seq int64) {
	if q.pinned.records[seq] == nil {
		return
	}
	for _, g := range q.groups {
		if g.work[seq] != nil {
			return
		}
	}
	q.bytes -= q.pinned.remove(seq).size
}

// stored returns the record of an event in the log or outside. Requires q.mu.
func (q *Store) stored(seq int64) *record {
	if r := q.log.at(seq); r != nil {
		return r
	}
	return q.pinned.records[seq]
}

// expire removes the dead letters that died before since. Requires q.mu.
func (g *group) expire(q *Store, since time.Time) {
	for len(g.dying) > 0 && g.dying[0].at.Before(since) {
		w := g.dying[0]
		g.remove(w)
		g.expired++
		q.unpin(w.seq)
	}
}
