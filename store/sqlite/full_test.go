//go:build linux

package sqlite_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
	"slackmcp/store/sqlite"
	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

// smallDisk mounts a file system of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		requires.Missing(t, "mounting a small disk needs root")
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		requires.Missing(t, "a tmpfs cannot be mounted here: "+string(out))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no room on a disk, and returns the file that takes it.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return path
}

// TestAFullDiskIsRead fills the disk of a store: nothing more is stored, all that is there is read, also small
// values, and a start says what is to be done. With room again events are stored.
func TestAFullDiskIsRead(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "16m")
	q := reopened(t, sqlite.Options{Dir: dir})
	const n = 200
	for i := range n {
		if _, err := q.Publish(t.Context(), message(fmt.Sprintf("m%03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.State().Put(t.Context(), "key", []byte("value"), state.Put{}); err != nil {
		t.Fatal(err)
	}
	ballast := fill(t, dir)
	var failed error
	for i := 0; failed == nil && i < 10_000; i++ { // the log has room of its own
		e := message(fmt.Sprintf("late%d", i))
		e.Raw = []byte(strings.Repeat("x", 4000))
		_, failed = q.Publish(t.Context(), e)
	}
	if failed == nil {
		t.Fatal("events are stored on a full disk")
	}
	_, put := q.State().Put(t.Context(), "large", make([]byte, 60<<10), state.Put{})
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if p, err := q.History(t.Context(), event.Query{Order: event.OldestFirst, Limit: 10}); err != nil || len(p.Events) != 10 {
			t.Fatalf("on a full disk %d events are read, %v", len(p.Events), err)
		}
		if v, err := q.State().Get(t.Context(), "key"); err != nil || string(v.Value) != "value" {
			t.Fatalf("on a full disk a small value is %q, %v (%v)", v.Value, err, put)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		_, err := q.Publish(t.Context(), message("again"))
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("with room again nothing is stored: %v", err)
		}
		<-time.After(50 * time.Millisecond)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(smallDisk(t, "64k"), "data")
	fill(t, filepath.Dir(empty))
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: empty}); err == nil || !strings.Contains(err.Error(), empty) || !strings.Contains(err.Error(), "make room") {
		t.Errorf("a start on a full disk: %v, want the path and the remedy", err)
	}
}

// TestErrorsOfTheStartNameThePath has what keeps a store from opening: the error names the path and what helps.
func TestErrorsOfTheStartNameThePath(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"another program's database": {func(dir string) error {
			return os.Rename(filepath.Join(dir, valuesFile), filepath.Join(dir, eventsFile))
		}, "use another data directory"},
		"the lock is a directory": {func(dir string) error {
			path := filepath.Join(dir, "lock")
			return firstError(os.Remove(path), os.Mkdir(path, 0o700))
		}, "make the data directory writable, or choose another one"},
		"the database is a directory": {func(dir string) error {
			path := filepath.Join(dir, eventsFile)
			return firstError(os.Remove(path), os.Remove(filepath.Join(dir, noteFile)), os.Mkdir(path, 0o700))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := closedStore(t, 3)
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
			if err == nil {
				_ = q.Close()
				t.Fatal("it opens")
			}
			if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %q, want the path and %q", err, c.want)
			}
			t.Log(err)
		})
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
