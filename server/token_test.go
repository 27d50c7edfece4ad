package server

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheTokenIsMadeOnceAndKeptPrivate(t *testing.T) {
	dir := t.TempDir()
	first, path, fresh, err := ownToken(dir)
	if err != nil || !fresh || len(first) < 32 {
		t.Fatalf("ownToken = %q, fresh %v, %v", first, fresh, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	again, _, fresh, err := ownToken(dir)
	if err != nil || fresh || again != first {
		t.Errorf("the second time: %q, fresh %v, %v; want the same", again, fresh, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAnEmptyTokenFileIsNoToken(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, tokenFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if token, _, _, err := ownToken(dir); err == nil {
		t.Errorf("ownToken = %q, want an error that names the file", token)
	}
}
