package deploy

import (
	"fmt"
	"io/fs"
	"syscall"
)

// owner is a file's user and group.
func owner(info fs.FileInfo) string {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "unknown"
	}
	return fmt.Sprintf("%d:%d", s.Uid, s.Gid)
}
