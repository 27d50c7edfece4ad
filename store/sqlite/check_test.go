//go:build unix

package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"slackmcp/store/sqlite"
)

// TestACheckWithinKeepsTheLocks: the process that owns a store reads all of it, and still has SQLite's locks on its files,
// which end when a process closes a file anywhere.
func TestACheckWithinKeepsTheLocks(t *testing.T) {
	t.Parallel()
	dir := workedStore(t, 50)
	q := reopened(t, sqlite.Options{Dir: dir})
	defer q.Close()
	before := lockedFiles(t, dir)
	r, err := sqlite.CheckWithin(t.Context(), dir, "")
	if err != nil || len(r.Problems) > 0 || !r.Exists || r.Events != 50 {
		t.Errorf("CheckWithin = %+v, %v", r, err)
	}
	if after := lockedFiles(t, dir); after != before || after == "" {
		t.Errorf("another process sees locks on %q after the check, and saw %q before", after, before)
	}
}

// lockedFiles are the databases of a store on which another process sees a lock.
func lockedFiles(t *testing.T, dir string) string {
	t.Helper()
	c := start(t, "locks", dir)
	c.lines.Scan()
	if err := c.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return c.lines.Text()
}

// playLocks says on which databases it could not have a lock to itself.
func playLocks(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil {
		return err
	}
	locked := ""
	for _, path := range files {
		f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		// SQLite's shared bytes: sqlite.org/fileformat2.html#the_lock_byte_page.
		l := syscall.Flock_t{Type: syscall.F_WRLCK, Start: 0x40000002, Len: 510}
		if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &l); err != nil {
			return err
		}
		if l.Type != syscall.F_UNLCK {
			locked += fmt.Sprint(filepath.Base(path), " ")
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	say("%s", locked)
	return nil
}
