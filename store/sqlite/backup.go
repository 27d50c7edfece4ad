package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	sqlitedriver "modernc.org/sqlite"
)

// backupLayout marks a backup ("SWSB"): the tables of the events' file with those of the small
// values beside them, in one file. Its version is that of the events' layout.
var backupLayout = layout{id: 0x53575342, version: queueLayout.version}

// BackupOptions say what Backup copies.
type BackupOptions struct {
	// Dir and Topic name the store, as in Options.
	Dir, Topic string
	// File is the backup that is made. It must not be there. Required.
	File string
	// Leave are prefixes of the keys of small values that are left out.
	Leave []string
	// Progress is called now and then with how much of the work is done; nil is not called.
	Progress func(done, total int64)
}

// A BackupReport says what a backup holds.
type BackupReport struct {
	File  string    `json:"file"`
	Bytes int64     `json:"bytes"`
	Made  time.Time `json:"made_at"`
	// Events and Values are how many the backup has, Groups how many groups.
	Events int64 `json:"events"`
	Values int64 `json:"small_values"`
	Groups int64 `json:"groups"`
	// People says that people who have signed in are in it, as ciphertext.
	People bool `json:"people"`
	// Epoch and Last are the log's name and the number of its newest event.
	Epoch string `json:"epoch"`
	Last  int64  `json:"last"`
}

// String says in words what a backup holds.
func (r BackupReport) String() string {
	people := "without people"
	if r.People {
		people = "with people, sealed"
	}
	return fmt.Sprintf("%d events, %d groups, %d small values, %s, %d bytes, of %s", r.Events, r.Groups, r.Values, people, r.Bytes, r.Made.Local().Format(time.RFC3339))
}

// backupNote is the row of meta that says what a backup holds.
type backupNote struct {
	Made   time.Time `json:"made"`
	People bool      `json:"people"`
	// Sum is the sum over all events and small values; see sumOf.
	Sum string `json:"sum"`
}

// ErrBackupExists says that there is a file where a backup is to be written.
var ErrBackupExists = errors.New("is there already, and a backup overwrites nothing: choose another name")

// Backup copies one state of a store into a file, also while a server owns the store: SQLite's
// online backup copies the pages of the events, with a pause behind each step, and the small values
// follow as rows. What it has written it reads again and compares with the store. Meanwhile the
// write-ahead log of a running server keeps what is received, so that it grows. Nothing is left
// behind when it fails.
func Backup(ctx context.Context, o BackupOptions) (r BackupReport, err error) {
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	partial := o.File + ".partial"
	if err := claimFile(o.File, partial); err != nil {
		return r, err
	}
	defer func() {
		for _, end := range []string{"", "-journal", "-wal", "-shm"} {
			if gone := os.Remove(partial + end); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
		if err != nil {
			err = fmt.Errorf("back up the store in %s into %s: %w", o.Dir, o.File, roomFor(err))
		}
	}()
	b := &backup{ctx: ctx, o: o, note: backupNote{Made: time.Now().UTC().Truncate(time.Millisecond), People: len(o.Leave) == 0}}
	if err := b.copy(partial); err != nil {
		if unreadable(err) {
			err = fmt.Errorf("%w: the store is damaged: %s", err, repairRemedy)
		}
		return r, err
	}
	if err := verifyBackup(ctx, partial, false); err != nil {
		return r, err
	}
	if err := publishFile(partial, o.File); err != nil {
		return r, err
	}
	return describe(ctx, o.File)
}

// claimFile makes the file that is written first, for the owner alone.
func claimFile(file, partial string) error {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s %w", file, ErrBackupExists)
	}
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // The operator named it.
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there: another backup is being written, or one was killed: then remove it", partial)
	case err != nil:
		return fmt.Errorf("begin the backup: %w: make its directory, and make it writable", err)
	}
	return f.Close()
}

