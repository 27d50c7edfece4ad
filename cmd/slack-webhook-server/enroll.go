package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"slackmcp/server"
	"slackmcp/server/operate"
)

// newEnroll waits for the secret that a sender says in its handshake.
func newEnroll(w world) *cobra.Command {
	var from string
	cmd := newOperate(w, false, &cobra.Command{
		Use:   "enroll <name> --provider <provider>",
		Short: "Take the secret that Asana or Notion says when a webhook is made",
		Long: `Open the route /events/<name> of the running server for ten minutes, and print the first secret
that the sender says there. Make the webhook meanwhile. Then put the secret into the variable of
the source, add the source to the sources file, and send SIGHUP. The route of a source that is
served is not opened: no secret replaces another.`,
		Example: `  slack-webhook-server sources enroll tasks --provider asana

  slack-webhook-server sources enroll notes --provider notion > notes.secret`,
		Args: exactly(1, "the name of the source, the last segment of its route"),
	}, func(o *operation, args []string) error {
		client, err := o.running()
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(w.stderr, "Waiting ten minutes for the handshake at /events/%s: make the webhook now.\n", args[0]) // There may be no reader.
		came := false
		err = operate.Follow(o.ctx(), client, server.EnrollRoute, server.Enroll{Name: args[0], Provider: from}, func(e server.Enrolled) error {
			came = true
			_, err := fmt.Fprintln(w.stdout, e.Secret)
			return err
		})
		if err == nil && !came && o.ctx().Err() == nil {
			err = errors.New("the server ended before a handshake came: call it again")
		}
		return err
	})
	cmd.Flags().StringVar(&from, "provider", "", "Who sends: `asana|notion`")
	_ = cmd.MarkFlagRequired("provider") // The flag exists.
	return cmd
}
