package sqlite

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"slackmcp/store/internal/engine"
	"slackmcp/webhook/event"
)

// checkpointPages is how long the write-ahead log may grow before a commit copies it
// into the database: 8 MB.
const checkpointPages = 1000

// pageSize of a file that is made now, in bytes; one that is there keeps its own. A page
// of 8 KiB holds a handful of Slack's events, where one of 4 KiB holds two or three and
// the rest of it is written for nothing; each page is two writes to the log.
const pageSize = 8192

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
	w.chunk.stmt = w.stmt.readChunk
	if err := w.load(); err != nil {
		return err
	}
	return w.resume(start)
}

// configure sets what the promise of durability stands on.
func (w *writer) configure() error {
	if err := w.conn.Exec(fmt.Sprintf("PRAGMA page_size = %d", pageSize)); err != nil {
		return err
	}
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

// What marks a file as ours and says how it is laid out (PRAGMA application_id and
// user_version).
const (
	applicationID = 0x53575351 // "SWSQ"
	version       = 1
)

// The tables. A commit of new events writes the end of events and nothing else, and
// with consumers the one page of groups.
const schema = `
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
	from_self INTEGER, encoding INTEGER, retry_num INTEGER, retry_reason TEXT,
	raw BLOB
);

-- Seen ids in sorted runs; see seen.go.
CREATE TABLE seen_runs (run INTEGER PRIMARY KEY, ids INTEGER NOT NULL, to_seq INTEGER NOT NULL, newest_at INTEGER NOT NULL);
CREATE TABLE seen_ids (chunk INTEGER PRIMARY KEY, entries BLOB NOT NULL);

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

// migrate makes the tables in an empty file and refuses a file that is not ours or is
// of a later version.
func migrate(c *engine.Conn, path string) error {
	id, err := c.Int("PRAGMA application_id")
	if err != nil {
		return err
	}
	v, err := c.Int("PRAGMA user_version")
	if err != nil {
		return err
	}
	switch {
	case id == applicationID && v == version:
		return nil
	case id == applicationID && v > version:
		return fmt.Errorf("store %s has layout %d and this program knows %d: use the newer program, or another data directory", path, v, version)
	case id != 0 || v != 0:
		return fmt.Errorf("%s is a database of another program: use another data directory", path)
	}
	epoch, err := newEpoch()
	if err != nil {
		return err
	}
	return c.Exec(fmt.Sprintf("BEGIN IMMEDIATE; %s INSERT INTO meta VALUES ('epoch', '%s'); PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		schema, epoch, applicationID, version))
}

func newEpoch() (string, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make an epoch: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// statements are the writer's, prepared once for each connection.
type statements struct {
	begin, commit *engine.Stmt

	insert, keysAfter           *engine.Stmt
	readChunk, putChunk, putRun *engine.Stmt
	dropChunks, dropRun         *engine.Stmt
	trimEvents, trimMarks       *engine.Stmt
	setTrimmed, agesAfter       *engine.Stmt
	deleteEvent, hasWork        *engine.Stmt

	putGroup, saveGroup, dropGroup, dropWork, groupWork *engine.Stmt

	putWork, getWork, deleteWork, leaseWork *engine.Stmt
	nextDue, dueWork, crashedWork           *engine.Stmt
	pinnedDead, oldDead, workOf             *engine.Stmt
	seqSince                                *engine.Stmt
}

// prepare compiles them all.
func (st *statements) prepare(c *engine.Conn) error {
	for _, p := range []struct {
		to  **engine.Stmt
		sql string
	}{
		{&st.begin, "BEGIN IMMEDIATE"},
		{&st.commit, "COMMIT"},

		{&st.insert, insertEvent},
		{&st.keysAfter, "SELECT seq, stored_at, source, id FROM events WHERE seq > ? ORDER BY seq"},
		{&st.readChunk, selectChunk},
		{&st.putChunk, "INSERT INTO seen_ids (chunk, entries) VALUES (?, ?)"},
		{&st.putRun, "INSERT INTO seen_runs (run, ids, to_seq, newest_at) VALUES (?, ?, ?, ?)"},
		{&st.dropChunks, "DELETE FROM seen_ids WHERE chunk >= ? AND chunk < ?"},
		{&st.dropRun, "DELETE FROM seen_runs WHERE run = ?"},

		{&st.trimEvents, "DELETE FROM events WHERE seq > ?1 AND seq <= ?2 AND seq NOT IN (SELECT seq FROM work WHERE seq > ?1 AND seq <= ?2 AND state <> 4)"},
		{&st.trimMarks, "DELETE FROM work WHERE seq > ?1 AND seq <= ?2 AND state = 4"},
		{&st.setTrimmed, "UPDATE log SET trimmed = ?"},
		{&st.agesAfter, "SELECT seq, stored_at FROM events WHERE seq > ? ORDER BY seq LIMIT ?"},
		{&st.deleteEvent, "DELETE FROM events WHERE seq = ?"},
		{&st.hasWork, "SELECT 1 FROM work WHERE seq = ? AND state <> 4 LIMIT 1"},

		{&st.putGroup, "INSERT INTO groups (id, name, start, cursor, adopted, expired) VALUES (?, ?, ?, ?, 0, 0)"},
		{&st.saveGroup, "UPDATE groups SET cursor = ?, adopted = ?, expired = ?, leased = ? WHERE id = ?"},
		{&st.dropGroup, "DELETE FROM groups WHERE id = ?"},
		{&st.dropWork, "DELETE FROM work WHERE grp = ?"},
		{&st.groupWork, "SELECT seq FROM work WHERE grp = ? AND seq <= ?"},

		{&st.putWork, "INSERT INTO work (grp, seq, state, attempts, at, reason) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (grp, seq) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, at = excluded.at, reason = coalesce(excluded.reason, reason)"},
		{&st.getWork, "SELECT state, attempts FROM work WHERE grp = ? AND seq = ?"},
		{&st.deleteWork, "DELETE FROM work WHERE grp = ? AND seq = ?"},
		{&st.leaseWork, "UPDATE work SET state = 0, attempts = attempts + 1 WHERE grp = ? AND seq = ?"},
		{&st.nextDue, "SELECT at FROM work WHERE grp = ? AND state = 1 ORDER BY at LIMIT 1"},
		{&st.dueWork, "SELECT seq, attempts FROM work WHERE grp = ? AND state = 1 AND at <= ? ORDER BY at, seq LIMIT ?"},
		{&st.crashedWork, "SELECT seq, attempts FROM work WHERE grp = ? AND state = 3"},
		{&st.pinnedDead, "SELECT DISTINCT seq FROM work WHERE seq <= ? AND state = 2 ORDER BY seq LIMIT ?"},
		{&st.oldDead, "SELECT seq FROM work WHERE grp = ? AND state = 2 AND at < ? ORDER BY at LIMIT ?"},
		{&st.workOf, "SELECT grp, state FROM work WHERE seq = ?"},
		{&st.seqSince, selectMark},
	} {
		s, err := c.Prepare(p.sql)
		if err != nil {
			return err
		}
		*p.to = s
	}
	return nil
}

// Statements that readers use as well.
const (
	selectChunk = "SELECT entries FROM seen_ids WHERE chunk = ?"
	selectMark  = "SELECT mark FROM events WHERE seq = ?"
)

// Columns of events in the order in which bindEvent and scanEvent go through them.
const (
	columns     = "seq, stored_at, mark, received_at, at, source, id, type, subtype, team, channel, channel_type, user, thread, from_self, encoding, retry_num, retry_reason, raw"
	insertEvent = "INSERT INTO events (" + columns + ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
	colRaw      = 18
)

func bindEvent(s *engine.Stmt, seq, storedAt, mark int64, e *event.Event) {
	s.BindInt(1, seq)
	s.BindInt(2, storedAt)
	s.BindInt(3, mark)
	bindTime(s, 4, e.ReceivedAt)
	bindTime(s, 5, e.At)
	for i, v := range [...]string{
		e.Source, e.ID, e.Kind.Type, e.Kind.Subtype,
		e.Team, e.Channel, e.ChannelType, e.User, e.Thread,
	} {
		s.BindText(6+i, v)
	}
	var self int64
	if e.FromSelf {
		self = 1
	}
	s.BindInt(15, self)
	s.BindInt(16, int64(e.Encoding))
	s.BindInt(17, int64(e.Retry.Num))
	s.BindText(18, e.Retry.Reason)
	s.BindBytes(19, e.Raw)
}

// scanEvent reads a row without its raw body and its position.
func scanEvent(s *engine.Stmt) (event.Event, error) {
	e := event.Event{
		Source: s.Text(5), ID: s.Text(6),
		Kind: event.Kind{Type: s.Text(7), Subtype: s.Text(8)},
		Team: s.Text(9), Channel: s.Text(10), ChannelType: s.Text(11), User: s.Text(12), Thread: s.Text(13),
		FromSelf: s.Int(14) != 0,
		Encoding: event.Encoding(s.Int(15)), //nolint:gosec // written by bindEvent
		Retry:    event.Retry{Num: int(s.Int(16)), Reason: s.Text(17)},
	}
	var err error
	if e.ReceivedAt, err = scanTime(s, 3); err != nil {
		return e, err
	}
	e.At, err = scanTime(s, 4)
	return e, err
}

// nanoRange is how many seconds around 1970 Unix nanoseconds can express.
const nanoRange = 9_000_000_000

func bindTime(s *engine.Stmt, i int, t time.Time) {
	switch sec := t.Unix(); {
	case t.IsZero():
		s.BindNull(i)
	case -nanoRange < sec && sec < nanoRange:
		s.BindInt(i, t.UnixNano())
	default:
		// A sender may claim any second; it is kept as it was claimed.
		s.BindText(i, fmt.Sprintf("%d.%09d", sec, t.Nanosecond()))
	}
}

func scanTime(s *engine.Stmt, i int) (time.Time, error) {
	switch {
	case s.Null(i):
		return time.Time{}, nil
	case !s.IsText(i):
		return time.Unix(0, s.Int(i)).UTC(), nil
	}
	secs, nanos, _ := strings.Cut(s.Text(i), ".")
	sec, err1 := strconv.ParseInt(secs, 10, 64)
	nano, err2 := strconv.ParseInt(nanos, 10, 64)
	if err1 != nil || err2 != nil {
		return time.Time{}, fmt.Errorf("stored event: ill-formed instant in column %d", i)
	}
	return time.Unix(sec, nano).UTC(), nil
}
