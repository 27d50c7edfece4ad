package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestDiscardLeavesTheLogAlone closes a store in the middle of a transaction, as after an
// error: the file and its log stay as they are, no descriptor stays open, and what was
// committed is found again, and nothing else.
func TestDiscardLeavesTheLogAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := private(path); err != nil {
		t.Fatal(err)
	}
	d, err := openDatabase(path, queueLayout, Full)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(d); err != nil {
		t.Fatal(err)
	}
	if _, err := d.exec("UPDATE log SET opened = 7"); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"BEGIN IMMEDIATE", "UPDATE log SET opened = 8"} {
		if _, err := d.exec(query); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (file, log []byte) {
		t.Helper()
		file, err1 := os.ReadFile(path)
		log, err2 := os.ReadFile(path + "-wal")
		if err1 != nil || err2 != nil || len(log) == 0 {
			t.Fatal(err1, err2, len(log))
		}
		return file, log
	}
	file, log := read()
	if err := d.discard(); err != nil {
		t.Fatal(err)
	}
	if file2, log2 := read(); !bytes.Equal(file, file2) || !bytes.Equal(log, log2) {
		t.Error("discard changed the file or its log")
	}
	if runtime.GOOS == "linux" {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range open {
			if name, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.HasPrefix(name, path) {
				t.Errorf("%s is open still", name)
			}
		}
	}
	if d, err = openDatabase(path, queueLayout, Full); err != nil {
		t.Fatal(err)
	}
	if n, err := d.number("SELECT opened FROM log"); err != nil || n != 7 {
		t.Errorf("after the next opening it reads %d (%v), want 7, which was committed", n, err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("close left the log: %v", err)
	}
}
