package sqlite

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"slackmcp/store/internal/eventlog"
)

// seen knows every id that was stored, for deduplication and for Get.
//
// The table seen has the ids in the order of their events, and is written at its end, in
// the transaction that stores the events: so an id costs 24 bytes of a page that is written
// anyway, where a table ordered by the ids costs a page at a random place for each, and
// more CPU time than all the rest of a commit (docs/adr/0009-one-road.md has the figures).
// What finds an id in it is a hash table in memory, 8 bytes a slot, which is filled at start.
// A slot holds half of an id's fingerprint and the number of its event; what it finds is
// compared with the table's row, so that an id is never taken for another one.
//
// The writer changes it; readers may look up at any time.
type seen struct {
	mu    sync.RWMutex
	slots []uint64 // a power of two; 0 is free
	taken int      // slots that are not free; those of ids before first are not used any more
	count int64    // ids in the table
	first int64    // the ids of earlier events were dropped
	last  int64    // the newest event
}

// minSlots is the least size of the hash table.
const minSlots = 1 << 10

func newSeen(ids int64) *seen {
	return &seen{slots: make([]uint64, slotsFor(ids)), first: 1}
}

// slotsFor is how large the hash table is that holds so many ids and may grow by half.
func slotsFor(ids int64) int {
	n := minSlots
	for int64(n) < 2*ids {
		n *= 2
	}
	return n
}

// fingerprint is what a slot keeps of a key. It is never 0.
func fingerprint(key *eventlog.Key) uint32 { return binary.BigEndian.Uint32(key[:4]) | 1 }

// home is where the search for a fingerprint begins.
func (s *seen) home(print uint32) int {
	return int(uint64(print) * uint64(len(s.slots)) >> 32)
}

// seqOf is the number of the event in a slot, of which the slot holds the lower half.
func (s *seen) seqOf(slot uint64) int64 {
	return s.last - int64(uint32(s.last)-uint32(slot)) //nolint:gosec // The lower halves are compared.
}

// add remembers an id whose event is being stored. Numbers must ascend.
func (s *seen) add(key *eventlog.Key, seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if 4*(s.taken+1) > 3*len(s.slots) {
		s.rebuild()
	}
	s.last = seq
	s.count++
	s.put(uint64(fingerprint(key))<<32 | uint64(uint32(seq))) //nolint:gosec // See seqOf.
}

// put requires s.mu and a free slot.
func (s *seen) put(slot uint64) {
	i := s.home(uint32(slot >> 32))
	for s.slots[i] != 0 {
		i = (i + 1) & (len(s.slots) - 1)
	}
	s.slots[i] = slot
	s.taken++
}

// rebuild makes the hash table anew, without the ids that were dropped. It requires s.mu.
func (s *seen) rebuild() {
	old := s.slots
	s.slots, s.taken = make([]uint64, slotsFor(s.count+1)), 0
	for _, slot := range old {
		if slot != 0 && s.seqOf(slot) >= s.first {
			s.put(slot)
		}
	}
}

// candidates appends the numbers of the events that may have an id, the newest first.
func (s *seen) candidates(list []int64, key *eventlog.Key) []int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	print := fingerprint(key)
	for i := s.home(print); s.slots[i] != 0; i = (i + 1) & (len(s.slots) - 1) {
		if uint32(s.slots[i]>>32) != print {
			continue
		}
		if seq := s.seqOf(s.slots[i]); seq >= s.first {
			list = append(list, seq)
		}
	}
	slices.SortFunc(list, func(a, b int64) int { return int(b - a) })
	return list
}

// drop forgets the ids of the events before first, of which there were n.
func (s *seen) drop(first, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = first
	s.count -= n
}

// len is how many ids are remembered.
func (s *seen) len() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.count
}

// A place is where an id was stored, and when, in Unix nanoseconds.
type place struct{ seq, at int64 }

// An idRow is a row of seen: the ids of consecutive events with the instants at which they
// were stored.
type idRow struct {
	first, newestAt int64
	ids             []byte
}

// idSize is how many bytes an id takes: its key and the instant.
const idSize = len(eventlog.Key{}) + 8

// fullRow is from how many ids on a row is not appended to any more. Until then the ids of
// the next commit are added to it: it is in the last page, which is written anyway, and at
// start a few long rows are read much faster than many short ones.
const fullRow = 128

// add appends the id of an event, which has to be the next one unless the row is empty.
func (r *idRow) add(key *eventlog.Key, seq, at int64) {
	if len(r.ids) == 0 {
		r.first, r.newestAt = seq, at
	}
	r.newestAt = max(r.newestAt, at)
	r.ids = binary.BigEndian.AppendUint64(append(r.ids, key[:]...), uint64(at)) //nolint:gosec // id reads it back the same way.
}

func (r *idRow) len() int64 { return int64(len(r.ids) / idSize) }

// id returns the key and the instant of an event. ok is false when it is not in the row.
func (r *idRow) id(seq int64) (key eventlog.Key, at int64, ok bool) {
	i := seq - r.first
	if i < 0 || i >= r.len() {
		return key, 0, false
	}
	b := r.ids[i*int64(idSize):]
	return eventlog.Key(b), int64(binary.BigEndian.Uint64(b[len(key):])), true //nolint:gosec // As add wrote it.
}

const (
	putIDs = "INSERT INTO seen (first, newest_at, ids) VALUES (?, ?, ?) ON CONFLICT (first) DO UPDATE SET newest_at = excluded.newest_at, ids = excluded.ids"
	allIDs = "SELECT first, newest_at, ids FROM seen ORDER BY first"
)

