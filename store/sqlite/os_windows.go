package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the lock of an open file, or reports that another process has it. The
// operating system lets go of it when the process ends, however it ends.
func tryLock(f *os.File) (taken bool, err error) {
	// The locked byte lies far behind the content, which stays readable to others.
	at := windows.Overlapped{OffsetHigh: 1}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return true, nil
	}
	return false, err
}

// unlock does nothing: closing the file gives the lock back.
func unlock(*os.File) {}

// syncDir does nothing: Windows makes names durable by itself.
func syncDir(string) error { return nil }
