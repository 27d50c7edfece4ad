//go:build unix

package seal

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// ownedByUs refuses a file that belongs to another user.
func ownedByUs(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Geteuid() {
		return errors.New("it belongs to another user than the one of this process: chown")
	}
	return nil
}

// NoCoreDumps keeps the system from writing the process's memory, and the keys in it, to a file when
// it crashes.
func NoCoreDumps() error {
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}