// publishFile gives a file that is whole its name, unless there is another one of it.
func publishFile(partial, file string) error {
	switch err := os.Link(partial, file); {
	case err == nil:
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %w", file, ErrBackupExists)
	default: // Some file systems have no links.
		if _, err := os.Lstat(file); err == nil {
			return fmt.Errorf("%s %w", file, ErrBackupExists)
		}
		if err := os.Rename(partial, file); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(file))
}

// roomFor says what to do where a disk is full.
func roomFor(err error) error {
	if full(err) || errors.Is(err, syscall.ENOSPC) || noShared(err) {
		return fmt.Errorf("%w: make room on the disk: as much as the store has", err)
	}
	return err
}

// A backup is one call of Backup.
type backup struct {
	ctx  context.Context //nolint:containedctx // It lives as long as the call of Backup.
	o    BackupOptions
	note backupNote
}

// copy writes the copy, with the sum of what the store has.
func (b *backup) copy(to string) error {
	f := filesOf(b.o.Dir, b.o.Topic)
	// The values come first: what they say of events is then in the copy as well.
	return snapshot(b.ctx, f.values, valuesLayout, func(values *connection) error {
		return snapshot(b.ctx, f.db, queueLayout, func(events *connection) error {
			if err := b.pages(events, to); err != nil {
				return err
			}
			sum := newSum(b.ctx)
			if err := sum.events(events); err != nil {
				return err
			}
			if err := sum.values(values, b.o.Leave); err != nil {
				return err
			}
			b.note.Sum = sum.String()
			return b.rows(values, to)
		})
	})
}

