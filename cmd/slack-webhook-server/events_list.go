package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// An eventsPage is what events list writes as JSON.
type eventsPage struct {
	Events     []operator.Event `json:"events"`
	NextCursor event.Position   `json:"next_cursor"`
	HasMore    bool             `json:"has_more"`
}

// newEventsList shows a page of the stored events.
func newEventsList(w world) *cobra.Command {
	var f filterFlags
	var order, cursor string
	var limit int
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "list [flags]",
		Short: "List the stored events, newest first",
		Long: `List the stored events, newest first unless --order says otherwise. All filters have to
match. What does not fit into --limit is reached by --cursor, with the same filters.`,
		Example: `  slack-webhook-server events list --type message --channel C0123456789 --since 2h

  # All of yesterday's, one JSON object a line
  slack-webhook-server events list --since 2026-01-30 --until 2026-01-31 --limit 100000 -o jsonl`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error {
		filter, err := f.filter(o.cmd)
		if err != nil {
			return err
		}
		if order != "newest" && order != "oldest" || limit < 1 {
			return &usageError{"--order is newest or oldest, and --limit begins at 1", o.cmd.CommandPath()}
		}
		q := event.Query{Filter: filter, After: event.Position(cursor)}
		if order == "oldest" {
			q.Order = event.OldestFirst
		}
		return listEvents(o, q, limit)
	})
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "Most events to list")
	cmd.Flags().StringVar(&order, "order", "newest", "Which come first: `newest|oldest`")
	cmd.Flags().StringVar(&cursor, "cursor", "", "Go on behind this `position`, which the last call named")
	return cmd
}

// listEvents reads pages until the limit is reached or nothing is left.
func listEvents(o *operation, q event.Query, limit int) error {
	const most = 200 // events in one answer
	var found []event.Event
	page := event.Page{More: true, Next: q.After}
	for page.More && len(found) < limit && o.ctx().Err() == nil {
		q.Limit, q.After = min(limit-len(found), most), page.Next
		var err error
		if page, err = o.Store.History(o.ctx(), q); err != nil {
			return err
		}
		found = append(found, page.Events...)
	}
	rows := eventRows(found)
	whole := eventsPage{Events: operator.Views(found), NextCursor: page.Next, HasMore: page.More}
	if o.print.People() {
		if err := console.List(o.print, eventColumns(), rows, whole, "No event matches."); err != nil {
			return err
		}
	} else if err := console.List(o.print, nil, whole.Events, whole, ""); err != nil {
		return err
	}
	if page.More && isTerminal(o.world.stderr) {
		_, err := fmt.Fprintf(o.world.stderr, "There are more: --cursor %s\n", page.Next)
		return err
	}
	return nil
}
