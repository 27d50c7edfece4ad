package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/config"
	"slackmcp/mcp/notify"
	"slackmcp/server"
)

// newSubscriptions is the parent of the commands on webhook subscriptions.
func newSubscriptions(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subscriptions",
		Short: "Look at the addresses that events are posted to, and stop one",
		Long: `Look at the webhook subscriptions that assistants made by the events extension of MCP: who
made them, what is posted where, how deliveries fare. docs/events.md explains how they work.
These commands ask the running server.`,
		Example: `  slack-webhook-server subscriptions list

  slack-webhook-server subscriptions pause sub_3cfe`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSubscriptionsList(w), newSubscriptionsShow(w), newSubscriptionsPause(w), newSubscriptionsResume(w), newSubscriptionsRemove(w))
	return cmd
}

// newSubscriptionsList shows how each fares.
func newSubscriptionsList(w world) *cobra.Command {
	return onSubscriptions(w, &cobra.Command{
		Use:   "list [flags]",
		Short: "List the webhook subscriptions",
		Long: `List the webhook subscriptions by the token that made them. The state is active, failing (the
last delivery was not accepted and is tried again), suspended (too many were not; it goes
on when its client refreshes it) or paused.`,
		Example: `  slack-webhook-server subscriptions list

  # Which receivers do not answer?
  slack-webhook-server subscriptions list -o json | jq '.subscriptions[] | select(.last_error)'`,
		Args: atMost(0),
	}, func(o *operation, s server.Subscriptions, _ []string) error {
		list, err := s.List(o.ctx())
		if err != nil {
			return err
		}
		count := func(n func(notify.Info) int64) func(notify.Info) string {
			return func(i notify.Info) string { return strconv.FormatInt(n(i), 10) }
		}
		return console.List(o.print, []console.Column[notify.Info]{
			{Name: "id", Max: 16, Cell: func(i notify.Info) string { return i.ID }},
			{Name: "state", Cell: func(i notify.Info) string { return i.State }},
			{Name: "principal", Max: 24, Cell: func(i notify.Info) string { return i.Principal }},
			{Name: "event", Cell: func(i notify.Info) string { return i.Name }},
			{Name: "callback", Max: 40, Cell: func(i notify.Info) string { return i.Callback }},
			{Name: "accepted", Right: true, Cell: count(func(i notify.Info) int64 { return i.Accepted })},
			{Name: "dead", Right: true, Cell: count(func(i notify.Info) int64 { return i.Dead + i.Skipped })},
			{Name: "last error", Cell: func(i notify.Info) string { return i.LastError }},
			{Name: "ends in", Right: true, Cell: func(i notify.Info) string { return ago(time.Until(i.ExpiresAt).Seconds()) }},
		}, list, map[string]any{"subscriptions": list}, "No client has subscribed with an address.")
	})
}

// newSubscriptionsShow shows one with its dead letters.
func newSubscriptionsShow(w world) *cobra.Command {
	return onOneSubscription(w, &cobra.Command{
		Use:   "show <id> [flags]",
		Short: "Show one webhook subscription, with the events that were not accepted",
		Long: `Show one webhook subscription, by its id or the beginning of it: what it asks for, where it
stands, and the last 100 events that its receiver did not accept, which are not sent again.
The events themselves are in the store: events get shows them.`,
		Example: `  slack-webhook-server subscriptions show sub_3cfe

  # The events that were given up
  slack-webhook-server subscriptions show sub_3cfe -o json | jq '.dead_letters[].event_id'`,
	}, func(o *operation, s server.Subscriptions, id string) error {
		info, err := s.Show(o.ctx(), id)
		if err != nil {
			return err
		}
		return o.print.Value(info)
	})
}

