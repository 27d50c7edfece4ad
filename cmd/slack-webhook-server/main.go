// Command slack-webhook-server receives Slack events and other webhooks, keeps them
// durably, and hands them to AI assistants over MCP.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if os.Getenv("GOGC") == "" {
		keepHeadroom()
	}
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	code := run(ctx, world{
		program: os.Args[0], args: os.Args[1:], lookupEnv: os.LookupEnv, root: os.Geteuid() == 0, version: version,
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}
