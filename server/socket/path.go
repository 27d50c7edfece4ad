package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

// Name is the socket's name within DATA_DIR.
const Name = "operator.sock"

// Path is where the server that keeps its state in a directory listens.
func Path(dataDir string) string { return filepath.Join(dataDir, Name) }

// longest is what the system takes as a socket's path: sun_path less its end
// (unix(7) on Linux; the BSDs, and macOS with them, have four bytes less).
func longest() int {
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		return 107
	}
	return 103
}

// ErrPath says that the data directory's name is too long for a socket in it.
var ErrPath = errors.New("the path is too long for a Unix socket")

func checkPath(path string) error {
	if n, most := len(path), longest(); n > most {
		return fmt.Errorf("%s: %w: it has %d bytes and the system takes %d: choose a DATA_DIR of at most %d",
			path, ErrPath, n, most, most-len(Name)-1)
	}
	return nil
}

// bind listens on a Unix socket that only the owner can open. It is made in a directory
// of its own and moved to its place whole, so that nobody finds it half ready; one that
// an ended server has left there is replaced.
func bind(path string) (net.Listener, fs.FileInfo, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s") // mode 0700
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	first := filepath.Join(dir, "s")
	if err := checkPath(first); err != nil {
		return nil, nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	var info fs.FileInfo
	if err = os.Chmod(first, 0o600); err == nil {
		info, err = os.Lstat(first)
	}
	if err == nil {
		err = os.Rename(first, path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return l, info, nil
}

// unbind removes the socket, unless another server has put its own there.
func unbind(path string, ours fs.FileInfo) {
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, ours) {
		_ = os.Remove(path) // what stays is replaced by the next server
	}
}
