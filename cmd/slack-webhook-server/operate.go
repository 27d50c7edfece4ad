package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/server/operate"
	"slackmcp/store/queue"
	"slackmcp/webhook/operator"
)

// newOperate makes a command that works on the store of a server: run gets it open, and
// the printer for its results. alone says that the command makes sense on an embedded
// store while no server runs.
//
// A command that needs the running server itself takes the store for what it then is:
//
//	client, ok := o.Store.(*operate.Client)
func newOperate(w world, alone bool, cmd *cobra.Command, run func(o *operation, args []string) error) *cobra.Command {
	settings := operateSettings()
	cmd.Annotations = secretsOf(settings)
	output := console.Auto
	cmd.Flags().VarP(&outputValue{&output}, "output", "o", "How results are written: auto is a table on a terminal and jsonl elsewhere")
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(console.Formats(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o, err := openOperation(cmd, w, alone)
		if err != nil {
			return err
		}
		defer func() {
			if closeErr := o.Store.Close(); err == nil {
				err = closeErr
			}
		}()
		o.print.Format = output
		return remedied(run(o, args))
	}
	return cmd
}

// An operation is one run of an operator's command.
type operation struct {
	cmd    *cobra.Command
	world  world
	config config.Config
	// Store is what is worked on: a server's, by its socket, or the store itself.
	Store operator.Store
	print *console.Printer
	log   *slog.Logger
}

func (o *operation) ctx() context.Context { return o.cmd.Context() }

func openOperation(cmd *cobra.Command, w world, alone bool) (*operation, error) {
	c, err := load(cmd, w, config.CommandOperate)
	if err != nil {
		return nil, err
	}
	log := config.NewLogger(c, w.stderr, isTerminal(w.stderr))
	store, err := server.OpenOperator(cmd.Context(), c, log, alone)
	if errors.Is(err, server.ErrNoStore) && !c.Sandbox {
		var none error
		if store, none = server.OpenOperator(cmd.Context(), c.InSandbox(), log, false); none == nil {
			c, err = c.InSandbox(), nil
			// Where stderr is broken there is no one to tell it to.
			_, _ = fmt.Fprintln(w.stderr, "Of the sandbox that runs here, in "+c.Queue.DataDir)
		}
	}
	if err != nil {
		return nil, err
	}
	return &operation{cmd: cmd, world: w, config: c, Store: store, log: log, print: &console.Printer{
		Out: w.stdout, Terminal: isTerminal(w.stdout), Width: terminalWidth(w.stdout),
	}}, nil
}

// operateSettings are the settings that say which store is meant.
func operateSettings() []config.Setting {
	keys := []string{
		"SANDBOX", "QUEUE_BACKEND_TYPE", "DATA_DIR", "SLACK_EVENTS_TOPIC", "REDIS_URL", "REDIS_MAX_CONNECTIONS", "NATS_URL",
		"LOG_LEVEL", "LOG_FORMAT",
	}
	return slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !slices.Contains(keys, s.Key) })
}

// outputValue is the flag --output.
type outputValue struct{ format *console.Format }

// String is the format so far.
func (v *outputValue) String() string { return string(*v.format) }

// Type is the placeholder in help texts.
func (v *outputValue) Type() string { return "<" + strings.Join(console.Formats(), "|") + ">" }

// Set takes one of the formats.
func (v *outputValue) Set(text string) error {
	if !slices.Contains(console.Formats(), text) {
		return fmt.Errorf("write %s", strings.Join(console.Formats(), ", "))
	}
	*v.format = console.Format(text)
	return nil
}

// terminalWidth is how many columns a terminal has, 0 for anything else.
func terminalWidth(w any) int {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// remedied says what helps where an error alone does not.
func remedied(err error) error {
	if errors.Is(err, queue.ErrNoGroup) {
		return fmt.Errorf("%w: `groups list` shows those that there are", err)
	}
	return err
}

// confirmFor is confirm for what is done to a group. It asks no question about a group that
// there is not.
func (o *operation) confirmFor(group string, yes bool, question string) error {
	stats, err := o.Store.Stats(o.ctx())
	if err != nil {
		return err
	}
	if _, err := operator.GroupOf(stats, group); err != nil {
		return err
	}
	return o.confirm(yes, fmt.Sprintf(question, group))
}

// confirm asks before something that cannot be undone, unless --yes was given. Where no
// person can answer it is a usage error.
func (o *operation) confirm(yes bool, question string) error {
	switch {
	case yes:
		return nil
	case !isTerminal(o.world.stdin) || !isTerminal(o.world.stderr):
		return &usageError{question + " No one can answer here: say --yes", o.cmd.CommandPath()}
	}
	return console.Confirm(o.ctx(), o.world.stdin, o.world.stderr, question)
}

// progress shows how far long work has come, where a person looks on.
func (o *operation) progress(what string, total int64) *console.Progress {
	return console.NewProgress(o.world.screen, isTerminal(o.world.stderr), what, total)
}

// lasting does what goes on until ctx ends; then it returns nil. When the server is
// stopped meanwhile, or goes away, it waits for the next one and does it again.
func (o *operation) lasting(ctx context.Context, do func(context.Context) error) error {
	for ctx.Err() == nil {
		err := do(ctx)
		client, remote := o.Store.(*operate.Client)
		switch {
		case ctx.Err() != nil:
		case err == nil, !remote, !errors.Is(err, queue.ErrClosed) && !errors.Is(err, queue.ErrUnavailable):
			return err
		default:
			o.reconnect(ctx, client, err)
		}
	}
	return nil
}

// reconnect waits until a server answers at the socket again, or ctx ends.
func (o *operation) reconnect(ctx context.Context, client *operate.Client, cause error) {
	_, _ = fmt.Fprintf(o.world.stderr, "%s: %s: waiting for the server\n", program, console.Plain(cause.Error())) // There may be no reader.
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		next, err := operate.Dial(ctx, client.Path())
		if err == nil {
			_ = client.Close() // nothing is under way on it
			o.Store = next
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
