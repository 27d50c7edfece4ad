package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newGroupsDrop forgets a group.
func newGroupsDrop(w world) *cobra.Command {
	var yes bool
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "drop <group> [flags]",
		Short: "Forget a consumer group, with its schedule and its dead letters",
		Long: `Forget a consumer group with its schedule and its dead letters. The events stay. What still
consumes for the group ends with an error; a group of this name that is registered later
begins with the oldest event again.`,
		Example: `  slack-webhook-server groups drop event-processor

  # In a script, where nobody can be asked
  slack-webhook-server groups drop event-processor --yes`,
		Args: exactly(1, "the name of a group; groups list shows them"),
	}, func(o *operation, args []string) error {
		if err := o.confirmFor(args[0], yes, "Forget the group %q, what it has to do and its dead letters?"); err != nil {
			return err
		}
		if err := o.Store.DropGroup(o.ctx(), args[0]); err != nil {
			return err
		}
		_, err := fmt.Fprintf(o.world.stderr, "The group %q is forgotten.\n", args[0])
		return err
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "Do not ask")
	cmd.ValidArgsFunction = completeGroups(w)
	return cmd
}
