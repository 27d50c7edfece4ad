//go:build unix

package web

import "syscall"

// descriptors returns how many files and connections the process may have open; 0 where that is
// not known.
func descriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}
