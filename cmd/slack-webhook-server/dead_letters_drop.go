package main

import (
	"github.com/spf13/cobra"

	"slackmcp/webhook/operator"
)

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
