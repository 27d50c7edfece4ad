package main

import (
	"github.com/spf13/cobra"

	"slackmcp/webhook/operator"
)

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
