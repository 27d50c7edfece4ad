package sqlite

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"slackmcp/store/internal/engine"
	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// What marks a file as ours and says how it is laid out.
const (
	applicationID = 0x53575354 // "SWST"
	layout        = 1
	busyMillis    = 2000
)

// expires_at is in Unix nanoseconds, far away for what never does. The one row of last is
// the highest version that was ever given.
const schema = `
CREATE TABLE state (key TEXT PRIMARY KEY, version INTEGER NOT NULL, expires_at INTEGER NOT NULL, value BLOB NOT NULL);
CREATE INDEX state_expires ON state (expires_at);
CREATE TABLE last (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
INSERT INTO last VALUES (1, 0);
`

const never = math.MaxInt64

// statements stay prepared.
type statements struct {
	get, put, mark, del, list, expired, sweep *engine.Stmt
}

// open opens the file, and brings what an earlier connection left in the log into the
// database: after a failed sync the log's pages may never reach the disk by themselves.
// Requires s.mu.
func (s *Store) open() (err error) {
	conn, err := engine.Open(s.path, engine.ReadWrite, busyMillis)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.KeepLogOnClose(), conn.Close())
		}
	}()
	if err := conn.Exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY"); err != nil {
		return err
	}
	if err := migrate(conn, s.path); err != nil {
		return err
	}
	if _, _, err := conn.Checkpoint(engine.Truncate); err != nil {
		return err
	}
	last, err := conn.Int("SELECT version FROM last")
	if err != nil {
		return err
	}
	stmt, err := prepare(conn)
	if err != nil {
		return err
	}
	s.conn, s.stmt, s.last = conn, stmt, max(last, s.last)
	return nil
}

func migrate(c *engine.Conn, path string) error {
	id, err := c.Int("PRAGMA application_id")
	if err != nil {
		return err
	}
	v, err := c.Int("PRAGMA user_version")
	switch {
	case err != nil:
		return err
	case id == applicationID && v == layout:
		return nil
	case id == applicationID && v > layout:
		return fmt.Errorf("%s has layout %d and this program knows %d: use the newer program, or another data directory", path, v, layout)
	case id != 0 || v != 0:
		return fmt.Errorf("%s is a database of another program: use another data directory", path)
	}
	return c.Exec(fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", schema, applicationID, layout))
}

func prepare(c *engine.Conn) (t statements, err error) {
	for _, one := range []struct {
		stmt **engine.Stmt
		sql  string
	}{
		{&t.get, "SELECT version, expires_at, value FROM state WHERE key = ?1 AND expires_at > ?2"},
		{&t.put, "INSERT INTO state VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at, value = excluded.value"},
		{&t.mark, "UPDATE last SET version = ?1"},
		{&t.del, "DELETE FROM state WHERE key = ?1"},
		{&t.list, "SELECT version, expires_at, value, key FROM state WHERE key >= ?1 AND key < ?2 AND expires_at > ?3 ORDER BY key LIMIT ?4"},
		{&t.expired, "SELECT key FROM state WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 1000"},
		{&t.sweep, "DELETE FROM state WHERE key = ?1 AND expires_at <= ?2"},
	} {
		if *one.stmt, err = c.Prepare(one.sql); err != nil {
			return t, err
		}
	}
	return t, nil
}

// discard closes the connection and leaves the log as it is; the next call opens it
// again. Requires s.mu.
func (s *Store) discard() {
	_ = s.conn.KeepLogOnClose()
	_ = s.conn.Close() // the error that led here is the one to tell
	s.conn = nil
}

// transaction requires s.mu. When fn fails nothing is changed.
func (s *Store) transaction(fn func() error) error {
	if err := s.conn.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		err = s.conn.Exec("COMMIT")
	}
	if err == nil {
		return nil
	}
	if rollback := s.conn.Exec("ROLLBACK"); rollback != nil {
		return errors.Join(err, rollback)
	}
	return err
}

// read requires s.mu.
func (s *Store) read(key string, now int64) (e state.Entry, err error) {
	s.stmt.get.BindText(1, key)
	s.stmt.get.BindInt(2, now)
	ok, err := s.stmt.get.Step()
	if err != nil {
		return e, err
	}
	if !ok {
		return e, state.ErrNotFound
	}
	defer s.stmt.get.Reset()
	return entry(s.stmt.get, key), nil
}

func entry(row *engine.Stmt, key string) state.Entry {
	e := state.Entry{Key: key, Version: strconv.FormatInt(row.Int(0), 10), Value: row.Bytes(2)}
	if at := row.Int(1); at != never {
		e.ExpiresAt = time.Unix(0, at)
	}
	return e
}

// write requires s.mu and a transaction.
func (s *Store) write(key string, value []byte, p state.Put, now int64) (string, error) {
	if p.IfAbsent || p.IfVersion != "" {
		old, err := s.read(key, now)
		switch {
		case err != nil && !errors.Is(err, state.ErrNotFound):
			return "", err
		case p.IfAbsent && err == nil, p.IfVersion != "" && old.Version != p.IfVersion:
			return "", state.ErrConflict
		}
	}
	expires := int64(never)
	if p.TTL > 0 {
		expires = now + int64(p.TTL)
	}
	if value == nil {
		value = []byte{}
	}
	version := s.last + 1
	s.stmt.put.BindText(1, key)
	s.stmt.put.BindInt(2, version)
	s.stmt.put.BindInt(3, expires)
	s.stmt.put.BindBytes(4, value)
	s.stmt.mark.BindInt(1, version)
	if err := errors.Join(s.stmt.put.Run(), s.stmt.mark.Run()); err != nil {
		return "", err
	}
	// The number is used up, whether or not the commit succeeds.
	s.last = version
	s.hub.Notify(state.Change{Key: key})
	return strconv.FormatInt(version, 10), nil
}

// remove requires s.mu and a transaction.
func (s *Store) remove(key, ifVersion string, now int64) error {
	old, err := s.read(key, now)
	if err != nil {
		return err
	}
	if ifVersion != "" && old.Version != ifVersion {
		return state.ErrConflict
	}
	s.stmt.del.BindText(1, key)
	if err := s.stmt.del.Run(); err != nil {
		return err
	}
	s.hub.Notify(state.Change{Key: key, Gone: true})
	return nil
}

// page requires s.mu.
func (s *Store) page(prefix, after string, limit int, now int64) (list []state.Entry, err error) {
	low, high := values.Range(prefix, after)
	s.stmt.list.BindText(1, low)
	s.stmt.list.BindText(2, high)
	s.stmt.list.BindInt(3, now)
	s.stmt.list.BindInt(4, int64(limit))
	err = s.stmt.list.Each(func() error {
		list = append(list, entry(s.stmt.list, s.stmt.list.Text(3)))
		return nil
	})
	return list, err
}

// expire requires s.mu. It writes only when something has expired.
func (s *Store) expire(now int64) error {
	var keys []string
	s.stmt.expired.BindInt(1, now)
	if err := s.stmt.expired.Each(func() error {
		keys = append(keys, s.stmt.expired.Text(0))
		return nil
	}); err != nil || len(keys) == 0 {
		return err
	}
	err := s.transaction(func() error {
		for _, key := range keys {
			s.stmt.sweep.BindText(1, key)
			s.stmt.sweep.BindInt(2, now)
			if err := s.stmt.sweep.Run(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		s.hub.Notify(state.Change{Key: key, Gone: true})
	}
	return nil
}
