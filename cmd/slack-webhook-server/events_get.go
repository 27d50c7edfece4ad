package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// newEventsGet shows one event whole.
func newEventsGet(w world) *cobra.Command {
	var source string
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "get <event-id> [flags]",
		Short: "Show one event with its payload",
		Long: `Show one event as JSON, with its payload. What would let its reader act as somebody is left
out. An event of another sender than Slack is named with --source, or as source:id.`,
		Example: `  slack-webhook-server events get Ev0123456789

  slack-webhook-server events get contact_created:evt_17 | jq .payload`,
		Args: exactly(1, "the id of an event; events list shows them"),
	}, func(o *operation, args []string) error {
		e, err := operator.Find(o.ctx(), o.Store, args[0], source)
		if errors.Is(err, event.ErrNotFound) {
			return fmt.Errorf("%w: events list shows the stored ones; that of another sender is named with --source", err)
		}
		if err != nil {
			return err
		}
		return o.print.Value(operator.View(&e))
	})
	cmd.Flags().StringVar(&source, "source", "", "The event's `source`; slack when nobody says")
	return cmd
}