func newSubscriptionsPause(w world) *cobra.Command {
	return onOneSubscription(w, &cobra.Command{
		Use:   "pause <id> [flags]",
		Short: "Post nothing to a subscriber until it is resumed",
		Long: `Post nothing to a subscriber until subscriptions resume. Its events wait in the store, as long
as EVENTS_BACKLOG and the retention say. The subscription can still be refreshed, and ends
when it is not.`,
		Example: `  slack-webhook-server subscriptions pause sub_3cfe

  # Of the server whose directory it is
  slack-webhook-server subscriptions pause sub_3cfe --data-dir /srv/slack`,
	}, func(o *operation, s server.Subscriptions, id string) error {
		info, err := s.Pause(o.ctx(), id)
		return o.said(err, "Paused %s: nothing is posted to %s until subscriptions resume.", info.ID, info.Callback)
	})
}

func newSubscriptionsResume(w world) *cobra.Command {
	return onOneSubscription(w, &cobra.Command{
		Use:   "resume <id> [flags]",
		Short: "Go on with a subscriber that was paused",
		Long:  `Go on with a subscriber that was paused, behind the last event that it accepted.`,
		Example: `  slack-webhook-server subscriptions resume sub_3cfe

  # Of the server whose directory it is
  slack-webhook-server subscriptions resume sub_3cfe --data-dir /srv/slack`,
	}, func(o *operation, s server.Subscriptions, id string) error {
		info, err := s.Resume(o.ctx(), id)
		return o.said(err, "Resumed %s: events are posted to %s again.", info.ID, info.Callback)
	})
}

func newSubscriptionsRemove(w world) *cobra.Command {
	var yes bool
	cmd := onOneSubscription(w, &cobra.Command{
		Use:   "remove <id> [flags]",
		Short: "End a webhook subscription, and notify its receiver",
		Long: `End a webhook subscription with its dead letters, and notify its receiver. Its client may
subscribe again: to keep it out, take its token away.`,
		Example: `  slack-webhook-server subscriptions remove sub_3cfe

  # In a script, where no one can answer the question
  slack-webhook-server subscriptions remove sub_3cfe --yes`,
	}, func(o *operation, s server.Subscriptions, id string) error {
		info, err := s.Show(o.ctx(), id)
		if err != nil {
			return err
		}
		if err := o.confirm(yes, fmt.Sprintf("End the subscription %s of %s to %s?", info.ID, info.Principal, info.Name)); err != nil {
			return err
		}
		info, err = s.Remove(o.ctx(), info.ID)
		return o.said(err, "Removed %s.", info.ID)
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "Do not ask")
	return cmd
}

// said shows a person what was done.
func (o *operation) said(err error, format string, args ...any) error {
	if err == nil {
		_, err = fmt.Fprintf(o.world.stderr, format+"\n", args...)
	}
	return err
}

// onSubscriptions makes a command that works on a running server's subscriptions.
func onSubscriptions(w world, cmd *cobra.Command, run func(o *operation, s server.Subscriptions, args []string) error) *cobra.Command {
	return newOperate(w, false, cmd, func(o *operation, args []string) error {
		s, err := server.OperateSubscriptions(o.Store)
		if err != nil {
			return err
		}
		return run(o, s, args)
	})
}

func onOneSubscription(w world, cmd *cobra.Command, run func(o *operation, s server.Subscriptions, id string) error) *cobra.Command {
	cmd.Args = exactly(1, "the id of a subscription, or the beginning of it; subscriptions list shows them")
	cmd.ValidArgsFunction = completeSubscriptions(w)
	return onSubscriptions(w, cmd, func(o *operation, s server.Subscriptions, args []string) error { return run(o, s, args[0]) })
}

// completeSubscriptions offers the ids for the first argument.
func completeSubscriptions(w world) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := load(cmd, w, config.CommandOperate)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		store, err := server.OpenOperator(ctx, c, slog.New(slog.DiscardHandler), false)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer store.Close()
		s, err := server.OperateSubscriptions(store)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, err := s.List(ctx)
		var ids []cobra.Completion
		for _, i := range list {
			if err == nil && strings.HasPrefix(i.ID, begun) {
				ids = append(ids, cobra.CompletionWithDesc(i.ID, i.Name+" "+i.Callback))
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
