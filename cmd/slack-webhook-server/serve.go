package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/container"
	"slackmcp/cmd/slack-webhook-server/internal/function"
	"slackmcp/config"
	"slackmcp/server"
)

// serve loads the settings and runs a server until the context ends.
func serve(cmd *cobra.Command, w world, command config.Command) error {
	c, err := load(cmd, w, command)
	if err != nil {
		return tellClient(cmd.Context(), w, c, err)
	}
	ctx := cmd.Context()
	log := config.NewLogger(c, w.stderr, isTerminal(w.stderr))
	log.LogAttrs(ctx, slog.LevelDebug, "configuration", slog.Any("settings", c))
	c.LogWarnings(ctx, log)
	options := server.Options{Config: c, Logger: log, Out: w.stdout, Stdout: w.stdout, Stderr: w.stderr, Terminal: isTerminal(w.stdout), Program: w.program, Version: w.version}
	options.Reread = func() (config.Config, error) { return load(cmd, w, command) }
	if c.MCP.Transport == config.Stdio {
		options.Out, options.Stdout = nil, w.stderr // stdout carries the protocol
	}
	s, err := server.New(ctx, options)
	if err != nil {
		return tellClient(ctx, w, c, err)
	}
	if c.MCP.Transport == config.Stdio {
		return s.RunStdio(ctx, w.stdin, w.stdout)
	}
	defer onHangup(ctx, s.Reload)()
	return s.Run(ctx)
}

// onHangup calls reload for each SIGHUP until the function that it returns is called.
func onHangup(ctx context.Context, reload func(context.Context)) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hangups:
				reload(ctx)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
	}
}

// newMCP serves the assistants' side alone.
func newMCP(w world) *cobra.Command {
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !ofMCP(s) })
	cmd := &cobra.Command{
		Use:   "mcp [flags]",
		Short: "Serve MCP alone, without the webhook side",
		Long: `Serve Slack's tools and resources to AI assistants over MCP, without the webhook side.
With --transport stdio the process speaks MCP on stdin and stdout, and logs to stderr. It
has the events of the server that runs here with the same DATA_DIR, or of Redis or NATS, or
receives its own with --socket-mode; without any of them no tool promises events.
With --channel as well, messages of chosen people are pushed into the conversation.`,
		Example: `  # For a client that starts its servers itself
  slack-webhook-server mcp --transport stdio

  # As a channel of Claude Code, which follows the server that runs on this machine
  slack-webhook-server mcp --transport stdio --channel --channel-senders U0123456789

  # For clients that connect over HTTP
  slack-webhook-server mcp --transport streamable-http --host 127.0.0.1 --port 8000`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, w, config.CommandMCP)
		},
	}
	addEnvFile(cmd)
	addSettings(cmd, settings, map[string]string{"MCP_TRANSPORT": "transport", "MCP_MOUNT_PATH": "mount-path"})
	return cmd
}

// ofMCP reports whether a setting means something without the webhook side.
func ofMCP(s config.Setting) bool {
	switch s.Section {
	case config.SectionStart:
		return s.Key == "SANDBOX"
	case config.SectionReceive:
		return s.Key == "RETRY"
	case config.SectionQueue: // of the store that a channel follows
		return true
	case config.SectionSlack:
		return s.Key != "SLACK_SIGNING_SECRET"
	case config.SectionListen, config.SectionMCP, config.SectionAccess, config.SectionTools, config.SectionSignIn, config.SectionOperate:
		return true
	case config.SectionSenders, config.SectionWork, config.SectionPush:
	}
	return false
}

// newLambda serves the webhook side as a function of AWS Lambda.
func newLambda(w world) *cobra.Command {
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !ofLambda(s) })
	cmd := &cobra.Command{
		Use:   "lambda [flags]",
		Short: "Receive events as an AWS Lambda function",
		Long: `Serve the webhook side as a function of AWS Lambda that is called by its Function URL,
or by an HTTP API. It verifies, deduplicates and stores as the server does, and works no
event: that does a server elsewhere on the same queue. So the queue has to be in Redis or
NATS, because a function keeps nothing.`,
		Example: `  # The bootstrap file of the function, beside the binary
  exec ./slack-webhook-server lambda --no-env-file

  # With the queue in another topic
  REDIS_URL=rediss://queue.example.com:6379/0 slack-webhook-server lambda --events-topic billing`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE:        func(cmd *cobra.Command, _ []string) error { return serveLambda(cmd, w) },
	}
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

