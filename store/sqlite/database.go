package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"

	"slackmcp/webhook/event"
)

// A fault is an error of the database, of its file or of the disk below it. An error that is
// a caller's own, such as an unknown group, is never one.
type fault struct {
	op  string
	err error
}

// Error returns what was tried and SQLite's explanation, which carries no values.
func (f *fault) Error() string { return f.op + ": " + f.err.Error() }

// Unwrap returns the driver's error.
func (f *fault) Unwrap() error { return f.err }

// broken reports whether an error is one of the store, and not one of a caller.
func broken(err error) bool {
	_, ok := errors.AsType[*fault](err)
	return ok
}

// full reports whether an error says that the disk has no room. Then nothing was written, and what is on
// the disk is whole.
func full(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == 13 // SQLITE_FULL
}

// noShared reports whether SQLite could not make the file beside a database that its connections share, as on a
// full disk.
func noShared(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code() == 4874 // SQLITE_IOERR_SHMSIZE
}

func faulty(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fault{op, err}
}

// connect returns a pool of connections to an existing file; an empty file is an empty
// database. A connection of mode "ro" never writes, not even when it is closed. A busy
// database is waited for: within one process only a checkpoint and the recovery hold a
// lock, and not for long.
func connect(path, mode string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dataSource(path, mode))
	return db, faulty("open", err)
}

// dataSource names a file to the driver.
func dataSource(path, mode string) string {
	path = filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode +
		"&_error_rc=1&_pragma=busy_timeout(5000)&_pragma=temp_store(MEMORY)"
}

// A connection is one connection of a pool with the statements that were prepared on it.
type connection struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
}

// take takes a connection out of a pool.
func take(ctx context.Context, pool *sql.DB) (*connection, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, faulty("open", err)
	}
	return &connection{c, map[string]*sql.Stmt{}}, nil
}

// statement returns a statement that is prepared once.
func (c *connection) statement(query string) (s *sql.Stmt, err error) {
	if s = c.prepared[query]; s == nil {
		if s, err = c.PrepareContext(context.Background(), query); err == nil {
			c.prepared[query] = s
		}
	}
	return s, err
}

// close gives the connection back to its pool. SQLite does not let go of the file while a
// statement is open, and closing a sql.Conn does not close its statements.
func (c *connection) close() error {
	var errs []error
	for _, s := range c.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.Close())...)
}

// A session runs prepared statements: on the writer's connection, or in the transaction of
// a reader. It belongs to one goroutine.
type session struct {
	ctx     context.Context //nolint:containedctx // A session lives as long as the call that has it.
	prepare func(query string) (*sql.Stmt, error)
}

