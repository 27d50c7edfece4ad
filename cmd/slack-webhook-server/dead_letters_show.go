package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

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
		found, _, err := operator.List(o.ctx(), o.Store, operator.Letters{Group: args[0], Refs: args[1:]}, "", 1)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("dead letter %s of the group %q: %w", args[1], args[0], event.ErrNotFound)
		}
		return o.print.Value(operator.ViewLetter(&found[0]))
	})
	cmd.ValidArgsFunction = completeLetters(w)
	return cmd
}