// serveLambda runs until the runtime ends the function.
func serveLambda(cmd *cobra.Command, w world) error {
	c, err := load(cmd, w, config.CommandLambda)
	if err != nil {
		return err
	}
	if at, _ := w.lookupEnv(function.RuntimeVariable); at == "" {
		return &config.Error{Problems: []config.Problem{{
			Setting: function.RuntimeVariable, What: "is missing: this is no Lambda function",
			Remedy: "deploy it as deploy/lambda shows, or start the server without the word lambda",
		}}}
	}
	ctx := cmd.Context()
	log := config.NewLogger(c, w.stderr, isTerminal(w.stderr))
	c.LogWarnings(ctx, log)
	s, err := server.New(ctx, server.Options{Config: c, Logger: log, Version: w.version})
	if err != nil {
		return err
	}
	return s.RunHandler(ctx, func(ctx context.Context, h http.Handler) error {
		return function.Serve(ctx, h, c.Drain)
	})
}

// ofLambda reports whether a setting means something in a function.
func ofLambda(s config.Setting) bool {
	switch s.Section {
	case config.SectionReceive, config.SectionSenders:
		return true
	case config.SectionSlack:
		return s.Key == "SLACK_SIGNING_SECRET"
	case config.SectionQueue:
		return s.Key != "DATA_DIR" && s.Key != "SQLITE_SYNCHRONOUS" && s.Key != "TEXT_INDEX"
	case config.SectionOperate:
		return s.Key != "ADMIN_ADDR" && s.Key != "ADMIN_TOKEN"
	case config.SectionStart, config.SectionListen, config.SectionWork, config.SectionMCP, config.SectionAccess, config.SectionTools, config.SectionPush, config.SectionSignIn:
	}
	return false
}

// headroom is how much garbage may gather between two collections at least. Go's
// default, as much as lives, makes a server that keeps little collect dozens of times
// a second: a third of what a request cost here.
const headroom = 12 << 20

// The bounds of the percentage: a floor, where much lives, and a ceiling. The runtime lets
// a heap in which little lives grow to 4 MiB times the percentage, which is headroom at
// the ceiling. More headroom saves nothing: what collections cost less, the first touch
// of more pages and colder caches cost more.
const (
	goPercent    = 100 // what the runtime begins with
	leastPercent = 75
	mostPercent  = headroom * 100 / (4 << 20)
)

// keepWithin lets the collector work harder before the process has as much memory as its
// container may use, so that the kernel does not end it. It is not called where the operator
// has set GOMEMLIMIT. What sqlite and the system take for the process, a fifth, is not the collector's.
func keepWithin() {
	if most, ok := container.Memory(os.DirFS("/")); ok {
		debug.SetMemoryLimit(most / 5 * 4)
	}
}

// keepHeadroom sets the collector's percentage so that it leaves headroom, now and
// after each collection. It is not called where the operator has set GOGC.
func keepHeadroom() { adjust(goPercent) }

// adjust is called with the percentage that is in force.
func adjust(now int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	want := percentFor(live[0].Value.Uint64())
	// Setting it stops the world for a moment; small changes are not worth that.
	if want < now*9/10 || want > now*11/10 {
		debug.SetGCPercent(want)
		now = want
	}
	// A finalizer runs after each collection, because nothing else refers to its object.
	runtime.SetFinalizer(&struct{ _ [16]byte }{}, func(any) { adjust(now) })
}

// percentFor is the percentage of what lives that comes to headroom.
func percentFor(live uint64) int {
	if live == 0 {
		return mostPercent
	}
	return int(min(max(headroom*100/live, leastPercent), mostPercent))
}
