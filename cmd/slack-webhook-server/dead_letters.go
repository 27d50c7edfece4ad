package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/webhook/operator"
)

// newDeadLetters is the parent of the commands on what handlers gave up.
func newDeadLetters(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dead-letters",
		Aliases: []string{"dlq"},
		Short:   "Look at the events that a group gave up, redrive or drop them",
		Long: `Look at the events that a group gave up after its last attempt, each with the reason; give
them back to the group with redrive, or drop them for good.`,
		Example: `  slack-webhook-server dead-letters list

  slack-webhook-server dead-letters redrive handlers --all`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDeadLettersList(w), newDeadLettersShow(w), newDeadLettersRedrive(w), newDeadLettersDrop(w))
	return cmd
}

// A lettersFlags is what the flags say that choose dead letters.
type lettersFlags struct {
	filterFlags

	diedBefore string
	all        bool
	dryRun     bool
}

func (f *lettersFlags) add(cmd *cobra.Command) {
	f.filterFlags.add(cmd)
	cmd.Flags().StringVar(&f.diedBefore, "died-before", "", "Only what a group gave up before this `time`")
}

// letters reads the flags and the arguments: a group and ids.
func (f *lettersFlags) letters(cmd *cobra.Command, group string, refs []string) (operator.Letters, error) {
	l := operator.Letters{Group: group, Refs: refs, All: f.all, DryRun: f.dryRun}
	var err error
	if l.Filter, err = f.filter(cmd); err != nil {
		return l, err
	}
	l.DiedBefore, err = timeFlag(cmd, "died-before", f.diedBefore)
	return l, err
}

// A bulk is a command that changes many dead letters.
type bulk struct {
	verb, done string // "redrive", "redriven"
	change     func(ctx context.Context, s operator.Store, l operator.Letters, told func(operator.Tally)) (operator.Tally, error)
}

// run changes what was chosen, with progress, and says how it went.
func (b bulk) run(o *operation, l operator.Letters) error {
	stats, err := o.Store.Stats(o.ctx())
	if err != nil {
		return err
	}
	dead := int64(0)
	for _, g := range stats.Groups {
		if g.Name == l.Group {
			dead = g.Dead
		}
	}
	bar := o.progress(b.verb, dead)
	t, err := b.change(o.ctx(), o.Store, l, func(t operator.Tally) { bar.Set(t.Looked) })
	bar.Done()
	stopped, interrupted := errors.AsType[*operator.InterruptedError](err)
	if interrupted {
		t = stopped.Tally
	}
	if err != nil && !interrupted {
		return err
	}
	if writeErr := o.report(bulkResult{Group: l.Group, Looked: t.Looked, Changed: t.Changed, Left: t.Left, Complete: !interrupted, DryRun: l.DryRun}, b.done); writeErr != nil {
		return writeErr
	}
	if interrupted {
		return fmt.Errorf("stopped after %d of %d dead letters: the same command goes on with the rest: %w", t.Looked, t.Of, stopped.Cause)
	}
	if t.Changed == 0 && len(l.Refs) > 0 {
		return fmt.Errorf("no dead letter of the group %q is meant by that; see: %s dead-letters list %s", l.Group, program, l.Group)
	}
	return nil
}

// A bulkResult is what bulk work writes at its end.
type bulkResult struct {
	Group    string `json:"group"`
	Looked   int64  `json:"looked_at"`
	Changed  int64  `json:"changed"`
	Left     int64  `json:"left_alone"`
	Complete bool   `json:"complete"`
	DryRun   bool   `json:"dry_run,omitempty"`
	Next     string `json:"next_cursor,omitempty"`
}

// report writes the result in words, or as JSON.
func (o *operation) report(r bulkResult, done string) error {
	if !o.print.People() {
		return o.print.Value(r)
	}
	text := fmt.Sprintf("%d %s", r.Changed, done)
	if r.DryRun {
		text = fmt.Sprintf("%d would be %s", r.Changed, done)
	}
	if r.Left > 0 {
		text += fmt.Sprintf(", %d let be", r.Left)
	}
	_, err := fmt.Fprintf(o.world.stdout, "%s (%d looked at)\n", text, r.Looked)
	return err
}

// groupsOr names the groups that a command looks at: the one that was given, or all.
func (o *operation) groupsOr(args []string) ([]string, error) {
	if len(args) > 0 {
		return args[:1], nil
	}
	return o.Store.Groups(o.ctx())
}

// agoStamp is how long ago an instant was.
func agoStamp(stamp string) string {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return ""
	}
	return ago(time.Since(t).Seconds())
}
