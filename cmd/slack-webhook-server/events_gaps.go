package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/server"
	"slackmcp/server/socket"
	"slackmcp/webhook/gaps"
)

// newEventsGaps is the parent of the commands on gaps.
func newEventsGaps(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gaps",
		Short: "Look at the times in which events may have been missed, and fill them",
		Long: `Look at the times in which events may have been missed: Slack withheld them, no server ran,
or none could store them. A gap is filled from the history of the channels.`,
		Example: `  slack-webhook-server events gaps list

  slack-webhook-server events gaps fill`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGapsList(w), newGapsFill(w))
	return cmd
}

// running returns the running server, which alone knows Slack and the gaps.
func (o *operation) running() (*socket.Client, error) {
	client, ok := o.Store.(*socket.Client)
	if !ok {
		return nil, errors.New("no server answers in DATA_DIR, and gaps are a running server's: start it, or name its directory with --data-dir")
	}
	return client, nil
}

func (o *operation) listGaps() ([]gaps.Gap, error) {
	client, err := o.running()
	if err != nil {
		return nil, err
	}
	list, err := socket.Ask[server.GapsList](o.ctx(), client, server.GapsListRoute, struct{}{})
	return list.Gaps, err
}

// newGapsList shows the gaps.
func newGapsList(w world) *cobra.Command {
	return newOperate(w, true, &cobra.Command{
		Use:   "list [flags]",
		Short: "List the times in which events may have been missed",
		Long: `List the times in which events may have been missed, oldest first, with how each was noticed
and how far it was filled.`,
		Example: `  slack-webhook-server events gaps list

  # Which are open?
  slack-webhook-server events gaps list --output json | jq '.gaps[] | select(.fill.done_at == null)'`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error {
		list, err := o.listGaps()
		if err != nil {
			return err
		}
		return console.List(o.print, gapColumns(), list, server.GapsList{Gaps: list}, "No gap is known.")
	})
}

func gapColumns() []console.Column[gaps.Gap] {
	const stamp = "2006-01-02 15:04:05"
	return []console.Column[gaps.Gap]{
		{Name: "gap", Cell: func(g gaps.Gap) string { return g.ID }},
		{Name: "noticed by", Cell: func(g gaps.Gap) string { return string(g.Kind) }},
		{Name: "from", Cell: func(g gaps.Gap) string { return g.From.Local().Format(stamp) }},
		{Name: "to", Cell: func(g gaps.Gap) string { return g.To.Local().Format(stamp) }},
		{Name: "state", Cell: func(g gaps.Gap) string { return g.State() }},
		{Name: "stored", Right: true, Cell: func(g gaps.Gap) string {
			if g.Fill == nil {
				return ""
			}
			return strconv.Itoa(g.Fill.Stored)
		}},
		{Name: "skipped", Max: 40, Cell: func(g gaps.Gap) string {
			if g.Fill == nil {
				return ""
			}
			return strings.Join(g.Fill.Skipped, ", ")
		}},
	}
}

// newGapsFill fills one gap, or all that are open.
func newGapsFill(w world) *cobra.Command {
	return newOperate(w, true, &cobra.Command{
		Use:   "fill [flags] [<gap>...]",
		Short: "Read what was said in a gap, and store what is missing",
		Long: `Read what was said in the gaps that are named, or in all that are open, from the history of
every conversation that the bot is in, and store the messages that are not stored yet. They
reach handlers and assistants as new events. Slack's limits are kept, so a large workspace
takes its time; interrupted, it goes on where it was when it is run again.`,
		Example: `  # All that are open
  slack-webhook-server events gaps fill

  # One of the list
  slack-webhook-server events gaps fill 1732557000000-downtime`,
		Args: cobra.ArbitraryArgs,
	}, fillGaps)
}

func fillGaps(o *operation, ids []string) error {
	list, err := o.listGaps()
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		for i := range list {
			if list[i].Open() {
				ids = append(ids, list[i].ID)
			}
		}
	}
	client, err := o.running()
	if err != nil {
		return err
	}
	filled := []gaps.Gap{}
	for _, id := range ids {
		var last gaps.Gap
		err := socket.Follow(o.ctx(), client, server.GapsFillRoute, server.GapsFill{ID: id}, func(g gaps.Gap) error {
			last = g
			return o.gapProgress(g)
		})
		if err == nil {
			err = o.ctx().Err()
		}
		if err != nil {
			return err
		}
		filled = append(filled, last)
	}
	return console.List(o.print, gapColumns(), filled, server.GapsList{Gaps: filled}, "No gap is open.")
}

// gapProgress tells a person how far a gap has been read.
func (o *operation) gapProgress(g gaps.Gap) error {
	if !isTerminal(o.world.stderr) || g.Fill == nil {
		return nil
	}
	_, err := fmt.Fprintf(o.world.stderr, "\r%s: %d channels read, %d messages found, %d stored", g.ID, g.Fill.Channels, g.Fill.Messages, g.Fill.Stored)
	if !g.Open() {
		_, err = fmt.Fprintln(o.world.stderr)
	}
	return err
}
