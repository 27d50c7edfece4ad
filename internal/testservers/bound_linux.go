package testservers

import "syscall"

// Bound makes a child process end with this one, also when this one is killed.
func Bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
