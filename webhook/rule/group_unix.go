//go:build unix

package rule

import (
	"os"
	"os/exec"
	"syscall"
)

// asGroup makes a command the leader of a process group, so that its children end with it.
func asGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// guard ends the group of a command that runs when this process ends without having ended it: a
// shell in the group reads from a pipe whose other end this process has, and at the pipe's end it
// kills the group. So no command runs on beside the next attempt at its event. release takes the
// guard away; it must be called when the command has ended. Where there is no shell there is no guard.
func guard(cmd *exec.Cmd) (release func()) {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	shell := exec.Command("/bin/sh", "-c", "read -r _; kill -9 0") //nolint:noctx // release ends it.
	shell.Stdin, shell.Env, shell.Dir = ours, []string{}, "/"
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: cmd.Process.Pid}
	err = shell.Start()
	_ = ours.Close() // The shell has its own.
	if err != nil {
		_ = theirs.Close()
		return func() {}
	}
	return func() {
		_ = shell.Process.Kill()
		_ = shell.Wait() // It was killed.
		_ = theirs.Close()
	}
}
