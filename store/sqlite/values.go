package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"slackmcp/store/internal/values"
	"slackmcp/store/state"
)

// valuesLayout marks the file of the small values ("SWST").
var valuesLayout = layout{id: 0x53575354, version: 1}

// expires_at is in Unix nanoseconds, far away for what never expires. The one row of last is
// the highest version that was ever given.
const valuesSchema = `
CREATE TABLE state (key TEXT PRIMARY KEY, version INTEGER NOT NULL, expires_at INTEGER NOT NULL, value BLOB NOT NULL);
CREATE INDEX state_expires ON state (expires_at);
CREATE TABLE last (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
INSERT INTO last VALUES (1, 0);
`

const never = math.MaxInt64

// smallValues are the small values of a Store. They have a file of their own, so that neither
// a Put waits for a batch of events nor the events for a Put: each is one sync, and the two
// files are synced side by side. A value is on the disk before Put returns, whatever
// Synchronous says: a subscription or a session is written once and not sent again.
type smallValues struct {
	path     string
	log      *slog.Logger
	believed func(time.Time) time.Time
	settled  func() bool
	watchers *values.Watchers
	note     *positionNote
	// least is the version that was given according to the position note, and accept says
	// that the file may have gone back behind it.
	least  int64
	accept bool

	mu     sync.Mutex
	db     *database // nil after an error, until the next call opens it again
	last   int64     // the highest version that was given
	sweeps *time.Timer
	closed bool
}

var _ state.Store = (*smallValues)(nil)

var errValuesClosed = errors.New("the store is closed")

// valuesSweepEvery is how late expired values are removed, and their watchers notified.
const valuesSweepEvery = time.Second

// State returns the small values beside the events. They end with the Store.
func (q *Store) State() state.Store { return q.values }

// openValues opens the file, and makes it the first time. The caller has the lock of the
// directory.
func openValues(path string, least int64, accept bool, note *positionNote, o Options) (*smallValues, error) {
	v := &smallValues{path: path, log: o.Logger, believed: o.Believed, settled: o.Settled, watchers: values.NewWatchers(), note: note, least: least, accept: accept}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.open(); err != nil {
		return nil, err
	}
	v.sweeps = time.AfterFunc(valuesSweepEvery, v.sweep)
	return v, nil
}

// open requires v.mu.
func (v *smallValues) open() error {
	db, err := openDatabase(v.path, valuesLayout, Full)
	if err != nil {
		return err
	}
	switch {
	case db.found == 0 && v.least > 0 && !v.accept:
		err = gone(v.path, missingValues(0, v.least))
	case db.found == 0:
		err = db.create(valuesLayout, valuesSchema, func() error { return nil })
	}
	var last int64
	if err == nil {
		err = lengthOf(db.session, v.path)
	}
	if err == nil {
		last, err = db.number("SELECT version FROM last")
	}
	if err == nil && last < v.least && !v.accept {
		err = gone(v.path, missingValues(last, v.least))
	}
	if err != nil {
		return errors.Join(err, db.discard())
	}
	v.db, v.last = db, max(last, v.last, v.least)
	if v.accept && last < v.least {
		// The versions that are missing are not given out again.
		_, err = db.exec("UPDATE last SET version = ?", v.last)
	}
	return err
}

// discard closes the file after an error; the next call opens it again. Where there is only no room, it stays
// open, and can be read. It requires v.mu.
func (v *smallValues) discard(err error) {
	if v.db != nil && !full(err) {
		_ = v.db.discard() // The error that led here is the one to report.
		v.db = nil
	}
}

// close gives the file back and ends the watchers. It is idempotent.
func (v *smallValues) close() error { return v.end((*database).close) }

// abandon is close for a store that did not open: the file stays as it is.
func (v *smallValues) abandon() error { return v.end((*database).discard) }

func (v *smallValues) end(close func(*database) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	v.closed = true
	v.sweeps.Stop()
	v.watchers.Close()
	if v.db == nil {
		return nil
	}
	db := v.db
	v.db = nil
	return close(db)
}

// Get implements state.Store.
func (v *smallValues) Get(ctx context.Context, key string) (e state.Entry, err error) {
	if err := values.CheckKey(key); err != nil {
		return e, err
	}
	err = v.do(ctx, "get", func(now int64) error {
		e, err = v.read(key, now)
		return err
	})
	return e, err
}