// exec runs a statement that yields no rows and returns how many rows it changed.
func (s session) exec(query string, args ...any) (int64, error) {
	stmt, err := s.prepare(query)
	if err != nil {
		return 0, faulty("prepare", err)
	}
	r, err := stmt.ExecContext(s.ctx, args...)
	if err != nil {
		return 0, faulty("write", err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, faulty("write", err)
	}
	return n, nil
}

// errStop ends a call of each without an error.
var errStop = errors.New("stop")

// each calls fn for each row of a query until fn returns an error. fn reads the row's
// columns with scan.
func (s session) each(fn func(scan func(...any) error) error, query string, args ...any) error {
	stmt, err := s.prepare(query)
	if err != nil {
		return faulty("prepare", err)
	}
	rows, err := stmt.QueryContext(s.ctx, args...)
	if err != nil {
		return faulty("read", err)
	}
	// A statement that stays open holds a snapshot, and while there is one the
	// write-ahead log cannot begin anew.
	defer rows.Close() // What it returns Err returns as well.
	scan := func(to ...any) error { return faulty("read", rows.Scan(to...)) }
	for rows.Next() {
		if err := fn(scan); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
	}
	return faulty("read", rows.Err())
}

// one reads the first row of a query, and reports whether there is one.
func (s session) one(to []any, query string, args ...any) (found bool, err error) {
	err = s.each(func(scan func(...any) error) error {
		found = true
		return errors.Join(scan(to...), errStop)
	}, query, args...)
	return found, err
}

// number reads the one number that a query answers; 0 when there is no row, or NULL.
func (s session) number(query string, args ...any) (int64, error) {
	var n sql.NullInt64
	_, err := s.one([]any{&n}, query, args...)
	return n.Int64, err
}

// numbers reads the first number of each row.
func (s session) numbers(query string, args ...any) ([]int64, error) {
	var list []int64
	err := s.each(func(scan func(...any) error) error {
		var n int64
		err := scan(&n)
		list = append(list, n)
		return err
	}, query, args...)
	return list, err
}

// A database is a file of ours with the one connection that writes it.
type database struct {
	session
	path string
	pool *sql.DB // has the one connection
	conn *connection
	// guard is a second connection, which only reads. While it is open, closing the first
	// one leaves the write-ahead log as it is: SQLite writes the log into the database
	// only when the last connection is closed, and not when that one only reads.
	guard *sql.DB
	// found is the version of the layout that the file had; 0 is a new file.
	found int64
}

// A layout says what marks a file as ours (PRAGMA application_id) and which version of its
// tables this program writes (PRAGMA user_version).
type layout struct{ id, version int64 }

// pageSize of a file that is made now, in bytes; one that is there keeps its own. A page
// of 8 KiB holds a handful of Slack's events, where one of 4 KiB holds two or three and
// the rest of it is written for nothing; each page is two writes to the log.
const pageSize = 8192

// checkpointPages is how long the write-ahead log may grow before a commit copies it
// into the database: 8 MB. walLimit is to what size, in bytes, it is cut back after it had
// to grow.
const (
	checkpointPages = 1000
	walLimit        = 64 << 20
)

// openDatabase opens a file for writing. It refuses one that is not of this layout's kind,
// or of a later version, before anything is written.
func openDatabase(path string, l layout, sync Synchronous) (_ *database, err error) {
	d := &database{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.discard())
		}
	}()
	if d.guard, err = connect(path, "ro"); err != nil {
		return nil, err
	}
	d.guard.SetMaxOpenConns(1)
	if d.found, err = l.inspect(d.guard, path); err != nil {
		return nil, err
	}
	if d.pool, err = connect(path, "rw"); err != nil {
		return nil, err
	}
	d.pool.SetMaxOpenConns(1)
	ctx := context.Background()
	if d.conn, err = take(ctx, d.pool); err != nil {
		return nil, err
	}
	d.session = session{ctx: ctx, prepare: d.conn.statement}
	if err := d.configure(sync); err != nil {
		return nil, err
	}
	// From its first look at the log on, the guard keeps the log.
	var n int64
	return d, faulty("open", d.guard.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n))
}

// inspect returns the version of a file's layout; 0 is an empty file.
func (l layout) inspect(db *sql.DB, path string) (version int64, err error) {
	var id, tables int64
	err = db.QueryRowContext(context.Background(), "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id, pragma_user_version").Scan(&id, &version, &tables)
	switch {
	case err != nil:
		return 0, faulty("open", err)
	case id == 0 && version == 0 && tables == 0, id == l.id && version >= 1 && version <= l.version:
		return version, nil
	case id == l.id && version > l.version:
		return 0, fmt.Errorf("store %s has layout %d and this program knows %d: use the newer program, or another data directory", path, version, l.version)
	}
	return 0, fmt.Errorf("%s is a database of another program: use another data directory", path)
}

// configure sets what the promise of durability stands on.
func (d *database) configure(sync Synchronous) error {
	if err := d.script(fmt.Sprintf("PRAGMA page_size = %d", pageSize)); err != nil {
		return err
	}
	var mode string
	if err := d.conn.QueryRowContext(d.ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return faulty("open", err)
	}
	if mode != "wal" {
		return fmt.Errorf("%s: this file system cannot hold a write-ahead log (journal_mode is %q): choose a data directory on a local disk", d.path, mode)
	}
	return d.script(fmt.Sprintf("PRAGMA synchronous = %s; PRAGMA journal_size_limit = %d; PRAGMA wal_autocheckpoint = %d", sync, walLimit, checkpointPages))
}

// script runs statements that take no arguments and whose rows are not wanted. They are
// not kept prepared.
func (d *database) script(sql string) error {
	_, err := d.conn.ExecContext(d.ctx, sql)
	return faulty("write", err)
}

// transaction runs fn in a transaction. When fn fails nothing is changed.
func (d *database) transaction(fn func() error) error {
	if _, err := d.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		_, err = d.exec("COMMIT")
	}
	if err != nil {
		_, undo := d.exec("ROLLBACK")
		return errors.Join(err, undo)
	}
	return nil
}

