package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/server"
	"slackmcp/webhook/event"
)

// newVisibility is the parent of the commands on who sees which events.
func newVisibility(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "visibility",
		Short: "Look at why a person who has signed in sees an event, or not",
		Long: `Look at why a person who has signed in with Slack sees an event, or not: which rule decides, and
what is known that it decides by. The event itself is not shown. These commands ask the running
server, and show no token.`,
		Example: `  slack-webhook-server visibility explain T0123456789/U0123456789 Ev0123456789

  # An event of another sender than Slack
  slack-webhook-server visibility explain U0123456789 contact_created:evt_17`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newVisibilityExplain(w))
	return cmd
}

// newVisibilityExplain says why somebody sees an event.
func newVisibilityExplain(w world) *cobra.Command {
	var source string
	cmd := onOnePerson(w, &cobra.Command{
		Use:   "explain <person> <event-id> [flags]",
		Short: "Say why a person sees an event, or not",
		Long: `Say whether a person sees an event now, and why: the rule that decides, what kind of
conversation it happened in, and what is known of the person's membership there, since when.
Nothing of what the event says is shown, and Slack is not asked. What is unknown is not seen
until the person's assistant reads again: then Slack is asked. The audit trail has who was
asked about. An event of another sender than Slack is named with --source, or as source:id.`,
		Example: `  slack-webhook-server visibility explain T0123456789/U0123456789 Ev0123456789

  slack-webhook-server visibility explain U0123456789 Ev0123456789 -o json | jq -r .why`,
		Args: exactly(2, "a person as T…/U…, or a user's id (people list), and the id of an event (events list)"),
	}, func(o *operation, p server.People, args []string) error {
		x, err := p.Explain(o.ctx(), args[0], args[1], source)
		if err != nil {
			return err
		}
		if !o.print.People() {
			return o.print.Value(x)
		}
		_, err = fmt.Fprintln(w.stdout, explained(x, time.Now()))
		return err
	})
	cmd.Flags().StringVar(&source, "source", "", "The event's `source`; slack when it is not given")
	return cmd
}

// explained is an explanation in lines.
func explained(x server.Explained, now time.Time) string {
	lines := []string{fmt.Sprintf("%s to %s: %s.", x.Verdict, x.Person, x.Why)}
	add := func(name, value string, since time.Time) {
		if value == "" {
			return
		}
		if age := ago(now.Sub(since).Seconds()); !since.IsZero() && age != "" {
			value += ", said " + age + " ago"
		}
		lines = append(lines, fmt.Sprintf("  %-13s %s", name, console.Plain(value)))
	}
	add("event", x.EventID+" of "+x.Source+", "+event.Kind{Type: x.Type, Subtype: x.Subtype}.String(), time.Time{})
	add("conversation", x.Conversation, time.Time{})
	kind := x.Kind
	if x.Shared {
		kind += " that is shared with other organizations"
	}
	add("kind", kind, x.Typed)
	add("membership", x.Membership, x.Since)
	add("to be asked", x.Needs, time.Time{})
	return strings.Join(lines, "\n")
}
