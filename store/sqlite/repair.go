package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A RepairReport says what Repair has read, and what it could not.
type RepairReport struct {
	// Files are the new files.
	Files []string
	// Events, IDs, Groups and Values are how many could be read: events of the log and
	// those that a group still works, ids for deduplication, groups, small values.
	Events, IDs, Groups, Values int64
	// Lost says in words what could not be read.
	Lost []string
	// SetAside are the damaged files where the new ones were put in their place.
	SetAside []string
}

func (r *RepairReport) lost(format string, args ...any) {
	r.Lost = append(r.Lost, fmt.Sprintf(format, args...))
}

// repairedEnd is what the name of a new file ends in.
const repairedEnd = ".repaired"

// Repair reads what can be read of a damaged store, also behind a damage in a write-ahead
// log and on pages that nothing leads to any more, and writes it into new files beside the old
// ones, which it does not change. With replace it puts the new files in place and sets the old
// ones aside under other names; then the store opens. It needs the store to itself, and space
// for three copies of it.
func Repair(ctx context.Context, o Options, replace bool) (r RepairReport, err error) {
	if o, err = o.normalize(); err != nil {
		return r, err
	}
	f, err := own(o.Dir, o.Topic)
	if err != nil {
		return r, fmt.Errorf("sqlite queue: %w", err)
	}
	defer f.release()
	n, _, err := readNote(f.note)
	if err == nil {
		err = f.whole()
	}
	if err != nil {
		return r, err
	}
	tmp, err := os.MkdirTemp(o.Dir, ".repair-*")
	if err != nil {
		return r, fmt.Errorf("repair the store: %w: make the data directory writable", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	j := &repair{ctx: ctx, o: o, tmp: tmp, before: n, now: n, report: &r}
	if err := j.file(f.db, queueLayout, j.makeQueue, j.copyQueue); err != nil { //nolint:contextcheck // The repair has it.
		return r, err
	}
	if err := j.file(f.values, valuesLayout, j.makeValues, j.copyValues); err != nil { //nolint:contextcheck // As above.
		return r, err
	}
	if !replace {
		return r, nil
	}
	return r, j.replace(f)
}

// A repair is one call of Repair.
type repair struct {
	ctx    context.Context //nolint:containedctx // It lives as long as the call of Repair.
	o      Options
	tmp    string
	before noted // what the position note says
	now    noted // what it is to say of the new files
	report *RepairReport
}

// file repairs one database. make makes the tables in an empty file, and copyAll fills them.
func (j *repair) file(path string, l layout, make func(*database) error, copyAll func(from session, pages int64, to *database) error) (err error) {
	if !exists(path) && !exists(path+"-wal") {
		return nil
	}
	empty := filepath.Join(j.tmp, "empty")
	to, work := path+repairedEnd, filepath.Join(j.tmp, "work")
	for _, old := range []string{empty, work, to, to + "-wal", to + "-shm"} {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("repair the store: %w", err)
		}
	}
	if err := made(empty, l, make); err != nil {
		return err
	}
	pages, err := assemble(path, work, empty, j.report)
	if err != nil {
		return err
	}
	db, err := connect(work, "rw")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := take(j.ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.close()) }()
	if _, err := conn.ExecContext(j.ctx, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"); err != nil {
		return faulty("open", err) // It is a copy.
	}
	out, err := createDatabase(to, l, make)
	if err != nil {
		return err
	}
	err = out.transaction(func() error {
		return copyAll(session{ctx: j.ctx, prepare: conn.statement}, pages, out)
	})
	if err = errors.Join(err, out.close()); err != nil {
		return fmt.Errorf("repair the store: %w", err)
	}
	j.report.Files = append(j.report.Files, to)
	return nil
}

// createDatabase makes a database with its tables.
func createDatabase(path string, l layout, make func(*database) error) (*database, error) {
	if err := private(path); err != nil {
		return nil, err
	}
	d, err := openDatabase(path, l, Full)
	if err != nil {
		return nil, err
	}
	if err := make(d); err != nil {
		return nil, errors.Join(err, d.discard())
	}
	return d, nil
}

// made leaves a database without rows.
func made(path string, l layout, make func(*database) error) error {
	d, err := createDatabase(path, l, make)
	if err != nil {
		return err
	}
	return d.close()
}

