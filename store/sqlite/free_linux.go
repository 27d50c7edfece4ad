package sqlite

import "golang.org/x/sys/unix"

// freeBytes is how much may still be written to the disk of a directory by a user who is not root.
func freeBytes(dir string) (n int64, known bool) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return int64(fs.Bavail) * int64(fs.Bsize), true //nolint:gosec,unconvert // below 2^63; of 32 bits on some
}
