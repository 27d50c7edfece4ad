// Command slack-webhook-server receives Slack events and other webhooks, keeps them
// durably, and hands them to AI assistants over MCP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // time zones, for machines that have none, as the container image

	"golang.org/x/term"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/config"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if os.Getenv("GOGC") == "" {
		keepHeadroom()
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		keepWithin()
	}
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	code := run(ctx, world{
		program: os.Args[0], args: os.Args[1:], lookupEnv: os.LookupEnv, envNames: envNames(), root: os.Geteuid() == 0, version: version,
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}

// envNames are the names of all variables of the environment.
func envNames() (names []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	return names
}

// A world is everything that a command may touch outside of the process.
type world struct {
	program        string   // how it was called
	args           []string // without the program's name
	lookupEnv      func(string) (string, bool)
	envNames       []string
	root           bool
	version        string
	stdin          io.Reader
	stdout, stderr io.Writer
	// screen is stderr for what moves the cursor: progress, which holds no words of others.
	screen io.Writer
}

// guarded returns the world with its terminals guarded against what others wrote. What is
// read by programs passes as it is.
func (w world) guarded() world {
	w.screen = w.stderr
	w.stdout, w.stderr = guard(w.stdout), guard(w.stderr)
	return w
}

func guard(out io.Writer) io.Writer {
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		return &console.Guard{File: f}
	}
	return out
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 3
)

// run carries out the command line and returns the exit code. Errors are written to
// stderr in one block.
func run(ctx context.Context, w world) int {
	w = w.guarded()
	root := newRoot(w) //nolint:contextcheck // cobra hands ExecuteContext's context to each command
	root.SetArgs(w.args)
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintf(w.stderr, "%s: %s\n", program, err) // When stderr is broken there is no one to report it to.
	return exitCode(err)
}

// program is the binary's name.
const program = "slack-webhook-server"

// exitCode is the table of errors and exit codes.
func exitCode(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return exitConfig
	}
	return exitFailed
}

// A usageError is a command line that cannot be meant.
type usageError struct {
	what    string
	command string // whose help says more
}

// Error says what is wrong and where the help is.
func (e *usageError) Error() string {
	return e.what + "\nSee: " + e.command + " --help"
}

// isTerminal reports whether a person is at the other end of a file.
func isTerminal(file any) bool {
	f, ok := file.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
