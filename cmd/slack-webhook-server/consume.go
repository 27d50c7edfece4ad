package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/cmd/slack-webhook-server/internal/processor"
	"slackmcp/config"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
	"slackmcp/webhook/rule"
)

// A consumeOptions is what the flags of consume say beside the settings.
type consumeOptions struct {
	filterFlags

	group    string
	start    string
	deadline time.Duration

	exec string
	env  []string

	forward   string
	secretEnv []string
	allow     []string
}

// newConsume works a group's events in this process.
func newConsume(w world) *cobra.Command {
	var c consumeOptions
	cmd := newOperate(w, false, &cobra.Command{
		Use:   "consume [flags]",
		Short: "Work a group's events in a process of its own",
		Long: `Work the events of a group in a process of its own: print each as a line of JSON, run a
command with the event on its standard input (--exec), or post it on as a signed webhook
(--forward). Consumers of one group share its events; as many may run as you like, here and
elsewhere. An event is done when it was printed, the command ended with 0, or the receiver
answered 2xx. Anything else is tried again by the group's schedule and ends in the dead
letters. What a consumer held when it died is given to another.

With sqlite and memory it works through the running server; Redis and NATS it reaches
itself when no server answers here.`,
		Example: `  # The event processor of a deployment: a command for each event, its body on stdin
  slack-webhook-server consume --group event-processor --exec 'python handle.py'

  # Forward mentions as Standard Webhooks, signed with the secret in $HOOK_SECRET
  slack-webhook-server consume --group mentions --type app_mention \
    --forward https://hooks.example.com/slack --secret-env HOOK_SECRET`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error { return c.run(o) })
	c.add(cmd)
	f := cmd.Flags()
	f.StringVar(&c.group, "group", "event-processor", "Name of the consumer `group`; a new one is registered")
	f.StringVar(&c.start, "start", "oldest", "Where a new group begins, `oldest|now`: with the oldest event, or with what comes from now on")
	f.DurationVar(&c.deadline, "deadline", time.Minute, "Longest time of one attempt")
	f.StringVar(&c.exec, "exec", "", "Run this shell `command` for each event; EVENT_ID, EVENT_TYPE and others tell which it is, and --log-level debug shows what it prints")
	f.StringSliceVar(&c.env, "env", nil, "Let the command have this `variable`, too; several with commas between")
	f.StringVar(&c.forward, "forward", "", "Post each event to this `address`")
	f.StringSliceVar(&c.secretEnv, "secret-env", nil, "The `variable` that holds the secret which signs (whsec_...)")
	f.StringSliceVar(&c.allow, "allow", nil, "A private `network` or host that may be posted to, and by plain http")
	addSettings(cmd, consumeSettings(), nil)
	_ = cmd.RegisterFlagCompletionFunc("group", completeGroups(w)) // the flag exists
	return cmd
}

// consumeSettings are those of a server's workers that mean the same here.
func consumeSettings() []config.Setting {
	keys := []string{"WORKERS", "MAX_ATTEMPTS", "DRAIN_TIMEOUT"}
	return slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !slices.Contains(keys, s.Key) })
}

