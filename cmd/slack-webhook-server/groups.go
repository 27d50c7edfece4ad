package main

import "github.com/spf13/cobra"

// newGroups is the parent of the commands on consumer groups.
func newGroups(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "groups",
		Short: "Look at the consumer groups, and drop one",
		Long: `Look at the groups that work the events, each of which gets its own copy of every event:
what they have done, what waits, what failed for good.`,
		Example: `  slack-webhook-server groups list

  slack-webhook-server groups drop event-processor`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGroupsList(w), newGroupsDrop(w))
	return cmd
}
