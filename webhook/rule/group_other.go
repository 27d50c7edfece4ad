//go:build !unix

package rule

import "os/exec"

// asGroup does nothing: there are no process groups; the command itself is ended.
func asGroup(*exec.Cmd) {}
