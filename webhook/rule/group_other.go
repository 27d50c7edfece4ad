//go:build !unix

package rule

import "os/exec"

// asGroup does nothing, because there are no process groups: only the command itself is ended.
func asGroup(*exec.Cmd) {}

// guard does nothing: a command goes on when this process is killed.
func guard(*exec.Cmd) (release func()) { return func() {} }
