package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/server"
	"slackmcp/server/operate"
	"slackmcp/webhook"
)

// newDeliveries is the parent of the commands on deliveries that are no events.
func newDeliveries(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deliveries",
		Short: "Look at deliveries that were refused",
		Long: `Look at what senders posted and the running server refused, of the sources whose
keep_rejected says so.`,
		Example: `  slack-webhook-server deliveries rejected list

  slack-webhook-server deliveries rejected show kq3f7pm2xa`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	rejected := &cobra.Command{
		Use:   "rejected",
		Short: "Look at deliveries whose signature was not good",
		Long: `Look at deliveries of the last day that were refused before they were verified: where the
signature was expected and whether it came, the names of the headers and the lengths of their
values, and the body where keep_rejected is body. They are kept in memory, 50 of each source;
of several that are alike within a minute the first.`,
		Example: `  slack-webhook-server deliveries rejected list

  slack-webhook-server deliveries rejected show kq3f7pm2xa`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	rejected.AddCommand(newRejectedList(w), newRejectedShow(w))
	cmd.AddCommand(rejected)
	return cmd
}

func (o *operation) rejected() ([]webhook.Rejected, error) {
	client, err := o.running()
	if err != nil {
		return nil, err
	}
	list, err := operate.Ask[server.RejectedList](o.ctx(), client, server.RejectedRoute, struct{}{})
	return list.Rejected, err
}

func newRejectedList(w world) *cobra.Command {
	return newOperate(w, true, &cobra.Command{
		Use:   "list [flags]",
		Short: "List refused deliveries, newest first",
		Long:  `List the refused deliveries of the last day, newest first.`,
		Example: `  slack-webhook-server deliveries rejected list

  # Which lacked their signature?
  slack-webhook-server deliveries rejected list -o jsonl | jq 'select(.reason == "missing")'`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error {
		list, err := o.rejected()
		if err != nil {
			return err
		}
		return console.List(o.print, rejectedColumns(), list, server.RejectedList{Rejected: list},
			"No refused delivery is kept; keep_rejected of a source has them kept.")
	})
}

func rejectedColumns() []console.Column[webhook.Rejected] {
	return []console.Column[webhook.Rejected]{
		{Name: "id", Cell: func(r webhook.Rejected) string { return r.ID }},
		{Name: "at", Cell: func(r webhook.Rejected) string { return r.At.Local().Format("2006-01-02 15:04:05") }},
		{Name: "source", Max: 20, Cell: func(r webhook.Rejected) string { return r.Source }},
		{Name: "refused as", Cell: func(r webhook.Rejected) string {
			return strings.TrimSpace(string(r.Outcome) + " " + r.Reason)
		}},
		{Name: "expected", Max: 50, Cell: func(r webhook.Rejected) string { return strings.Join(r.Expected, ", ") }},
		{Name: "came", Max: 50, Cell: func(r webhook.Rejected) string { return strings.Join(r.Came, ", ") }},
		{Name: "bytes", Right: true, Cell: func(r webhook.Rejected) string { return strconv.Itoa(r.Bytes) }},
		{Name: "from", Cell: func(r webhook.Rejected) string { return r.Address }},
	}
}

func newRejectedShow(w world) *cobra.Command {
	return newOperate(w, true, &cobra.Command{
		Use:   "show <id> [flags]",
		Short: "Show one refused delivery",
		Long: `Show one refused delivery as JSON: no value of a header, and the body without what would let
its reader act as another, where keep_rejected is body and the body could be read.`,
		Example: `  slack-webhook-server deliveries rejected show kq3f7pm2xa

  slack-webhook-server deliveries rejected show kq3f7pm2xa | jq .headers`,
		Args: exactly(1, "the id of a refused delivery; deliveries rejected list shows them"),
	}, func(o *operation, args []string) error {
		list, err := o.rejected()
		if err != nil {
			return err
		}
		for _, r := range list {
			if r.ID == args[0] {
				return o.print.Value(r)
			}
		}
		return fmt.Errorf("no refused delivery %s is kept: deliveries rejected list shows them", args[0])
	})
}
