//go:build unix

package rule

import (
	"os/exec"
	"syscall"
)

// asGroup makes a command the leader of a process group, so that its children end with it.
func asGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
