package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

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

  slack-webhook-server replay --to event-processor --since 2026-01-30 --until 2026-01-31 --yes`,
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
