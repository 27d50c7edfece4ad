// Package mcpclients runs the official MCP clients of npm against a server, for tests:
// sdk.mjs is @modelcontextprotocol/sdk 1.x, client.mjs @modelcontextprotocol/client
// 2.x, events.mjs the same with the events extension, and webhook.mjs the AI SDK's client
// and receiver of events. signin.mjs is both, signing a person in. options.mjs says what they take.
package mcpclients

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

const (
	installLimit = 3 * time.Minute
	runLimit     = 90 * time.Second
)

// Install makes sure that the packages pinned in the package-lock.json of dir, a
// folder of this repository, are installed, and returns dir. It skips the test where
// there is no Node. Tests of several packages may call it at once.
func Install(t testing.TB, dir string) string {
	t.Helper()
	npm := requires.Program(t, "npm", "install Node 20 or newer")
	lock, err := os.Open(filepath.Join(dir, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if installed(dir) {
		return dir
	}
	ctx, cancel := context.WithTimeout(t.Context(), installLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		requires.Missing(t, "npm ci in "+dir+" failed: "+err.Error()+"\n"+string(out))
	}
	return dir
}

// installed reports whether node_modules is as new as the lock file.
func installed(dir string) bool {
	want, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return false
	}
	have, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	return err == nil && !have.ModTime().Before(want.ModTime())
}

// Dir is the folder of the scripts: go test runs in the folder of the package under
// test, and the module's root lies above it.
func Dir() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "test", "mcp-clients")
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return "" // outside of the module: the command that runs there says so
}

// Run runs one of the scripts, fails the test unless it succeeds, and returns what it
// printed. Env is added to the environment, as KEY=value.
func Run(t testing.TB, env []string, script string, args ...string) string {
	t.Helper()
	node := requires.Program(t, "node", "install Node 20 or newer")
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{script}, args...)...)
	cmd.Dir = Install(t, Dir())
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("node %s %v: %v\n%s", script, args, err, out)
	}
	return string(out)
}