// run consumes until the context ends. A server that is stopped is waited for.
func (c *consumeOptions) run(o *operation) error {
	g, err := c.queueGroup(o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(o.ctx())
	defer stop(nil)
	h, release, err := c.handler(o, stop)
	if err != nil {
		return err
	}
	defer release()
	err = o.lasting(ctx, func(ctx context.Context) error { return o.Store.Consume(ctx, g, h) })
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

func (c *consumeOptions) queueGroup(o *operation) (queue.Group, error) {
	filter, err := c.filter(o.cmd)
	if err != nil {
		return queue.Group{}, err
	}
	if c.start != "oldest" && c.start != "now" || c.deadline <= 0 {
		return queue.Group{}, &usageError{"--start is oldest or now, and --deadline is longer than nothing", o.cmd.CommandPath()}
	}
	g := queue.Group{
		Name: c.group, Start: queue.Start{Now: c.start == "now"}, Filter: filter, Workers: o.config.Worker.Workers,
		Deadline: c.deadline, Drain: max(o.config.Drain, time.Millisecond), Policy: queue.Policy{MaxAttempts: o.config.Worker.MaxAttempts},
	}
	if c.exec == "" && c.forward == "" && o.config.Origin("WORKERS").Kind == config.FromDefault {
		g.Workers = 1 // lines come one at a time anyhow, and then as nearly in order as can be
	}
	if _, err := g.Normalize(); err != nil {
		return g, &usageError{err.Error(), o.cmd.CommandPath()}
	}
	return g, nil
}

// handler is what is done with each event; stop is for what makes going on useless.
func (c *consumeOptions) handler(o *operation, stop func(error)) (queue.Handler, func(), error) {
	release := func() {}
	switch {
	case c.exec != "" && c.forward != "":
		return nil, nil, &usageError{"--exec and --forward exclude each other", o.cmd.CommandPath()}
	case c.exec != "":
		h, err := c.command(o)
		return logged(o.log, h), release, err
	case c.forward != "":
		secrets, err := c.secrets(o)
		if err != nil {
			return nil, nil, err
		}
		h, release, err := rule.ForwardHandler(rule.Forward{URL: c.forward, Allow: c.allow, Timeout: min(c.deadline, time.Minute)}, secrets)
		if err != nil {
			return nil, nil, &usageError{"--forward: " + err.Error(), o.cmd.CommandPath()}
		}
		return logged(o.log, h), release, nil
	}
	write := o.print.Line
	if o.print.People() {
		write = o.print.Value
	}
	return processor.Print(write, stop), release, nil
}

// command runs a shell's command line, in this directory and with the variables that
// every program has, and those that were named.
func (c *consumeOptions) command(o *operation) (queue.Handler, error) {
	names := append([]string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ"}, c.env...)
	values := map[string]string{}
	for _, name := range names {
		values[name], _ = o.world.lookupEnv(name)
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return rule.RunHandler(c.group, rule.Run{
		Command: []string{"/bin/sh", "-c", c.exec}, Timeout: c.deadline, Env: names, Dir: dir,
	}, values, o.log)
}

func (c *consumeOptions) secrets(o *operation) ([]string, error) {
	var secrets []string
	for _, name := range c.secretEnv {
		value, _ := o.world.lookupEnv(name)
		if value == "" {
			return nil, &usageError{"--secret-env names " + name + ", which is not set", o.cmd.CommandPath()}
		}
		secrets = append(secrets, value)
	}
	if len(secrets) == 0 {
		return nil, &usageError{"--forward needs --secret-env: the variable with the secret that signs", o.cmd.CommandPath()}
	}
	return secrets, nil
}

// logged logs each attempt that failed.
func logged(log *slog.Logger, h queue.Handler) queue.Handler {
	return func(ctx context.Context, d queue.Delivery) error {
		err := h(ctx, d)
		level, msg := slog.LevelDebug, "event worked"
		attrs := []slog.Attr{slog.String("group", d.Group), slog.String("event_id", d.Event.ID), slog.Int("attempt", d.Attempt)}
		if err != nil {
			level, msg = slog.LevelWarn, "attempt failed"
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		log.LogAttrs(ctx, level, msg, attrs...) //nolint:sloglint // one of two constants
		return err
	}
}

// newReplay has a group work stored events once more.
func newReplay(w world) *cobra.Command {
	var f filterFlags
	var to, after, through string
	var all, yes, dryRun bool
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "replay [<event-id>...] --to <group> [flags]",
		Short: "Have a group work stored events once more",
		Long: `Have a group work stored events once more, whatever became of them there: those that are
named by their ids (or source:id, or position), those of a time or a range that match the
filters, or --all that are stored now. An event that is being handled is let be. It goes
page by page and may be stopped; it then says where to go on.`,
		Example: `  slack-webhook-server replay Ev0123456789 --to handlers

  slack-webhook-server replay --to event-processor --since yesterday --until today --yes`,
	}, func(o *operation, args []string) error {
		filter, err := f.filter(o.cmd)
		if err != nil {
			return err
		}
		if len(args) == 0 && !dryRun {
			if err := o.confirmFor(to, yes, "Have the group %q work the chosen events once more?"); err != nil {
				return err
			}
		}
		return replay(o, to, operator.Events{
			Refs: args, Filter: filter, After: event.Position(after), Through: event.Position(through), All: all, DryRun: dryRun,
		})
	})
	f.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "The `group` that is to work them")
	cmd.Flags().StringVar(&after, "after", "", "Only events behind this `position`")
	cmd.Flags().StringVar(&through, "through", "", "Only events up to this `position`")
	cmd.Flags().BoolVar(&all, "all", false, "Every stored event")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "Change nothing, and say how many would be replayed")
	cmd.Flags().BoolVar(&yes, "yes", false, "Do not ask")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		filter, err := f.filter(cmd)
		chosen := operator.Events{Refs: args, Filter: filter, After: event.Position(after), Through: event.Position(through), All: all}
		switch {
		case err != nil:
			return err
		case to == "":
			return &usageError{"say with --to which group is to work them; groups list shows them", cmd.CommandPath()}
		case !chosen.Chooses():
			return &usageError{"say which events: their ids, a time, a range, a filter, or --all", cmd.CommandPath()}
		}
		return nil
	}
	_ = cmd.RegisterFlagCompletionFunc("to", completeGroups(w)) // the flag exists
	return cmd
}

// replay does it, with progress, and says how it went.
func replay(o *operation, group string, chosen operator.Events) error {
	var bar *console.Progress
	t, err := operator.Replay(o.ctx(), o.Store, group, chosen, func(t operator.Tally) {
		if bar == nil {
			bar = o.progress("replay", t.Of)
		}
		bar.Set(t.Looked)
	})
	bar.Done()
	stopped, interrupted := errors.AsType[*operator.InterruptedError](err)
	if interrupted {
		t = stopped.Tally
	}
	if err != nil && !interrupted {
		return err
	}
	r := bulkResult{Group: group, Looked: t.Looked, Changed: t.Changed, Left: t.Left, Complete: !interrupted, DryRun: chosen.DryRun}
	if interrupted {
		r.Next = string(t.At)
	}
	if err := o.report(r, "replayed"); err != nil {
		return err
	}
	if interrupted {
		return fmt.Errorf("stopped after %d events: go on with --after %s: %w", t.Looked, t.At, stopped.Cause)
	}
	return nil
}
