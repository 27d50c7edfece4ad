package server

import "golang.org/x/sys/unix"

// inContainer reports whether a directory is part of a container's own file system, or in
// memory, and no volume.
func inContainer(dir string) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return false
	}
	return fs.Type == unix.OVERLAYFS_SUPER_MAGIC || fs.Type == unix.TMPFS_MAGIC
}
