package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/webhook/operator"
)

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

// newGroupsList shows the counts of each group.
func newGroupsList(w world) *cobra.Command {
	return newOperate(w, true, &cobra.Command{
		Use:   "list [flags]",
		Short: "List the consumer groups with their counts",
		Long: `List the consumer groups with their counts. Of every event that was accepted since a group
began, each is done, waiting, dead or expired; waiting includes what is in flight and what
is to be tried again.`,
		Example: `  slack-webhook-server groups list

  # What fails?
  slack-webhook-server groups list --output json | jq '.groups[] | select(.dead_letters > 0)'`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error {
		stats, err := o.Store.Stats(o.ctx())
		if err != nil {
			return err
		}
		view := operator.ViewStats(stats, time.Now())
		number := func(n func(operator.Group) int64) func(operator.Group) string {
			return func(g operator.Group) string { return strconv.FormatInt(n(g), 10) }
		}
		return console.List(o.print, []console.Column[operator.Group]{
			{Name: "group", Cell: func(g operator.Group) string { return g.Name }},
			{Name: "waiting", Right: true, Cell: number(func(g operator.Group) int64 { return g.Waiting })},
			{Name: "in flight", Right: true, Cell: number(func(g operator.Group) int64 { return g.InFlight })},
			{Name: "retrying", Right: true, Cell: number(func(g operator.Group) int64 { return g.Retrying })},
			{Name: "done", Right: true, Cell: number(func(g operator.Group) int64 { return g.Done })},
			{Name: "dead", Right: true, Cell: number(func(g operator.Group) int64 { return g.DeadLetters })},
			{Name: "expired", Right: true, Cell: number(func(g operator.Group) int64 { return g.Expired })},
			{Name: "oldest waiting", Right: true, Cell: func(g operator.Group) string { return ago(g.OldestWaitingSeconds) }},
			{Name: "state", Cell: func(g operator.Group) string { return g.State() }},
		}, view.Groups, view, "No group is registered: nothing has worked the events yet.")
	})
}

// ago writes an age as people say it; "" for none.
func ago(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d <= 0:
		return ""
	case d >= 48*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	case d >= time.Hour:
		return d.Round(time.Minute).String()[:len(d.Round(time.Minute).String())-2]
	}
	return d.Round(time.Second).String()
}

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

  # In a script, where no one can answer the question
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
