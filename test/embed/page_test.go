package embed_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"slackmcp/internal/requires"
)

// blocks are the fenced blocks of a language, of docs/library.md.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(page, -1) {
		list = append(list, string(m[1]))
	}
	return list
}

// unreachable is what go says of a module that it would have to fetch, without a network, or with GOPROXY=off.
var unreachable = regexp.MustCompile(`dial tcp|proxyconnect tcp|no such host|module lookup disabled by GOPROXY=off`)

// TestThePageFromAnEmptyFolder does what docs/library.md says, command by command, from an empty folder, and
// waits until the program's handler prints what somebody said in the sandbox.
func TestThePageFromAnEmptyFolder(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	commands, programs := blocks(t, "sh"), blocks(t, "go")
	if len(commands) != 2 || len(programs) != 1 {
		t.Fatalf("the page has %d blocks of commands and %d programs", len(commands), len(programs))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // it ends the program too, and with it await
	defer cancel()
	dir := t.TempDir()
	host, port, _ := net.SplitHostPort(freeAddr(t))
	shell := func(in, script string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "sh", "-ec", script)
		cmd.Dir = in
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath", "CLONE="+root, "HOST="+host, "PORT="+port, "DATA_DIR="+filepath.Join(dir, "data"))
		return cmd
	}
	if out, err := shell(dir, commands[0]).CombinedOutput(); err != nil {
		t.Fatalf("%s%v\n%s", commands[0], err, out)
	}
	folder := filepath.Join(dir, "handlers")
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(programs[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	// The last command starts the program, and is not waited for.
	build, start, _ := strings.Cut(commands[1], "SANDBOX=1")
	if out, err := shell(folder, build).CombinedOutput(); err != nil {
		if unreachable.Match(out) {
			requires.Missing(t, fmt.Sprintf("go mod tidy needs modules that are not on this machine, and the module proxy cannot be reached: use a machine with a network:\n%s", out))
		}
		t.Fatalf("%s%v\n%s", build, err, out)
	}
	end, await := running(t, shell(folder, "SANDBOX=1 exec"+start))
	await("receives")
	// What the command sandbox say does, which finds the workspace by this file.
	address, err := os.ReadFile(filepath.Join(dir, "data", "workspace"))
	if err != nil {
		t.Fatal(err)
	}
	workspace, err := url.Parse(strings.TrimSpace(string(address)))
	if err != nil {
		t.Fatal(err)
	}
	post(t, workspace.Host, "/sandbox/messages", `{"user":"bob","channel":"#general","text":"hello, handler"}`, nil)
	await(`said "hello, handler" in C0GENERAL01`)
	end()
}