// Put implements state.Store.
func (v *smallValues) Put(ctx context.Context, key string, value []byte, p state.Put) (version string, err error) {
	if err := values.CheckPut(key, value, p); err != nil {
		return "", err
	}
	err = v.do(ctx, "put", func(now int64) error {
		err := v.change(state.Change{Key: key}, func() error {
			version, err = v.write(key, value, p, now)
			return err
		})
		if err == nil {
			v.note.advanceValues(v.last)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return version, nil
}

// Delete implements state.Store.
func (v *smallValues) Delete(ctx context.Context, key, ifVersion string) error {
	if err := values.CheckKey(key); err != nil {
		return err
	}
	return v.do(ctx, "delete", func(now int64) error {
		return v.change(state.Change{Key: key, Gone: true}, func() error {
			old, err := v.read(key, now)
			if err != nil {
				return err
			}
			if ifVersion != "" && old.Version != ifVersion {
				return state.ErrConflict
			}
			_, err = v.db.exec("DELETE FROM state WHERE key = ?", key)
			return err
		})
	})
}

// List implements state.Store.
func (v *smallValues) List(ctx context.Context, prefix, after string, limit int) (list []state.Entry, err error) {
	if err := values.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	low, high := values.Range(prefix, after)
	err = v.do(ctx, "list", func(now int64) error {
		list, err = v.entries("SELECT key, version, expires_at, value FROM state WHERE key >= ? AND key < ? AND expires_at > ? ORDER BY key LIMIT ?", low, high, now, values.Limit(limit))
		return err
	})
	return list, err
}

// Watch implements state.Store.
func (v *smallValues) Watch(ctx context.Context, prefix string, fn func(state.Change)) error {
	if err := values.CheckPrefix(prefix); err != nil {
		return err
	}
	return v.watchers.Watch(ctx, prefix, fn)
}

// do runs one operation, and opens the file first when an error closed it.
func (v *smallValues) do(ctx context.Context, op string, fn func(now int64) error) error {
	if err := ctx.Err(); err != nil {
		return values.Fault(ctx, op, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return values.Fault(ctx, op, errValuesClosed)
	}
	if v.db == nil {
		// After a failed sync what stands in the log may not be on the disk.
		err := renewLog(v.path)
		if err == nil {
			err = v.open() //nolint:contextcheck // The file stays open when the call is over.
		}
		if err != nil {
			return values.Fault(ctx, op, err)
		}
		v.log.LogAttrs(ctx, slog.LevelInfo, "state is open again")
	}
	err := fn(v.believed(time.Now()).UnixNano())
	if broken(err) {
		v.log.LogAttrs(ctx, slog.LevelError, "state cannot be written or read", slog.String("operation", op), slog.Any("error", err))
		v.discard(err)
	}
	return values.Fault(ctx, op, err)
}

// change runs fn in a transaction and notifies the watchers of what it has committed. It
// requires v.mu.
func (v *smallValues) change(c state.Change, fn func() error) error {
	if err := v.db.transaction(fn); err != nil {
		return err
	}
	v.watchers.Notify(c)
	return nil
}

// read requires v.mu.
func (v *smallValues) read(key string, now int64) (state.Entry, error) {
	list, err := v.entries("SELECT key, version, expires_at, value FROM state WHERE key = ? AND expires_at > ?", key, now)
	if err == nil && len(list) == 0 {
		err = state.ErrNotFound
	}
	if err != nil {
		return state.Entry{}, err
	}
	return list[0], nil
}

// entries requires v.mu.
func (v *smallValues) entries(query string, args ...any) (list []state.Entry, err error) {
	err = v.db.each(func(scan func(...any) error) error {
		e := state.Entry{}
		var version, expires int64
		if err := scan(&e.Key, &version, &expires, &e.Value); err != nil {
			return err
		}
		e.Version = strconv.FormatInt(version, 10)
		if e.Value == nil {
			e.Value = []byte{} // The driver reads an empty value as nil.
		}
		if expires != never {
			e.ExpiresAt = time.Unix(0, expires)
		}
		list = append(list, e)
		return nil
	}, query, args...)
	return list, err
}

// write requires v.mu and a transaction.
func (v *smallValues) write(key string, value []byte, p state.Put, now int64) (string, error) {
	if p.IfAbsent || p.IfVersion != "" {
		old, err := v.read(key, now)
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
	version := v.last + 1
	if _, err := v.db.exec("INSERT INTO state (key, version, expires_at, value) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at, value = excluded.value", key, version, expires, value); err != nil {
		return "", err
	}
	if _, err := v.db.exec("UPDATE last SET version = ?", version); err != nil {
		return "", err
	}
	// The number is used up, whether or not the commit succeeds.
	v.last = version
	return strconv.FormatInt(version, 10), nil
}

// sweep removes what has expired, now and then. It writes only when something has.
func (v *smallValues) sweep() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	defer v.sweeps.Reset(valuesSweepEvery)
	if v.db == nil || !v.settled() {
		return
	}
	now := v.believed(time.Now()).UnixNano()
	expired, err := v.entries("SELECT key, version, expires_at, value FROM state WHERE expires_at <= ? ORDER BY expires_at LIMIT 1000", now)
	if err == nil && len(expired) > 0 {
		err = v.db.transaction(func() error {
			for _, e := range expired {
				if _, err := v.db.exec("DELETE FROM state WHERE key = ?", e.Key); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		v.log.LogAttrs(context.Background(), slog.LevelError, "expired state cannot be removed", slog.Any("error", err))
		v.discard(err)
		return
	}
	for _, e := range expired {
		v.watchers.Notify(state.Change{Key: e.Key, Gone: true})
	}
}
