package sqlite

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"slackmcp/store/internal/engine"
)

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
