// Package container finds out what the container, or the control group, that a process runs in allows
// it.
package container

import (
	"bufio"
	"bytes"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Where Linux tells of control groups, below the root of the file system.
const (
	groupOf = "proc/self/cgroup"
	mount   = "sys/fs/cgroup"
)

// unlimited is what is no limit: version 1 writes as none the most that fits, in pages.
const unlimited = 1 << 60

// Memory returns how many bytes the process may use before the kernel ends it: the smallest limit of
// its control group and of those that it is in, of either version of control groups. It reports false
// where there is none, or where that cannot be read. root is the root of the file system.
func Memory(root fs.FS) (limit int64, ok bool) {
	limit = unlimited
	of, err := fs.ReadFile(root, groupOf)
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(of)); lines.Scan(); {
		// hierarchy:controllers:path, of version 2 without controllers.
		part := strings.SplitN(lines.Text(), ":", 3)
		if len(part) < 3 {
			continue
		}
		switch part[1] {
		case "":
			limit = min(limit, within(root, mount, part[2], "memory.max"))
		case "memory":
			limit = min(limit, within(root, mount+"/memory", part[2], "memory.limit_in_bytes"))
		}
	}
	return limit, limit < unlimited
}

// within is the smallest limit of a group and those above it. Inside of a container the mount may
// begin at the group itself, so that its path is not there.
func within(root fs.FS, mount, group, file string) int64 {
	limit := int64(unlimited)
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		text, err := fs.ReadFile(root, path.Join(mount, at, file))
		if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n > 0 {
			limit = min(limit, n)
		}
		if at == "/" {
			return limit
		}
	}
}
