//go:build unix

package rule

import (
	"os/exec"
	"syscall"
)

// asGroup makes a command the head of a process group, so that what it starts ends with it.
func asGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
