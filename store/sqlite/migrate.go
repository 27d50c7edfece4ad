package sqlite

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"

	"slackmcp/store/internal/eventlog"
)

// queueLayout marks the file of the events ("SWSQ"). Version 1 had the seen ids in seen_runs
// and seen_ids, see oldIDs.
var queueLayout = layout{id: 0x53575351, version: 2}

// The tables. A commit of new events writes the ends of events and seen and nothing else,
// and with consumers the one page of groups.
const queueSchema = `
-- epoch: names the store in every position.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row. trimmed: the log begins behind this event; older ones in events are kept
-- for a group that still has work for them. opened counts: a commit that proves that
-- the file can be written.
CREATE TABLE log (id INTEGER PRIMARY KEY CHECK (id = 1), trimmed INTEGER NOT NULL, opened INTEGER NOT NULL);

-- Instants are Unix nanoseconds, or seconds.nanoseconds as text beyond their range.
-- mark is the latest received_at up to this event.
CREATE TABLE events (
	seq INTEGER PRIMARY KEY,
	stored_at INTEGER NOT NULL,
	mark INTEGER NOT NULL,
	received_at, at,
	source TEXT, id TEXT, type TEXT, subtype TEXT,
	team TEXT, channel TEXT, channel_type TEXT, user TEXT, thread TEXT,
	from_self INTEGER, encoding INTEGER, retry_num INTEGER, retry_reason TEXT, headers TEXT,
	raw BLOB
);

-- leased: the events whose first attempt runs. What is at or before cursor, not leased
-- and not in work is done.
CREATE TABLE groups (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	start INTEGER NOT NULL,
	cursor INTEGER NOT NULL,
	adopted INTEGER NOT NULL,
	expired INTEGER NOT NULL,
	leased BLOB
);

-- Events that are neither waiting for their first attempt nor simply done.
CREATE TABLE work (
	grp INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	state INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	at INTEGER NOT NULL,
	reason TEXT,
	PRIMARY KEY (grp, seq)
) WITHOUT ROWID;
CREATE INDEX work_at ON work (grp, state, at);
CREATE INDEX work_seq ON work (seq);

INSERT INTO log (id, trimmed, opened) VALUES (1, 0, 0);
`

// ids: for the events first, first+1, ... 16 bytes of a hash of source and id each, and 8 of
// the instant at which the event was stored; see seen.go.
const seenSchema = "CREATE TABLE seen (first INTEGER PRIMARY KEY, newest_at INTEGER NOT NULL, ids BLOB NOT NULL);"

// migrationStep is called before each step of a migration; tests end the process there.
var migrationStep = func(step string) {}

// migrate makes the tables in an empty file, and brings a file of layout 1 to layout 2:
//
//  1. One transaction makes the table seen, fills it from all that the earlier build knew of
//     seen ids, compares it with that, and sets the version.
//  2. The new table is read from the file and compared once more.
//  3. Another transaction removes the old tables.
//
// A process that ends in between goes on at the next start with the step that it was at.
func migrate(d *database) error {
	if d.found == 0 {
		return d.create(queueLayout, queueSchema+seenSchema+blockSchema, func() error {
			epoch := newEpoch()
			_, err := d.exec("INSERT INTO meta VALUES ('epoch', ?)", epoch)
			return err
		})
	}
	if d.found == 1 {
		if err := d.transaction(func() error { return fillSeen(d) }); err != nil {
			return fmt.Errorf("bring the store to layout %d: %w", queueLayout.version, err)
		}
	}
	// Not a layout of its own, so that an earlier build still opens the file.
	if err := d.transaction(func() error { return d.script(blockSchema) }); err != nil {
		return fmt.Errorf("add the blocks to the store: %w", err)
	}
	if err := addHeaders(d); err != nil {
		return fmt.Errorf("add the headers to the store: %w", err)
	}
	old, err := d.number("SELECT count(*) FROM sqlite_schema WHERE name IN ('seen_runs', 'seen_ids')")
	if err != nil || old == 0 {
		return err
	}
	migrationStep("verify")
	err = compareIDs(d.session)
	switch {
	case broken(err):
		return err
	case err != nil:
		// What the earlier build wrote is all there still: it may have the file back.
		back := d.transaction(func() error { return d.script("DROP TABLE seen; PRAGMA user_version = 1") })
		return fmt.Errorf("%w: the store was given back as the earlier build left it: use that build, and report this", errors.Join(err, back))
	}
	migrationStep("remove the old tables")
	err = d.transaction(func() error {
		err := d.script("DROP TABLE seen_ids; DROP TABLE seen_runs")
		migrationStep("commit the removal")
		return err
	})
	migrationStep("end")
	return err
}

// hasHeaders asks whether the events have their headers, which an earlier build did not keep.
const hasHeaders = "SELECT count(*) FROM pragma_table_info('events') WHERE name = 'headers'"

// addHeaders adds the column of kept headers, without writing a row. An earlier build leaves it empty.
func addHeaders(d *database) error {
	n, err := d.number(hasHeaders)
	if err != nil || n > 0 {
		return err
	}
	return d.transaction(func() error { return d.script("ALTER TABLE events ADD COLUMN headers TEXT") })
}

