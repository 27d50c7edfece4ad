package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"slackmcp/store/queue"
)

// A RestoreReport says what Restore has put in place.
type RestoreReport struct {
	Backup BackupReport `json:"backup"`
	// Missing is how many events were acknowledged after the backup was made, as far as the store
	// that was there says; -1 is not known. Since and Until are when they were received.
	Missing int64     `json:"missing_events"`
	Since   time.Time `json:"missing_since"`
	Until   time.Time `json:"missing_until"`
	// Groups are the groups of the backup with what they have to do: what one of them did after the
	// backup was made, it does again.
	Groups []RestoredGroup `json:"groups"`
	// SetAside are the files that were there before.
	SetAside []string `json:"set_aside"`
	// Epoch is the log's name from now on.
	Epoch string `json:"epoch"`
}

// A RestoredGroup is a group of a store that was restored.
type RestoredGroup struct {
	Name    string `json:"name"`
	Waiting int64  `json:"waiting"`
	Dead    int64  `json:"dead_letters"`
}

// restoredEnd is what the name of a file ends in that is about to be put in place.
const restoredEnd = ".restored"

// Restore puts a backup in the place of a store, or makes the store, and keeps the files that were
// there under other names. The log begins a new epoch, so that no position is given out twice, and
// the time since the backup is noted as a loss, which is accepted. It needs the store to itself. One
// that is killed on the way leaves a store that does not start, and can be done once more.
func Restore(ctx context.Context, o Options, file string) (r RestoreReport, err error) {
	if o, err = o.normalize(); err != nil {
		return r, err
	}
	if r.Backup, err = VerifyBackup(ctx, file); err != nil {
		return r, err
	}
	f, err := own(o.Dir, o.Topic)
	if err != nil {
		return r, fmt.Errorf("sqlite queue: %w", err)
	}
	err = f.restore(ctx, file, &r)
	f.release()
	if err != nil {
		return r, fmt.Errorf("restore the store in %s from %s: %w", o.Dir, file, roomFor(err))
	}
	return r, r.look(ctx, o)
}

// restore writes the new files and puts them in place.
func (f *files) restore(ctx context.Context, file string, r *RestoreReport) error {
	before, found, err := readNote(f.note)
	if err != nil {
		return err
	}
	l := f.lossOf(r, before, found)
	next := noted{Events: r.Backup.Last}
	for _, path := range []string{f.db, f.values} {
		if err := clearFiles(path + restoredEnd); err != nil {
			return err
		}
	}
	if err := f.restoreValues(ctx, file, &next); err != nil {
		return err
	}
	if err := f.restoreEvents(ctx, file, l, &next); err != nil {
		return err
	}
	return f.place(r, next, os.Rename)
}

// place puts the new files in place, and notes what is in them. Whatever of it was done, the store does
// not open until all of it is.
func (f *files) place(r *RestoreReport, next noted, rename func(from, to string) error) error {
	for _, path := range []string{f.db, f.values} {
		if err := syncFile(path + restoredEnd); err != nil {
			return err
		}
	}
	if err := f.begin(); err != nil {
		return err
	}
	for _, path := range []string{f.db, f.values} {
		moved, err := setAside(path, "before-restore")
		r.SetAside = append(r.SetAside, moved...)
		if err == nil {
			err = rename(path+restoredEnd, path)
		}
		if err != nil {
			return err
		}
	}
	r.Epoch = next.Epoch
	if err := replaceNote(f.note, next); err != nil {
		return fmt.Errorf("write the position note: %w: make the data directory writable for this user, and restore once more", err)
	}
	if err := syncDir(f.dir); err != nil {
		return err
	}
	if err := os.Remove(f.restoring); err != nil {
		return err
	}
	return syncDir(f.dir)
}

// begin writes on the disk that a backup is being put in place.
func (f *files) begin() error {
	if err := refuseLink(f.restoring); err != nil {
		return err
	}
	mark, err := os.OpenFile(f.restoring, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(mark.Close(), syncDir(f.dir))
}

// whole is an error where a restore has ended on its way: then the events and the small values may be of
// two stores, or some of them missing.
func (f *files) whole() error {
	if _, err := os.Lstat(f.restoring); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for a restore that has ended on its way: %w: make the data directory readable for this user", err)
	}
	return &DamageError{
		f.restoring, "says that a restore has ended on its way, so that only a part of the backup may be in place",
		"run `slack-webhook-server store restore` with the backup once more; or, to go on with the files as they are, remove this one",
	}
}

// lossOf says what is missing between the backup and the store that was there.
func (f *files) lossOf(r *RestoreReport, before noted, found bool) loss {
	r.Missing, r.Since, r.Until = -1, r.Backup.Made, time.Now().UTC()
	if found && before.Epoch == r.Backup.Epoch {
		r.Missing = max(0, before.Events-r.Backup.Last)
		r.Until = before.At
	}
	return loss{Events: max(0, r.Missing), Since: r.Since, Until: r.Until, Accepted: true}
}

