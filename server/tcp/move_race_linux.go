//go:build race

package tcp

import (
	"errors"
	"syscall"
)

// The directions of move.
const (
	in = iota
	out
)

// move is the ordinary system calls under the race detector, which they tell what they
// read, and that a read comes after the write that it hears of.
func move(direction, fd uintptr, p []byte) (int, syscall.Errno) {
	call := syscall.Read
	if direction == out {
		call = syscall.Write
	}
	for {
		n, err := call(int(fd), p)
		e, failed := errors.AsType[syscall.Errno](err)
		if !failed {
			return n, 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}
