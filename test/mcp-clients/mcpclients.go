// Package mcpclients runs the official MCP clients of npm and PyPI against a server, for tests:
// sdk.mjs is @modelcontextprotocol/sdk 1.x, client.mjs @modelcontextprotocol/client
// 2.x, events.mjs the same with the events extension, and webhook.mjs the AI SDK's client
// and receiver of events. options.mjs says what they take. signin.mjs is 1.x or 2.x signing a person
// in, signin.py the Python SDK and remote.mjs mcp-remote, all by browser.mjs. clients.py is Python's
// clients and frameworks, bolt.py Slack's own libraries of Python.
package mcpclients

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

const (
	installLimit = 3 * time.Minute
	runLimit     = 3 * time.Minute
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
	return run(t, env, node, append([]string{script}, args...)...)
}

// The lists of Python's packages, whose versions are pinned by hashes. What stands on version 1 of the
// official SDK cannot be installed beside version 2.
const (
	PythonSDK2 = "requirements.txt"
	PythonSDK1 = "requirements-v1.txt"
)

// RunPython is Run for a script in the virtual environment of one of the lists.
func RunPython(t testing.TB, list string, env []string, script string, args ...string) string {
	t.Helper()
	return run(t, env, Python(t, list), append([]string{script}, args...)...)
}

func run(t testing.TB, env []string, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = Install(t, Dir())
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", filepath.Base(program), args, err, out)
	}
	return string(out)
}

// Python makes sure that the packages of a list are in a virtual environment, and returns its
// interpreter. It skips the test where that cannot be made.
func Python(t testing.TB, name string) string {
	t.Helper()
	system := requires.Program(t, "python3", "install Python 3.11 or newer, with venv (Debian: python3-venv)")
	list := filepath.Join(Dir(), name)
	lock, err := os.Open(list)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(Dir(), ".venv", strings.TrimSuffix(name, ".txt"))
	interpreter, done := filepath.Join(home, "bin", "python"), filepath.Join(home, "installed.txt")
	if have, err := os.ReadFile(done); err == nil && bytes.Equal(have, want) {
		return interpreter
	}
	ctx, cancel := context.WithTimeout(t.Context(), installLimit)
	defer cancel()
	for _, line := range [][]string{
		{system, "-m", "venv", "--clear", home},
		{interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--require-hashes", "--only-binary", ":all:", "-r", list},
	} {
		if out, err := exec.CommandContext(ctx, line[0], line[1:]...).CombinedOutput(); err != nil {
			requires.Missing(t, "the packages of Python cannot be installed: "+err.Error()+"\n"+string(out))
		}
	}
	if err := os.WriteFile(done, want, 0o600); err != nil {
		t.Fatal(err)
	}
	return interpreter
}
