package main

import (
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/webhook/event"
	"slackmcp/webhook/operator"
)

// newEvents is the parent of the commands on received events.
func newEvents(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Look at the received events, and follow them",
		Long: `Look at the events that were received and are kept, on a running server or beside it. What
would let its reader act as somebody (tokens, response URLs) is left out.`,
		Example: `  slack-webhook-server events list --since 1h

  slack-webhook-server events tail --type app_mention`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEventsList(w), newEventsGet(w), newEventsTail(w), newEventsGaps(w))
	return cmd
}

// eventRow is one line of a table of events.
type eventRow struct {
	operator.Event

	summary string
}

func eventRows(list []event.Event) []eventRow {
	rows := make([]eventRow, len(list))
	for i := range list {
		rows[i] = eventRow{operator.View(&list[i]), operator.Summary(&list[i])}
	}
	return rows
}

// eventColumns are those of every table of events.
func eventColumns() []console.Column[eventRow] {
	return []console.Column[eventRow]{
		{Name: "received", Cell: func(r eventRow) string { return localTime(r.ReceivedAt) }},
		{Name: "source", Max: 20, Cell: func(r eventRow) string { return r.Source }},
		{Name: "event id", Max: 36, Cell: func(r eventRow) string { return r.EventID }},
		{Name: "type", Max: 30, Cell: func(r eventRow) string { return kindOf(r.Type, r.Subtype) }},
		{Name: "channel", Max: 14, Cell: func(r eventRow) string { return r.Channel }},
		{Name: "user", Max: 14, Cell: func(r eventRow) string { return r.User }},
		{Name: "text", Max: 60, Cell: func(r eventRow) string { return r.summary }},
	}
}

func kindOf(typ, subtype string) string { return event.Kind{Type: typ, Subtype: subtype}.String() }

// localTime writes an instant as the person at the terminal reads a clock.
func localTime(stamp string) string {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return stamp
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
