package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/store/queue"
	"slackmcp/webhook/event"
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
	reason     string
	all        bool
	dryRun     bool
}

func (f *lettersFlags) add(cmd *cobra.Command) {
	f.filterFlags.add(cmd)
	cmd.Flags().StringVar(&f.reason, "reason", "", "Only what a group gave up for this whole `reason`")
	cmd.Flags().StringVar(&f.diedBefore, "died-before", "", "Only what a group gave up before this `time`")
}

// letters reads the flags and the arguments: a group and ids.
func (f *lettersFlags) letters(cmd *cobra.Command, group string, refs []string) (operator.Letters, error) {
	l := operator.Letters{Group: group, Refs: refs, Reason: f.reason, All: f.all, DryRun: f.dryRun}
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
	change     func(ctx context.Context, s operator.Store, l operator.Letters, progress func(operator.Tally)) (operator.Tally, error)
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

// A lettersEnd is what dead-letters list writes as JSON behind the letters.
type lettersEnd struct {
	NextCursor event.Position `json:"next_cursor,omitempty"`
}

// newDeadLettersList shows dead letters.
func newDeadLettersList(w world) *cobra.Command {
	var f lettersFlags
	var limit int
	var cursor string
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "list [<group>] [flags]",
		Short: "List the dead letters of a group, or of all",
		Long: `List the dead letters of a group, or of all groups, oldest event first, each with how often
it was tried and why it was given up.`,
		Example: `  slack-webhook-server dead-letters list

  slack-webhook-server dead-letters list rule.notify --type app_mention --since 1d`,
		Args: atMost(1),
	}, func(o *operation, args []string) error {
		if limit < 1 || cursor != "" && len(args) == 0 {
			return &usageError{"--limit begins at 1, and --cursor is for one group", o.cmd.CommandPath()}
		}
		out := &console.Stream[operator.Letter]{Printer: o.print, Columns: letterColumns(), Member: "dead_letters", None: "There is no dead letter."}
		next, err := listLetters(o, args, &f, event.Position(cursor), limit, out.Add)
		if err != nil {
			return err
		}
		if err := out.End(lettersEnd{next}); err != nil {
			return err
		}
		if next != "" && isTerminal(o.world.stderr) {
			_, err = fmt.Fprintf(o.world.stderr, "There are more: name the group, and --cursor %s\n", next)
		}
		return err
	})
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "Most dead letters to list")
	cmd.Flags().StringVar(&cursor, "cursor", "", "Go on behind this `position`, which the last call named")
	cmd.ValidArgsFunction = completeGroups(w)
	return cmd
}

// listLetters shows the letters of one group after the other, until the limit is reached. It
// holds one page.
func listLetters(o *operation, args []string, f *lettersFlags, cursor event.Position, limit int, show func(operator.Letter) error) (next event.Position, err error) {
	groups, err := o.groupsOr(args)
	if err != nil {
		return "", err
	}
	for _, group := range groups {
		l, err := f.letters(o.cmd, group, nil)
		if err != nil {
			return "", err
		}
		next, err = operator.Each(o.ctx(), o.Store, l, cursor, limit, func(d *queue.DeadLetter) error {
			limit--
			v := operator.ViewLetter(d)
			if o.print.People() {
				v.Payload = nil // a table has no place for it
			}
			return show(v)
		})
		if err != nil || next != "" {
			return next, err
		}
	}
	return "", nil
}

func letterColumns() []console.Column[operator.Letter] {
	return []console.Column[operator.Letter]{
		{Name: "group", Max: 24, Cell: func(l operator.Letter) string { return l.Group }},
		{Name: "event id", Max: 36, Cell: func(l operator.Letter) string { return l.EventID }},
		{Name: "type", Max: 30, Cell: func(l operator.Letter) string { return kindOf(l.Type, l.Subtype) }},
		{Name: "channel", Max: 14, Cell: func(l operator.Letter) string { return l.Channel }},
		{Name: "died ago", Right: true, Cell: func(l operator.Letter) string { return agoStamp(l.DiedAt) }},
		{Name: "attempts", Right: true, Cell: func(l operator.Letter) string { return strconv.Itoa(l.Attempts) }},
		{Name: "reason", Max: 60, Cell: func(l operator.Letter) string { return l.Reason }},
	}
}

