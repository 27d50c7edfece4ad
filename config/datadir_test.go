package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slackmcp/config"
)

func TestPrepareDataDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // made, then there
		if err := config.PrepareDataDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v, want it for its owner alone", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
}

func TestPrepareDataDirNamesTheRemedy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/none", "/proc"} {
		err := config.PrepareDataDir(dir)
		if _, ok := errors.AsType[*config.Error](err); !ok {
			t.Fatalf("%s: error %v", dir, err)
		}
		for _, want := range []string{"DATA_DIR cannot be used at " + dir + " (", "--data-dir"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q lacks %q", err, want)
			}
		}
	}
}

func TestSharedDataDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for mode, warned := range map[os.FileMode]bool{0o700: false, 0o755: false, 0o770: true, 0o702: true, 0o777: true} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if w := config.SharedDataDir(dir); (w != "") != warned || warned && !strings.Contains(w, "chmod go-w "+dir) {
			t.Errorf("mode %o: %q, want a warning with the remedy: %v", mode, w, warned)
		}
	}
	if w := config.SharedDataDir(filepath.Join(dir, "none")); w != "" {
		t.Errorf("a directory that is not there: %q", w)
	}
}

func TestNeedsDataDir(t *testing.T) {
	t.Parallel()
	redis := map[string]string{"REDIS_URL": "redis://h"}
	for _, tc := range []struct {
		name    string
		command config.Command
		vars    map[string]string
		want    bool
	}{
		{"sqlite", config.CommandServe, nil, true},
		{"memory alone", config.CommandServe, map[string]string{"QUEUE_BACKEND": "memory"}, false},
		{"redis alone", config.CommandServe, redis, false},
		{"redis with an own MCP token", config.CommandServe, map[string]string{"REDIS_URL": "redis://h", "INTEGRATED": "1"}, true},
		{"redis with a given MCP token", config.CommandServe, map[string]string{"REDIS_URL": "redis://h", "INTEGRATED": "1", "MCP_AUTH_TOKEN": "0123456789abcdef"}, false},
		{"mcp over HTTP", config.CommandMCP, nil, true},
		{"mcp over stdio", config.CommandMCP, map[string]string{"MCP_TRANSPORT": "stdio"}, false},
	} {
		c := load(t, config.Sources{Command: tc.command, LookupEnv: env(enough(tc.vars))})
		if got := c.NeedsDataDir(); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if content, err := config.ReadFile(name); err != nil || len(content) != 1<<20 {
		t.Errorf("%d bytes, %v", len(content), err)
	}
	if err := os.WriteFile(name, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.ReadFile(name); err == nil {
		t.Error("a file beyond the bound was read")
	}
	if _, err := config.ReadFile("/dev/zero"); err == nil {
		t.Error("an endless file was read")
	}
}