// discard closes the connections and does not touch the file further.
func (d *database) discard() error { return d.end(d.pool, d.guard) }

// close writes the log into the file and closes the connections.
func (d *database) close() error { return d.end(d.guard, d.pool) }

func (d *database) end(order ...*sql.DB) error {
	var errs []error
	if d.conn != nil {
		errs = append(errs, d.conn.close())
	}
	for _, db := range order {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	d.conn, d.pool, d.guard = nil, nil, nil
	return errors.Join(errs...)
}

// FileName turns a text into a part of a file name, one to one.
func FileName(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
			b.WriteByte(c)
		default:
			// Capitals too: on some file systems they are the same as small letters.
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// The columns of an event's row, as bindEvent and scanEvent go through them. An empty text
// is stored as NULL, which takes no space in a row.
const (
	insertEvent = "INSERT INTO events (seq, stored_at, mark, received_at, at, source, id, type, subtype, team, channel, channel_type, user, thread, from_self, encoding, retry_num, retry_reason, headers, raw) VALUES (?,?,?,?,?,nullif(?,''),nullif(?,''),nullif(?,''),nullif(?,''),nullif(?,''),nullif(?,''),nullif(?,''),nullif(?,''),nullif(?,''),?,?,?,nullif(?,''),nullif(?,''),?)"
	columns     = "seq, received_at, at, ifnull(source, ''), ifnull(id, ''), ifnull(type, ''), ifnull(subtype, ''), ifnull(team, ''), ifnull(channel, ''), ifnull(channel_type, ''), ifnull(user, ''), ifnull(thread, ''), from_self, encoding, retry_num, ifnull(retry_reason, ''), ifnull(headers, '')"
)

// bindEvent appends the arguments of insertEvent.
func bindEvent(args []any, seq, storedAt, mark int64, e *event.Event) []any {
	return append(args, seq, storedAt, mark, storedTime(e.ReceivedAt), storedTime(e.At),
		e.Source, e.ID, e.Kind.Type, e.Kind.Subtype,
		e.Team, e.Channel, e.ChannelType, e.User, e.Thread,
		e.FromSelf, int64(e.Encoding), int64(e.Retry.Num), e.Retry.Reason, string(e.Headers), e.Raw)
}

func storedText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// scanEvent reads the columns, and those that follow them into more. It leaves out the
// event's position.
func scanEvent(scan func(...any) error, more ...any) (seq int64, e event.Event, err error) {
	var received, at any
	err = scan(append([]any{
		&seq, &received, &at, &e.Source, &e.ID, &e.Kind.Type, &e.Kind.Subtype,
		&e.Team, &e.Channel, &e.ChannelType, &e.User, &e.Thread,
		&e.FromSelf, &e.Encoding, &e.Retry.Num, &e.Retry.Reason, &e.Headers,
	}, more...)...)
	if err == nil {
		e.ReceivedAt, err = readTime(received)
	}
	if err == nil {
		e.At, err = readTime(at)
	}
	return seq, e, err
}

// nanoRange is how many seconds around 1970 Unix nanoseconds can express.
const nanoRange = 9_000_000_000

// storedTime is an instant as it is stored: Unix nanoseconds, or a text beyond their range.
func storedTime(t time.Time) any {
	switch sec := t.Unix(); {
	case t.IsZero():
		return nil
	case -nanoRange < sec && sec < nanoRange:
		return t.UnixNano()
	default:
		// A sender may claim any second; it is kept as it was claimed.
		return fmt.Sprintf("%d.%09d", sec, t.Nanosecond())
	}
}

func readTime(stored any) (time.Time, error) {
	switch v := stored.(type) {
	case nil:
		return time.Time{}, nil
	case int64:
		return time.Unix(0, v).UTC(), nil
	case string:
		secs, nanos, _ := strings.Cut(v, ".")
		sec, err1 := strconv.ParseInt(secs, 10, 64)
		nano, err2 := strconv.ParseInt(nanos, 10, 64)
		if err1 == nil && err2 == nil {
			return time.Unix(sec, nano).UTC(), nil
		}
	}
	return time.Time{}, errors.New("stored event: ill-formed instant")
}

// nanos is Unix nanoseconds, at most what they can express.
func nanos(t time.Time) int64 {
	switch sec := t.Unix(); {
	case sec >= nanoRange:
		return math.MaxInt64
	case sec <= -nanoRange:
		return math.MinInt64
	}
	return t.UnixNano()
}