// newDeadLettersShow shows one dead letter whole.
func newDeadLettersShow(w world) *cobra.Command {
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "show <group> <event-id> [flags]",
		Short: "Show one dead letter with its payload and its reason",
		Long: `Show one dead letter as JSON: the event with its payload, how often it was tried, and why it
was given up. The event is named by its id, as source:id, or by its position.`,
		Example: `  slack-webhook-server dead-letters show handlers Ev0123456789

  slack-webhook-server dead-letters show handlers Ev0123456789 | jq -r .reason`,
		Args: exactly(2, "a group and the id of an event; dead-letters list shows them"),
	}, func(o *operation, args []string) error {
		found := false
		_, err := operator.Each(o.ctx(), o.Store, operator.Letters{Group: args[0], Refs: args[1:]}, "", 1, func(d *queue.DeadLetter) error {
			found = true
			return o.print.Value(operator.ViewLetter(d))
		})
		if err == nil && !found {
			err = fmt.Errorf("dead letter %s of the group %q: %w", args[1], args[0], event.ErrNotFound)
		}
		return err
	})
	cmd.ValidArgsFunction = completeLetters(w)
	return cmd
}

// newDeadLettersRedrive gives dead letters back to their group.
func newDeadLettersRedrive(w world) *cobra.Command {
	var f lettersFlags
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "redrive <group> [<event-id>...] [flags]",
		Short: "Give dead letters back to their group, to be tried anew",
		Long: `Give dead letters back to their group with a fresh count of attempts: those that are named by
their ids (or source:id, or position), those that match the filters, or --all. It works
through those that were dead when it began, page by page, and may be stopped at any time:
what was redriven is, and the same command goes on with the rest.`,
		Example: `  slack-webhook-server dead-letters redrive handlers Ev0123456789

  # After the mend: everything that died before it
  slack-webhook-server dead-letters redrive handlers --died-before 10m`,
		Args: lettersArgs(&f),
	}, func(o *operation, args []string) error {
		l, err := f.letters(o.cmd, args[0], args[1:])
		if err != nil {
			return err
		}
		return bulk{"redrive", "redriven", operator.Redrive}.run(o, l)
	})
	f.add(cmd)
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "Change nothing, and say how many would be redriven")
	cmd.Flags().BoolVar(&f.all, "all", false, "Redrive every dead letter of the group")
	cmd.ValidArgsFunction = completeLetters(w)
	return cmd
}

// lettersArgs wants a group, and something that chooses among its letters.
func lettersArgs(f *lettersFlags) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return &usageError{"give the name of a group; groups list shows them", cmd.CommandPath()}
		}
		l, err := f.letters(cmd, args[0], args[1:])
		switch {
		case err != nil:
			return err
		case !l.Chooses():
			return &usageError{"say which dead letters: their ids, a filter, or --all", cmd.CommandPath()}
		case f.all && len(args) > 1:
			return &usageError{"--all and ids exclude each other", cmd.CommandPath()}
		}
		return nil
	}
}

// newDeadLettersDrop removes dead letters for good.
func newDeadLettersDrop(w world) *cobra.Command {
	var f lettersFlags
	var yes bool
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "drop <group> [<event-id>...] [flags]",
		Short: "Remove dead letters for good; they count as done",
		Long: `Remove dead letters for good: those that are named by their ids (or source:id, or position),
those that match the filters, or --all. They count as done; the events stay as long as all
events do. More than named ones are dropped only after a question, or with --yes.`,
		Example: `  slack-webhook-server dead-letters drop handlers Ev0123456789

  slack-webhook-server dead-letters drop handlers --type user_typing --yes`,
		Args: lettersArgs(&f),
	}, func(o *operation, args []string) error {
		l, err := f.letters(o.cmd, args[0], args[1:])
		if err != nil {
			return err
		}
		if len(l.Refs) == 0 && !l.DryRun {
			if err := o.confirmFor(l.Group, yes, "Drop the chosen dead letters of the group %q for good?"); err != nil {
				return err
			}
		}
		return bulk{"drop", "dropped", operator.Drop}.run(o, l)
	})
	f.add(cmd)
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "Change nothing, and say how many would be dropped")
	cmd.Flags().BoolVar(&f.all, "all", false, "Drop every dead letter of the group")
	cmd.Flags().BoolVar(&yes, "yes", false, "Do not ask")
	cmd.ValidArgsFunction = completeLetters(w)
	return cmd
}