// assemble makes one file of a damaged database and of what is whole in its write-ahead log,
// with a first page that can be read, and returns how many pages it has. empty is a database
// with the same tables and without rows, whose first page stands in for one that is damaged.
func assemble(path, work, empty string, report *RepairReport) (pages int64, err error) {
	if err := copyFile(path, work); err != nil {
		return 0, err
	}
	file, err := os.OpenFile(work, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // It is in the operator's own directory.
	if err != nil {
		return 0, fmt.Errorf("repair the store: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	first, err := os.ReadFile(empty) //nolint:gosec // It was made a moment ago.
	if err != nil {
		return 0, fmt.Errorf("repair the store: %w", err)
	}
	header, _, err := head(work, 100)
	if err != nil {
		return 0, err
	}
	size := pageSize
	if len(header) == 100 && string(header[:len(magic)]) == magic && pageSizeOf(header) != 0 {
		size = pageSizeOf(header)
	}
	if err := applyLog(path+"-wal", file, size, report); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	pages = info.Size() / int64(size)
	page := make([]byte, size)
	if _, err := file.ReadAt(page, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("repair the store: %w", err)
	}
	if string(page[:len(magic)]) != magic || page[100] != leafTable || pageSizeOf(page) != size {
		if size != pageSize {
			return 0, fmt.Errorf("repair the store: the first page of %s is damaged, and its pages are not of %d bytes: put a backup in place", path, pageSize)
		}
		copy(page, first)
		report.lost("the first page of %s: the tables are taken to be where they are in a new store", path)
	}
	page[18], page[19] = 1, 1                            // It has no write-ahead log any more.
	binary.BigEndian.PutUint32(page[28:], uint32(pages)) //nolint:gosec // SQLite numbers pages with 32 bits.
	binary.BigEndian.PutUint64(page[32:], 0)             // No page is known to be free: none is written to.
	copy(page[92:96], page[24:28])                       // The number of pages is valid.
	if _, err := file.WriteAt(page, 0); err != nil {
		return 0, fmt.Errorf("repair the store: %w", err)
	}
	return pages, nil
}

// leafTable is the first byte of a page with rows of a table.
const leafTable = 0x0d

// applyLog writes the pages of a write-ahead log into a file, as far as they are whole and
// belong to a transaction that was committed.
func applyLog(wal string, file *os.File, size int, report *RepairReport) error {
	n, commit, pages := 0, 0, uint32(0)
	r, err := readLog(wal, func(f frame) error {
		if n++; f.whole && f.commit != 0 {
			commit, pages = n, f.commit
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.damaged > 0 {
		report.lost("%d pages of %s; an older state of them was taken, or a newer one", r.damaged, wal)
	}
	n = 0
	_, err = readLog(wal, func(f frame) error {
		if n++; n > commit || !f.whole || len(f.data) != size || f.page == 0 {
			return nil
		}
		_, err := file.WriteAt(f.data, int64(f.page-1)*int64(size))
		return err
	})
	if err != nil || pages == 0 {
		return err
	}
	return file.Truncate(int64(pages) * int64(size))
}

func copyFile(from, to string) error {
	in, err := os.Open(from) //nolint:gosec // It is in the operator's own directory.
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("repair the store: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // As above.
	if err != nil {
		return fmt.Errorf("repair the store: %w", err)
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// replace puts the new files in place of the old ones. A process that is killed on the way
// leaves a store that does not open, and can be repaired once more.
func (j *repair) replace(f *files) error {
	for _, path := range []string{f.db, f.values} {
		if !exists(path + repairedEnd) {
			continue
		}
		moved, err := setAside(path, "damaged")
		j.report.SetAside = append(j.report.SetAside, moved...)
		if err == nil {
			err = os.Rename(path+repairedEnd, path)
		}
		if err != nil {
			return fmt.Errorf("repair the store: %w", err)
		}
	}
	j.report.Files = nil
	note := &positionNote{path: f.note, log: j.o.Logger}
	note.advance(func(n *noted) { *n = j.now })
	note.close()
	return syncDir(f.dir)
}

func (j *repair) makeQueue(d *database) error {
	d.found = 0
	return migrate(d)
}

func (j *repair) makeValues(d *database) error {
	return d.create(valuesLayout, valuesSchema, func() error { return nil })
}