// eachIDRow reads the whole table, in order. The row is valid until fn returns.
func eachIDRow(s session, fn func(*idRow) error) error {
	return s.each(func(scan func(...any) error) error {
		var r idRow
		if err := scan(&r.first, &r.newestAt, &r.ids); err != nil {
			return err
		}
		return fn(&r)
	}, allIDs)
}

// loadSeen fills the hash table.
func (w *writer) loadSeen() error {
	first, err := w.db.number("SELECT min(first) FROM seen")
	if unreadable(err) {
		first, err = w.nextIDRow(1)
	}
	if err != nil {
		return err
	}
	w.seen, w.lastIDs, w.newIDs = newSeen(0), idRow{}, false
	if first != 0 {
		w.seen = newSeen(w.last - first + 1)
		w.seen.first = first
	}
	return w.eachReadableRow(func(r *idRow) error {
		for i := range r.len() {
			key, _, _ := r.id(r.first + i)
			w.seen.add(&key, r.first+i)
		}
		if w.lastIDs = *r; r.len() >= fullRow || r.first+r.len() != w.last+1 {
			w.lastIDs = idRow{}
		}
		return nil
	})
}

// eachReadableRow is eachIDRow, but passes over rows that cannot be read: then copies of some events
// are not known.
func (w *writer) eachReadableRow(fn func(*idRow) error) error {
	next := int64(0)
	for {
		err := w.db.each(func(scan func(...any) error) error {
			var r idRow
			if err := scan(&r.first, &r.newestAt, &r.ids); err != nil {
				return err
			}
			next = r.first + 1
			return fn(&r)
		}, "SELECT first, newest_at, ids FROM seen WHERE first >= ? ORDER BY first", next)
		if !unreadable(err) {
			return err
		}
		w.q.foundTable(seenTable, seenMeans, err)
		if next, err = w.nextIDRow(next + 1); err != nil || next == 0 {
			return err
		}
	}
}

// nextIDRow finds from where on the rows can be read; 0 is nowhere.
func (w *writer) nextIDRow(from int64) (int64, error) {
	for ; from <= w.last; from += fullRow / 2 {
		var first, at int64
		var ids []byte
		_, err := w.db.one([]any{&first, &at, &ids}, "SELECT first, newest_at, ids FROM seen WHERE first >= ? ORDER BY first LIMIT 1", from)
		if !unreadable(err) {
			return from, err
		}
	}
	return 0, nil
}

// place finds where and when an id was stored last, in an earlier transaction or in this one.
func (w *writer) place(key *eventlog.Key) (p place, ok bool, err error) {
	w.candidates = w.seen.candidates(w.candidates[:0], key)
	for _, seq := range w.candidates {
		r := &w.lastIDs
		if _, _, here := r.id(seq); !here {
			r = &idRow{}
			_, err := w.db.one([]any{&r.first, &r.newestAt, &r.ids}, "SELECT first, newest_at, ids FROM seen WHERE first <= ? ORDER BY first DESC LIMIT 1", seq)
			if err != nil {
				return place{}, false, w.cannotDrop(err)
			}
		}
		if k, at, here := r.id(seq); here && k == *key {
			return place{seq, at}, true, nil
		}
	}
	return place{}, false, nil
}

// writeIDs writes the ids of the events that this transaction has stored.
func (w *writer) writeIDs() error {
	if !w.newIDs {
		return nil
	}
	r := &w.lastIDs
	_, err := w.write(putIDs, r.first, r.newestAt, r.ids)
	if w.newIDs = false; r.len() >= fullRow {
		r.ids = r.ids[:0]
	}
	return err
}

// cannotDrop notes that the ids cannot be read. The batch fails with err, and the next one does
// without dropping any.
func (w *writer) cannotDrop(err error) error {
	if unreadable(err) {
		w.q.foundTable(seenTable, seenMeans, err)
	}
	return err
}

// dropSeen drops a step of the oldest ids, as far as they have outlived the TTL and their
// events have left the log, where Get looks for them. Those of a row that was written later than
// future, by a clock that was ahead, are as old as those of the next row that was not. It reports
// whether there may be more.
func (w *writer) dropSeen(now time.Time, future int64) (more bool, err error) {
	if w.q.damage.lacks(seenTable) {
		return false, nil // Removing rows beside one that cannot be read fails.
	}
	since := now.Add(-w.q.o.DedupeTTL).UnixNano()
	var first, rows int64
	err = w.db.each(func(scan func(...any) error) error {
		var start, newestAt, n int64
		if err := scan(&start, &newestAt, &n); err != nil {
			return err
		}
		if newestAt > since || start+n-1 > w.trimmed {
			return errStop
		}
		first, rows = start+n, rows+1
		return nil
	}, "SELECT first, newest_at, length(ids) / ? FROM seen WHERE newest_at <= ? ORDER BY first LIMIT ?", idSize, future, trimStep)
	if err != nil || rows == 0 {
		return false, w.cannotDrop(err)
	}
	ids, err := w.db.number("SELECT sum(length(ids)) / ? FROM seen WHERE first < ?", idSize, first)
	if err != nil {
		return false, w.cannotDrop(err)
	}
	if _, err := w.write("DELETE FROM seen WHERE first < ?", first); err != nil {
		return false, w.cannotDrop(err)
	}
	w.seen.drop(first, ids)
	if w.lastIDs.first < first {
		w.lastIDs = idRow{}
	}
	return rows == trimStep, nil
}
