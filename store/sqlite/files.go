package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"modernc.org/sqlite"

	"slackmcp/store/queue"
)

// files are the store's places on disk, and the lock that makes it ours.
type files struct {
	dir        string
	db, values string // the file of the events, and that of the small values
	note       string // the position note
	restoring  string // is there while a backup is put in place
	lock       *os.File
}

// filesOf are the places of a topic's store.
func filesOf(dir, topic string) *files {
	return &files{
		dir: dir, db: queueFile(dir, topic), values: filepath.Join(dir, "state-"+FileName(topic)+".db"),
		note: filepath.Join(dir, "position-"+FileName(topic)), restoring: filepath.Join(dir, "restoring-"+FileName(topic)),
	}
}

// own makes the directory, for the owner alone, and takes its lock.
func own(dir, topic string) (*files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w: choose another one, or make it writable", err)
	}
	f := filesOf(dir, topic)
	if err := f.takeLock(); err != nil {
		return nil, err
	}
	return f, nil
}

// space is how many bytes the database of the events takes, without unused ones in it, and how many it may take before
// the disk is full; 0 is not known.
func (f *files) space(unused int64) (taken, most int64) {
	info, err := os.Stat(f.db)
	free, known := freeBytes(f.dir)
	if err != nil || !known {
		return 0, 0
	}
	// What of the database is in the write-ahead log alone has no bytes in the file.
	return max(1, info.Size()-unused), info.Size() + free
}

// inspect looks at the databases before SQLite opens them.
func (f *files) inspect(n noted) error {
	return errors.Join(inspect(f.db, n.events()), inspect(f.values, n.values()))
}

// make makes the database files that there are not, for the owner alone.
func (f *files) make() error {
	return errors.Join(private(f.db), private(f.values), syncDir(f.dir))
}

func queueFile(dir, topic string) string {
	return filepath.Join(dir, "queue-"+FileName(topic)+".db")
}

// Exists reports whether a directory holds a topic's store. It opens and makes nothing.
func Exists(dir, topic string) bool {
	return exists(queueFile(dir, topic))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (f *files) takeLock() error {
	path := filepath.Join(f.dir, "lock")
	if err := refuseLink(path); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // It is in the operator's own directory.
	if err != nil {
		return fmt.Errorf("open the store's lock: %w: make the data directory writable, or choose another one", err)
	}
	taken, err := tryLock(file)
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("lock %s: %w", path, err)
	}
	if taken {
		owner, _ := io.ReadAll(io.LimitReader(file, 20))
		_ = file.Close()
		return fmt.Errorf("%w: %s is owned by process %s: stop it, or choose another data directory", queue.ErrLocked, f.dir, strings.TrimSpace(string(owner)))
	}
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	f.lock = file
	return nil
}

// named is an error of the start with the place that it is about, and with what helps.
func (f *files) named(err error) error {
	if _, ok := errors.AsType[*DamageError](err); ok || err == nil || errors.Is(err, queue.ErrLocked) {
		return err // It says both.
	}
	code := 0
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		code = e.Code() & 0xff
	}
	remedy := ""
	const perm, busy, locked, readOnly, ioErr, cantOpen = 3, 5, 6, 8, 10, 14 // sqlite.org/rescode.html
	switch {
	case full(err), errors.Is(err, syscall.ENOSPC), noShared(err):
		remedy = "the disk is full: make room on it"
	case errors.Is(err, syscall.EISDIR):
		remedy = "there is a directory in the place of a file: remove it"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		remedy = "no more files can be opened: raise the limit of open files (ulimit -n, LimitNOFILE)"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), code == perm, code == readOnly:
		remedy = "it cannot be written to: give the directory and its files to the user of the server, on a file system that can be written to"
	case code == busy, code == locked:
		remedy = "another program has it open: end that, such as a sqlite3 shell"
	case code == cantOpen:
		remedy = "it cannot be opened: look at the permissions of the directory, and at the limit of open files"
	case code == ioErr, errors.Is(err, syscall.EIO):
		remedy = "the disk has failed: look at the kernel's log, and put a backup in place on another one"
	}
	text := err.Error()
	if !strings.Contains(text, f.dir) {
		err = fmt.Errorf("the store in %s: %w", f.dir, err)
	}
	if remedy != "" {
		err = fmt.Errorf("%w: %s", err, remedy)
	}
	return err
}

// release gives the lock back. The file stays: removing it would let two processes
// hold locks on two files of one name.
func (f *files) release() {
	if f.lock != nil {
		unlock(f.lock)
		_ = f.lock.Close()
		f.lock = nil
	}
}

// private makes a file that only the owner may read, or makes it so. SQLite gives the
// files that it puts beside the database the same mode.
func private(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // As above.
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := file.Chmod(0o600); err != nil {
		return fmt.Errorf("make the store private: %w", err)
	}
	return nil
}

// renewLog writes a database's write-ahead log once more, into a new file. After a failed
// fsync the kernel may hold pages as clean that never reached the disk; what SQLite would
// then read, and take for committed, could be gone after a power loss. No connection
// may be open.
func renewLog(db string) error {
	wal := db + "-wal"
	old, err := os.Open(wal) //nolint:gosec // It is in the operator's own directory.
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("renew the log: %w", err)
	}
	defer old.Close()
	next, err := os.OpenFile(wal+"-new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // As above.
	if err != nil {
		return fmt.Errorf("renew the log: %w", err)
	}
	_, err = io.Copy(next, old)
	if err := errors.Join(err, next.Sync(), next.Close()); err != nil {
		_ = os.Remove(wal + "-new")
		return fmt.Errorf("renew the log: %w", err)
	}
	if err := os.Rename(wal+"-new", wal); err != nil {
		return fmt.Errorf("renew the log: %w", err)
	}
	return syncDir(filepath.Dir(db))
}

// syncFile has what was written to a file on the disk.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // As above.
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
