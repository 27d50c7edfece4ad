//go:build unix && !linux

package testservers

import "syscall"

// Bound would make a child process end with this one, which only Linux offers.
func Bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