// fillSeen is the first step of migrate.
func fillSeen(d *database) error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"begin", func() error { return d.script(seenSchema) }},
		{"fill", func() error { return copyIDs(d.session) }},
		{"compare", func() error { return compareIDs(d.session) }},
		{"set the version", func() error { return d.script(fmt.Sprintf("PRAGMA user_version = %d", queueLayout.version)) }},
		{"commit", func() error { return nil }},
	} {
		migrationStep(step.name)
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

// create makes the tables in an empty file.
func (d *database) create(l layout, schema string, fill func() error) error {
	return d.transaction(func() error {
		if err := d.script(schema); err != nil {
			return err
		}
		if err := fill(); err != nil {
			return err
		}
		return d.script(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", l.id, l.version))
	})
}

func newEpoch() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // It never fails.
	return hex.EncodeToString(b[:])
}

// A seenID is one id as it is known for an event.
type seenID struct {
	place
	key eventlog.Key
}

// copyIDs fills the table seen from what layout 1 has.
func copyIDs(s session) error {
	var r idRow
	write := func() error {
		if len(r.ids) == 0 {
			return nil
		}
		migrationStep("copy")
		_, err := s.exec(putIDs, r.first, r.newestAt, r.ids)
		r.ids = r.ids[:0]
		return err
	}
	for id, err := range oldIDs(s) {
		if err != nil {
			return err
		}
		if r.len() == fullRow || id.seq != r.first+r.len() {
			if err := write(); err != nil {
				return err
			}
		}
		r.add(&id.key, id.seq, id.at)
	}
	return write()
}

// compareIDs checks that the table seen has exactly what layout 1 has.
func compareIDs(s session) error {
	next, stop := iter.Pull2(oldIDs(s))
	defer stop()
	n := 0
	err := eachIDRow(s, func(r *idRow) error {
		for i := range r.len() {
			want, err, ok := next()
			if err != nil {
				return err
			}
			key, at, _ := r.id(r.first + i)
			if got := (seenID{place{r.first + i, at}, key}); !ok || got != want {
				return fmt.Errorf("seen ids: the copy differs from the original at the id of event %d", r.first+i)
			}
			n++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err, more := next(); more {
		return errors.Join(err, fmt.Errorf("seen ids: the copy has %d ids and the original has more", n))
	}
	return nil
}

// oldIDs yields the seen ids of layout 1 in the order of their events.
//
// There they are in two places. seen_runs lists runs, the oldest first, of ids whose events
// follow those of the run before; seen_ids has a run's ids, 32 bytes each (16 of the hash,
// the event's number, the instant), sorted by the hash, in chunks whose number has the run's
// number in its upper bits. The newest ids, some thousands, are in no run yet: they are known
// by the rows of their events alone.
func oldIDs(s session) iter.Seq2[seenID, error] {
	return func(yield func(seenID, error) bool) {
		stopped := errors.New("stopped")
		give := func(id seenID) error {
			if !yield(id, nil) {
				return stopped
			}
			return nil
		}
		flushed, err := eachOldRun(s, give)
		if err == nil {
			err = s.each(func(scan func(...any) error) error {
				var id seenID
				var source, name string
				if err := scan(&id.seq, &id.at, &source, &name); err != nil {
					return err
				}
				id.key = eventlog.KeyOf(source, name)
				return give(id)
			}, "SELECT seq, stored_at, ifnull(source, ''), ifnull(id, '') FROM events WHERE seq > max(?, (SELECT trimmed FROM log)) ORDER BY seq", flushed)
		}
		if err != nil && !errors.Is(err, stopped) {
			yield(seenID{}, err)
		}
	}
}

// eachOldRun calls give with the ids in runs, and returns up to which event they go.
func eachOldRun(s session, give func(seenID) error) (flushed int64, err error) {
	var runs []oldRun
	err = s.each(func(scan func(...any) error) error {
		var r oldRun
		err := scan(&r.number, &r.ids, &r.toSeq)
		runs = append(runs, r)
		return err
	}, "SELECT run, ids, to_seq FROM seen_runs ORDER BY run")
	if err != nil {
		return 0, err
	}
	for _, r := range runs {
		list, err := r.read(s)
		if err != nil {
			return 0, err
		}
		for _, id := range list {
			if err := give(id); err != nil {
				return 0, err
			}
		}
		flushed = max(flushed, r.toSeq)
	}
	return flushed, nil
}

// An oldRun is a row of seen_runs.
type oldRun struct{ number, ids, toSeq int64 }

// read returns the ids of a run in the order of their events.
func (r oldRun) read(s session) ([]seenID, error) {
	const chunkBits, entry = 20, 32
	list := make([]seenID, 0, r.ids)
	err := s.each(func(scan func(...any) error) error {
		var b []byte
		err := scan(&b)
		for ; len(b) >= entry; b = b[entry:] {
			list = append(list, seenID{key: eventlog.Key(b[:16]), place: place{
				seq: int64(binary.BigEndian.Uint64(b[16:])), //nolint:gosec // As it was written.
				at:  int64(binary.BigEndian.Uint64(b[24:])), //nolint:gosec // As it was written.
			}})
		}
		return err
	}, "SELECT entries FROM seen_ids WHERE chunk >= ? AND chunk < ? ORDER BY chunk", r.number<<chunkBits, (r.number+1)<<chunkBits)
	if err != nil {
		return nil, err
	}
	if int64(len(list)) != r.ids {
		return nil, fmt.Errorf("seen ids: run %d has %d ids, and %d were found: the store was damaged; restore it", r.number, r.ids, len(list))
	}
	slices.SortFunc(list, func(a, b seenID) int { return cmp.Or(cmp.Compare(a.seq, b.seq), bytes.Compare(a.key[:], b.key[:])) })
	return list, nil
}
