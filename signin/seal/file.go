package seal

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds a file of keys, with its comments.
const maxFile = 16 << 10

// Load reads the keys of a file: one a line in base64, the newest first; empty lines and those that
// begin with # count for nothing. The file has to be a regular one that belongs to the user of this
// process and that nobody else may read (mode 0600 or 0400); nobody else may write into its directory
// or those above; and it lies outside of dataDir, which is backed up with what the keys seal. Errors
// say what to change and hold nothing of the file's content.
func Load(path, dataDir string) (*Keyring, error) {
	k, err := load(path, dataDir)
	if err != nil {
		return nil, fmt.Errorf("file of keys %s: %w", path, err)
	}
	return k, nil
}

func load(path, dataDir string) (*Keyring, error) {
	real, err := realPath(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(real) //nolint:gosec // the operator named it
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	if err := judge(f); err != nil {
		return nil, err
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		if err := judgeFolder(dir); err != nil {
			return nil, err
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if err := outside(real, dataDir); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, bare(err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return parse(text)
}

// realPath is the absolute path without symbolic links: a link could be exchanged by whoever may
// write where it lies.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", bare(err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", bare(err)
	}
	return real, nil
}

// bare is an error of the file system without the path, which is named already.
func bare(err error) error {
	if inner, ok := errors.AsType[*os.PathError](err); ok {
		return inner.Err
	}
	return err
}

func judge(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return bare(err)
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	case info.Mode().Perm()&0o177 != 0:
		return fmt.Errorf("its mode is %04o, so others may read it: chmod 600", info.Mode().Perm())
	}
	return ownedByUs(info)
}

// judgeFolder refuses a directory in which somebody else could exchange what lies there. The sticky
// bit keeps others from that.
func judgeFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return bare(err)
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0 {
		return fmt.Errorf("others may write into %s (mode %04o), and so exchange the keys: chmod go-w", dir, info.Mode().Perm())
	}
	return nil
}

// outside refuses a file in a directory, wherever links lead to.
func outside(file, dir string) error {
	if dir == "" {
		return nil
	}
	real, err := realPath(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil // what is not there yet holds no file
	}
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(real, file)
	if err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("it lies in the data directory %s, whose backup would hold the keys beside what they seal: move it", dir)
	}
	return nil
}

func parse(text []byte) (*Keyring, error) {
	var keys [][]byte
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(key) != KeyBytes {
			return nil, fmt.Errorf("line %d is no key: want %d random bytes in base64, as \"keys new\" prints", n, KeyBytes)
		}
		keys = append(keys, key)
	}
	return NewKeyring(keys...)
}

// Create makes a file with one new key, which Load reads: of mode 0600, whatever the umask is. A file
// that is there is not touched: the error is an fs.ErrExist then. The directory is not judged: Load does
// that.
func Create(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator named it
	if err != nil {
		return err
	}
	_, err = f.WriteString(NewKey() + "\n")
	if err == nil {
		err = f.Chmod(0o600)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // it would be half a key
	}
	return nil
}