func clearFiles(path string) error {
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// restoreValues writes the file of the small values.
func (f *files) restoreValues(ctx context.Context, file string, next *noted) error {
	to, err := createDatabase(f.values+restoredEnd, valuesLayout, func(d *database) error { //nolint:contextcheck // The layout is read without one.
		return d.create(valuesLayout, valuesSchema, func() error { return nil })
	})
	if err != nil {
		return err
	}
	err = snapshot(ctx, file, backupLayout, func(c *connection) error {
		return to.transaction(func() (err error) {
			from := session{ctx: ctx, prepare: c.statement}
			if next.Values, err = from.number("SELECT version FROM last"); err != nil {
				return err
			}
			if _, err := to.exec("UPDATE last SET version = ?", next.Values); err != nil {
				return err
			}
			return eachValue(from, nil, func(v *storedValue) error {
				_, err := to.exec("INSERT INTO state (key, version, expires_at, value) VALUES (?, ?, ?, ?)", v.key, v.version, v.expires, v.value)
				return err
			})
		})
	})
	return errors.Join(err, to.close())
}

// restoreEvents writes the file of the events: a copy of the backup, without what a backup has beside
// them, of a new epoch, and with the loss.
func (f *files) restoreEvents(ctx context.Context, file string, l loss, next *noted) error {
	path := f.db + restoredEnd
	if err := copyFile(file, path); err != nil {
		return err
	}
	db, err := connect(path, "rw")
	if err != nil {
		return err
	}
	conn, err := take(ctx, db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	to := &database{session: session{ctx: ctx, prepare: conn.statement}, path: path, conn: conn, pool: db}
	return errors.Join(to.transaction(func() error { return renew(to, l, next) }), to.close())
}

// renew makes a store's file of events of a copy of a backup.
func renew(to *database, l loss, next *noted) error {
	if err := to.script(fmt.Sprintf("DROP TABLE state; DROP TABLE last; DELETE FROM meta WHERE name = 'backup'; PRAGMA application_id = %d", queueLayout.id)); err != nil {
		return err
	}
	var old, text string
	if _, err := to.one([]any{&old}, "SELECT value FROM meta WHERE name = 'epoch'"); err != nil {
		return err
	}
	if _, err := to.one([]any{&text}, "SELECT value FROM meta WHERE name = 'damage'"); err != nil {
		return err
	}
	d := &damage{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), d); err != nil {
			return err
		}
	}
	d.lose(l)
	now, err := json.Marshal(d)
	if err != nil {
		return err
	}
	next.Epoch = newEpoch()
	if _, err := to.exec("UPDATE meta SET value = ? WHERE name = 'epoch'", next.Epoch); err != nil {
		return err
	}
	if _, err := to.exec(putFormer, old); err != nil {
		return err
	}
	_, err = to.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('damage', ?)", string(now))
	return err
}

// look opens the store that was restored, which proves that the server can, and says what its
// groups have to do.
func (r *RestoreReport) look(ctx context.Context, o Options) error {
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	var stats queue.Stats
	stats, err = s.Stats(ctx)
	for _, g := range stats.Groups {
		r.Groups = append(r.Groups, RestoredGroup{g.Name, g.Waiting, g.Dead})
	}
	return errors.Join(err, s.Close())
}

// A CompactReport says how large the files of a store were, and are, in bytes.
type CompactReport struct {
	Before int64 `json:"bytes_before"`
	After  int64 `json:"bytes_after"`
}

// Compact writes the files of a store anew without the space that is free in them. It needs the store
// to itself, and room on the disk for two copies of it. A process that is killed meanwhile changes nothing.
func Compact(ctx context.Context, o Options) (r CompactReport, err error) {
	if o, err = o.normalize(); err != nil {
		return r, err
	}
	// What is damaged is said before anything is written.
	s, err := Open(ctx, o)
	if err != nil {
		return r, err
	}
	damages := s.Damage()
	if err := s.Close(); err != nil {
		return r, err
	}
	for _, d := range damages {
		if !d.Lost {
			return r, fmt.Errorf("compact the store in %s: %s: %s", o.Dir, d.What, d.Remedy)
		}
	}
	f, err := own(o.Dir, o.Topic)
	if err != nil {
		return r, fmt.Errorf("sqlite queue: %w", err)
	}
	defer f.release()
	for path, l := range map[string]layout{f.db: queueLayout, f.values: valuesLayout} {
		r.Before += sizeOf(path)
		if err := compactFile(path, l); err != nil { //nolint:contextcheck // Half of it is of no use.
			return r, fmt.Errorf("compact %s: %w", path, roomFor(err))
		}
		r.After += sizeOf(path)
	}
	return r, nil
}

func compactFile(path string, l layout) error {
	d, err := openDatabase(path, l, Full)
	if err != nil {
		return err
	}
	err = d.script("VACUUM")
	if err == nil {
		err = d.script("PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return errors.Join(err, d.close())
}

// sizeOf is the size of a database with its write-ahead log, in bytes.
func sizeOf(path string) (n int64) {
	for _, end := range []string{"", "-wal"} {
		if info, err := os.Stat(path + end); err == nil {
			n += info.Size()
		}
	}
	return n
}