// snapshot calls fn with a connection that sees one state of a file until fn returns.
func snapshot(ctx context.Context, path string, l layout, fn func(*connection) error) (err error) {
	db, err := connect(path, "ro")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	switch found, err := l.inspect(db, path); { //nolint:contextcheck // It reads one row.
	case err != nil:
		return err
	case found != l.version:
		return fmt.Errorf("%s is of an earlier build: start the server once, which brings it to the layout of this one", path)
	}
	c, err := take(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.ExecContext(ctx, "BEGIN"); err != nil {
		return faulty("read", err)
	}
	// The first read chooses the state.
	var n int64
	if err := c.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil {
		return faulty("read", err)
	}
	return fn(c)
}

// Two thirds of the time of a backup are pauses. copyStep is how many pages are copied at once, and
// syncSteps after how many steps the copy is synced, so that the disk never gets all of it at once;
// sumStep is how many events are read at once.
const (
	copyStep  = 32
	syncSteps = 64
	sumStep   = 1000
)

// rest pauses for twice as long as something took.
func rest(ctx context.Context, since time.Time) error {
	t := time.NewTimer(2 * min(time.Since(since), time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pages copies the file of the events, page by page.
func (b *backup) pages(from *connection, to string) (err error) {
	out, err := os.OpenFile(to, os.O_RDWR, 0) //nolint:gosec // It was made a moment ago.
	if err != nil {
		return err
	}
	// SQLite's locks on a file end when the process closes it anywhere: this is closed last.
	defer func() { err = errors.Join(err, out.Close()) }()
	return from.Raw(func(c any) (err error) {
		source, ok := c.(interface {
			NewBackup(to string) (*sqlitedriver.Backup, error)
		})
		if !ok {
			return fmt.Errorf("the driver cannot back up: %T", c)
		}
		copying, err := source.NewBackup(dataSource(to, "rw"))
		if err != nil {
			return faulty("copy", err)
		}
		defer func() {
			if end := copying.Finish(); err == nil { // It says once more why a step failed.
				err = faulty("copy", end)
			}
		}()
		return b.steps(copying, out)
	})
}

// steps copies some pages at a time.
func (b *backup) steps(copying *sqlitedriver.Backup, out *os.File) error {
	for n := 1; ; n++ {
		began := time.Now()
		more, err := copying.Step(copyStep)
		if err != nil {
			return faulty("copy", err)
		}
		total := int64(copying.PageCount())
		b.progress(total-int64(copying.Remaining()), total)
		if !more {
			return nil
		}
		if n%syncSteps == 0 {
			err = out.Sync()
		}
		if err = errors.Join(err, rest(b.ctx, began)); err != nil {
			return err
		}
	}
}

func (b *backup) progress(done, total int64) {
	if b.o.Progress != nil {
		b.o.Progress(done, total)
	}
}

// rows adds the small values to the copy, and the note.
func (b *backup) rows(values *connection, to string) (err error) {
	db, err := connect(to, "rw")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := take(b.ctx, db)
	if err != nil {
		return err
	}
	d := &database{session: session{ctx: b.ctx, prepare: conn.statement}, path: to, conn: conn}
	defer func() { err = errors.Join(err, conn.close()) }()
	// One file is all there is of a backup, also where it cannot be written.
	if err := d.script("PRAGMA journal_mode = DELETE"); err != nil {
		return err
	}
	return d.transaction(func() error {
		if err := d.script(valuesSchema); err != nil {
			return err
		}
		from := session{ctx: b.ctx, prepare: values.statement}
		last, err := from.number("SELECT version FROM last")
		if err != nil {
			return err
		}
		if _, err := d.exec("UPDATE last SET version = ?", last); err != nil {
			return err
		}
		if err := eachValue(from, b.o.Leave, func(v *storedValue) error {
			_, err := d.exec("INSERT INTO state (key, version, expires_at, value) VALUES (?, ?, ?, ?)", v.key, v.version, v.expires, v.value)
			return err
		}); err != nil {
			return err
		}
		text, err := json.Marshal(b.note)
		if err != nil {
			return err
		}
		if _, err := d.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('backup', ?)", string(text)); err != nil {
			return err
		}
		return d.script(fmt.Sprintf("PRAGMA application_id = %d", backupLayout.id))
	})
}

// A storedValue is a row of state.
type storedValue struct {
	key              string
	version, expires int64
	value            []byte
}

// eachValue calls fn with each small value whose key has none of the prefixes, in the order of
// the keys.
func eachValue(s session, leave []string, fn func(*storedValue) error) error {
	return s.each(func(scan func(...any) error) error {
		v := storedValue{}
		if err := scan(&v.key, &v.version, &v.expires, &v.value); err != nil {
			return err
		}
		for _, prefix := range leave {
			if strings.HasPrefix(v.key, prefix) {
				return nil
			}
		}
		if v.value == nil {
			v.value = []byte{} // The driver reads an empty value as nil.
		}
		return fn(&v)
	}, "SELECT key, version, expires_at, value FROM state ORDER BY key")
}

// A sum is taken over all that a store, or a backup, has: of the events their numbers, ids and
// bodies, of the small values their keys and values.
type sum struct {
	ctx context.Context //nolint:containedctx // It lives as long as the call of Backup.
	hash.Hash
}

func newSum(ctx context.Context) *sum { return &sum{ctx, sha256.New()} }

// String is the sum as it is written down.
func (h *sum) String() string { return hex.EncodeToString(h.Sum(nil)) }

func (h *sum) add(n int64, parts ...[]byte) {
	var b [16]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(b[:8], uint64(n)) //nolint:gosec // It goes into a sum.
		binary.BigEndian.PutUint64(b[8:], uint64(len(part)))
		_, _ = h.Write(b[:]) // It never fails.
		_, _ = h.Write(part) // As above.
	}
}

// events adds the events that are stored, with a pause now and then.
func (h *sum) events(c *connection) error {
	s := session{ctx: h.ctx, prepare: c.statement}
	for next, more := int64(0), true; more; {
		began := time.Now()
		more = false
		err := s.each(func(scan func(...any) error) error {
			var seq int64
			var id string
			var raw []byte
			if err := scan(&seq, &id, &raw); err != nil {
				return err
			}
			h.add(seq, []byte(id), raw)
			next, more = seq+1, true
			return nil
		}, fmt.Sprintf("SELECT seq, ifnull(id, ''), raw FROM events WHERE seq >= ? ORDER BY seq LIMIT %d", sumStep), next)
		if err != nil {
			return err
		}
		if err := rest(h.ctx, began); err != nil {
			return err
		}
	}
	return nil
}

// values adds the small values.
func (h *sum) values(c *connection, leave []string) error {
	return eachValue(session{ctx: h.ctx, prepare: c.statement}, leave, func(v *storedValue) error {
		h.add(v.version, []byte(v.key), v.value)
		return nil
	})
}

// VerifyBackup reads a backup whole, compares it with the sum that was taken of the store, and its tables
// with their indexes.
func VerifyBackup(ctx context.Context, file string) (r BackupReport, err error) {
	if err := verifyBackup(ctx, file, true); err != nil {
		return r, fmt.Errorf("verify the backup %s: %w", file, err)
	}
	return describe(ctx, file)
}

// errBadBackup says that a backup does not have what was put into it.
var errBadBackup = errors.New("the backup is damaged: use another one; what can be read of it `sqlite3 <file> .recover` shows")

func verifyBackup(ctx context.Context, file string, deep bool) error {
	err := readBackup(ctx, file, func(c *connection, n backupNote) error {
		s := session{ctx: ctx, prepare: c.statement}
		if deep {
			checked := &checker{ctx: ctx, report: &CheckReport{}}
			if err := checked.pages(s, file); err != nil {
				return err
			}
			if len(checked.report.Problems) > 0 {
				return fmt.Errorf("%w (%s)", errBadBackup, checked.report.Problems[0].What)
			}
		}
		sum := newSum(ctx)
		if err := sum.events(c); err != nil {
			return err
		}
		if err := sum.values(c, nil); err != nil {
			return err
		}
		if sum.String() != n.Sum {
			return fmt.Errorf("%w (its events and small values are not those of the store)", errBadBackup)
		}
		_, err := s.number("SELECT count(*) FROM (SELECT ids FROM seen WHERE length(hex(ids)) > 0)")
		return err
	})
	if unreadable(err) {
		err = fmt.Errorf("%w (%w)", errBadBackup, err)
	}
	return err
}

// readBackup calls fn with a connection to a backup.
func readBackup(ctx context.Context, file string, fn func(*connection, backupNote) error) error {
	header, size, err := head(file, 100)
	switch {
	case err != nil:
		return err
	case size < 0:
		return fmt.Errorf("there is no file %s", file)
	case len(header) == 100 && string(header[:len(magic)]) == magic && pageSizeOf(header) > 0 && size < pagesOf(header)*int64(pageSizeOf(header)):
		return fmt.Errorf("%w (it was cut: it has %d bytes of %d)", errBadBackup, size, pagesOf(header)*int64(pageSizeOf(header)))
	}
	return snapshot(ctx, file, backupLayout, func(c *connection) error {
		var n backupNote
		var text string
		if err := c.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'backup'").Scan(&text); err != nil {
			return faulty("read", err)
		}
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			return fmt.Errorf("%w (its note cannot be read)", errBadBackup)
		}
		return fn(c, n)
	})
}

// describe says what a backup holds.
func describe(ctx context.Context, file string) (r BackupReport, err error) {
	r.File = file
	info, err := os.Stat(file)
	if err != nil {
		return r, err
	}
	r.Bytes = info.Size()
	return r, readBackup(ctx, file, func(c *connection, n backupNote) error {
		r.Made, r.People = n.Made, n.People
		return faulty("read", c.QueryRowContext(ctx, `SELECT (SELECT value FROM meta WHERE name = 'epoch'),
			(SELECT max(trimmed, ifnull((SELECT max(seq) FROM events), 0)) FROM log),
			(SELECT count(*) FROM events WHERE seq > (SELECT trimmed FROM log)),
			(SELECT count(*) FROM state), (SELECT count(*) FROM groups)`).Scan(&r.Epoch, &r.Last, &r.Events, &r.Values, &r.Groups))
	})
}
