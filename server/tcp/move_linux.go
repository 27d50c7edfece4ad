//go:build !race

package tcp

import (
	"syscall"
	"unsafe"
)

// The directions of move.
const (
	in  = syscall.SYS_READ
	out = syscall.SYS_WRITE
)

// move reads into p, or writes it, by one system call on a socket that does not block.
func move(direction, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall(direction, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p))) //nolint:gosec // as the syscall package does itself
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}
