package sqlite

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slackmcp/store/internal/eventlog"
)

// salvage calls fn with each row of a query that can be read. The query's one argument is the
// least key of the rows, and it is ordered by that key, which fn returns. What cannot be read
// is passed over one key at a time, up to last.
func salvage(s session, query string, last int64, fn func(scan func(...any) error) (key int64, err error)) error {
	for next := int64(0); ; next++ {
		err := s.each(func(scan func(...any) error) error {
			key, err := fn(scan)
			next = max(next, key+1)
			return err
		}, query, next)
		switch {
		case !unreadable(err):
			return err
		case next >= last:
			return nil
		}
	}
}

// A salvaged is what was read of a damaged events' file.
type salvaged struct {
	from    session
	to      *database
	epoch   string
	trimmed int64
	last    int64            // the newest event that may have been stored
	events  map[int64]seenID // those that were written
	inLog   int64            // how many of them are in the log
	work    map[int64]bool   // the events that a group has work for
	columns []any            // of a row of events
	read    string           // the names of the columns: a file of an earlier build has no headers
}

// copyQueue copies the tables of the events' file.
func (j *repair) copyQueue(from session, pages int64, to *database) error {
	c := &salvaged{from: from, to: to, last: j.before.Events, events: map[int64]seenID{}, work: map[int64]bool{}, columns: make([]any, eventColumns), read: allColumns}
	if n, err := from.number(hasHeaders); n == 0 && err == nil {
		c.read = strings.TrimSuffix(allColumns, "headers") + "NULL"
	}
	for _, step := range []func() error{
		func() error { return c.bounds(j) },
		func() error { return c.groups(j) },
		func() error { return c.workRows(j) },
		c.rows,
		func() error { return c.strays(pages) },
		func() error { return c.ids(j) },
		func() error { return c.finish(j) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// bounds reads the log's name and where it begins.
func (c *salvaged) bounds(j *repair) error {
	_, err := c.from.one([]any{&c.epoch}, "SELECT value FROM meta WHERE name = 'epoch'")
	if err != nil && !unreadable(err) {
		return err
	}
	if c.epoch == "" {
		c.epoch = j.before.Epoch
	}
	if c.trimmed, err = c.from.number("SELECT trimmed FROM log"); err != nil && !unreadable(err) {
		return err
	}
	newest, err := c.from.number("SELECT max(seq) FROM events")
	if err != nil && !unreadable(err) {
		return err
	}
	c.last = max(c.last, newest)
	return nil
}

func (c *salvaged) groups(j *repair) error {
	err := c.from.each(func(scan func(...any) error) error {
		row := make([]any, 7)
		if err := scan(pointers(row)...); err != nil {
			return err
		}
		if cursor, ok := row[3].(int64); ok {
			c.last = max(c.last, cursor)
		}
		j.report.Groups++
		_, err := c.to.exec("INSERT OR IGNORE INTO groups (id, name, start, cursor, adopted, expired, leased) VALUES (?, ?, ?, ?, ?, ?, ?)", row...)
		return err
	}, "SELECT id, name, start, cursor, adopted, expired, leased FROM groups ORDER BY id")
	if unreadable(err) {
		j.report.lost("groups: those that are lost begin with the oldest event again when a consumer comes (%v)", err)
		return nil
	}
	return err
}

// workRows copies what the groups have on their schedules and among their dead letters.
func (c *salvaged) workRows(j *repair) error {
	groups, err := c.to.numbers("SELECT id FROM groups ORDER BY id")
	if err != nil {
		return err
	}
	for _, id := range groups {
		err := salvage(c.from, fmt.Sprintf("SELECT seq, state, attempts, at, reason FROM work WHERE grp = %d AND seq >= ? ORDER BY seq", id), c.last, func(scan func(...any) error) (int64, error) {
			row := make([]any, 5)
			if err := scan(pointers(row)...); err != nil {
				return 0, err
			}
			seq, _ := row[0].(int64)
			c.work[seq] = true
			_, err := c.to.exec("INSERT OR IGNORE INTO work (grp, seq, state, attempts, at, reason) VALUES (?, ?, ?, ?, ?, ?)", append([]any{id}, row...)...)
			return seq, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// The columns of events, in their order.
const (
	eventColumns = 20
	allColumns   = "seq, stored_at, mark, received_at, at, source, id, type, subtype, team, channel, channel_type, user, thread, from_self, encoding, retry_num, retry_reason, raw, headers"
)

// rows copies the events that the table leads to.
func (c *salvaged) rows() error {
	return salvage(c.from, "SELECT "+c.read+" FROM events WHERE seq >= ? ORDER BY seq", c.last, func(scan func(...any) error) (int64, error) {
		return c.row(scan)
	})
}

// row copies an event, unless it was copied before, or is none.
func (c *salvaged) row(scan func(...any) error) (seq int64, err error) {
	if err := scan(pointers(c.columns)...); err != nil {
		return 0, err
	}
	seq, _ = c.columns[0].(int64)
	at, timed := c.columns[1].(int64)
	source, _ := c.columns[5].(string)
	id, _ := c.columns[6].(string)
	body, _ := c.columns[18].([]byte)
	_, copied := c.events[seq]
	if copied || seq <= 0 || !timed || source == "" || id == "" || len(body) == 0 || seq <= c.trimmed && !c.work[seq] {
		return seq, nil
	}
	c.events[seq] = seenID{place{seq, at}, eventlog.KeyOf(source, id)}
	if seq > c.trimmed {
		c.inLog++
	}
	_, err = c.to.exec("INSERT INTO events ("+allColumns+") VALUES (?"+strings.Repeat(", ?", eventColumns-1)+")", c.columns...)
	return seq, err
}

// strays copies the events on pages that the table does not lead to any more, because a page
// above them is damaged. For that each page of rows is taken for the whole table, one by one,
// unless nothing is missing. What is not an event of the log is left out.
func (c *salvaged) strays(pages int64) error {
	if c.complete() {
		return nil
	}
	if _, err := c.from.exec("PRAGMA writable_schema = ON"); err != nil {
		return err
	}
	for page := int64(2); page <= pages && !c.complete(); page++ {
		if _, err := c.from.exec("UPDATE sqlite_schema SET rootpage = ? WHERE name = 'events'", page); err != nil {
			return err
		}
		if err := c.from.each(func(func(...any) error) error { return nil }, "PRAGMA writable_schema = RESET"); err != nil && !unreadable(err) {
			return err
		}
		if _, err := c.from.exec("PRAGMA writable_schema = ON"); err != nil {
			return err
		}
		err := salvage(c.from, "SELECT "+c.read+" FROM events WHERE seq >= ? ORDER BY seq", 0, func(scan func(...any) error) (int64, error) {
			return c.row(scan)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// complete reports whether every event of the log was copied.
func (c *salvaged) complete() bool { return c.inLog >= c.last-c.trimmed }

// ids copies the seen ids, and makes those of the events anew that are lost. The ids of events
// that are lost go with them, so that these can be stored again.
func (c *salvaged) ids(j *repair) error {
	all := maps.Clone(c.events)
	err := salvage(c.from, "SELECT first, newest_at, ids FROM seen WHERE first >= ? ORDER BY first", c.last, func(scan func(...any) error) (int64, error) {
		var r idRow
		if err := scan(&r.first, &r.newestAt, &r.ids); err != nil {
			return 0, err
		}
		for i := range r.len() {
			seq := r.first + i
			if key, at, ok := r.id(seq); ok && (seq <= c.trimmed || c.events[seq].key == key) {
				all[seq] = seenID{place{seq, at}, key}
			}
		}
		return r.first, nil
	})
	if err != nil {
		return err
	}
	j.report.IDs = int64(len(all))
	return c.writeIDs(all)
}

// writeIDs fills the table seen.
func (c *salvaged) writeIDs(all map[int64]seenID) error {
	var r idRow
	write := func() error {
		if len(r.ids) == 0 {
			return nil
		}
		_, err := c.to.exec(putIDs, r.first, r.newestAt, r.ids)
		r = idRow{}
		return err
	}
	for _, seq := range slices.Sorted(maps.Keys(all)) {
		if r.len() == fullRow || seq != r.first+r.len() {
			if err := write(); err != nil {
				return err
			}
		}
		id := all[seq]
		r.add(&id.key, seq, id.at)
	}
	return write()
}

// finish writes what the log is called and where it begins, and what of it is lost.
func (c *salvaged) finish(j *repair) error {
	seqs := slices.Sorted(maps.Keys(c.events))
	j.report.Events = int64(len(seqs))
	newest := c.trimmed
	if n := len(seqs); n > 0 {
		newest = max(newest, seqs[n-1])
	}
	epoch := c.epoch
	if epoch == "" || newest < j.before.Events {
		epoch = newEpoch() // No position is given out twice.
	}
	d := c.losses(j, seqs)
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	for _, w := range []struct {
		query string
		args  []any
	}{
		{"UPDATE log SET trimmed = ?", []any{c.trimmed}},
		{"UPDATE meta SET value = ? WHERE name = 'epoch'", []any{epoch}},
		{"INSERT INTO meta (name, value) VALUES ('damage', ?)", []any{string(text)}},
		{"DELETE FROM work WHERE seq NOT IN (SELECT seq FROM events)", nil},
	} {
		if _, err := c.to.exec(w.query, w.args...); err != nil {
			return err
		}
	}
	j.now.Epoch, j.now.Events = epoch, newest
	return nil
}

// losses reports the runs of events that are missing, and returns them as losses that the
// operator knows of.
func (c *salvaged) losses(j *repair, seqs []int64) *damage {
	d := &damage{}
	b := eventlog.Bounds{Epoch: c.epoch, Trimmed: c.trimmed, Last: c.last}
	gap := func(after, before int64, since, until time.Time) {
		if n := before - after - 1; n > 0 {
			j.report.lost("%d events, from position %s to %s, stored between %s and %s", n, b.Position(after+1), b.Position(before-1), since.Format(time.RFC3339), until.Format(time.RFC3339))
			d.lose(loss{Events: n, Since: since, Until: until, Accepted: true})
		}
	}
	at, when := c.trimmed, time.Time{}
	for _, seq := range seqs {
		if seq <= c.trimmed {
			continue
		}
		stored := instant(c.events[seq].at)
		gap(at, seq, when, stored)
		at, when = seq, stored
	}
	gap(at, c.last+1, when, j.before.At)
	return d
}

// copyValues copies the small values.
func (j *repair) copyValues(from session, _ int64, to *database) error {
	newest := int64(0)
	err := salvage(from, "SELECT rowid, key, version, expires_at, value FROM state WHERE rowid >= ? ORDER BY rowid", j.before.Values, func(scan func(...any) error) (int64, error) {
		row := make([]any, 5)
		if err := scan(pointers(row)...); err != nil {
			return 0, err
		}
		if row[4] == nil {
			row[4] = []byte{} // The driver reads an empty value as nil.
		}
		id, _ := row[0].(int64)
		version, _ := row[2].(int64)
		newest = max(newest, version)
		j.report.Values++
		_, err := to.exec("INSERT OR REPLACE INTO state (key, version, expires_at, value) VALUES (?, ?, ?, ?)", row[1:]...)
		return id, err
	})
	if err != nil {
		return err
	}
	last, err := from.number("SELECT version FROM last")
	if err != nil && !unreadable(err) {
		return err
	}
	if last < j.before.Values {
		j.report.lost("%s of the small values", missingValues(last, j.before.Values))
	}
	j.now.Values = max(last, newest, j.before.Values)
	_, err = to.exec("UPDATE last SET version = ?", j.now.Values)
	return err
}

// pointers are those to the elements of a row.
func pointers(row []any) []any {
	to := make([]any, len(row))
	for i := range row {
		to[i] = &row[i]
	}
	return to
}
