package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/webhook/operator"
)

// completionPatience bounds what a person who pressed Tab waits.
const completionPatience = 2 * time.Second

// completeGroups offers the names of the groups for the first argument, and for a flag.
func completeGroups(w world) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return ask(cmd, w, func(ctx context.Context, s operator.Store) ([]string, error) { return s.Groups(ctx) })
	}
}

// completeLetters offers the groups, and then the ids of the group's dead letters.
func completeLetters(w world) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return ask(cmd, w, func(ctx context.Context, s operator.Store) (ids []string, err error) {
			if len(args) == 0 {
				return s.Groups(ctx)
			}
			letters, err := s.DeadLetters(ctx, args[0], "", 0)
			for i := range letters {
				ids = append(ids, letters[i].Event.ID+"\t"+console.Plain(letters[i].Reason))
			}
			return ids, err
		})
	}
}

// ask asks the store, for as long as a person waits; what goes wrong offers nothing.
func ask(cmd *cobra.Command, w world, question func(context.Context, operator.Store) ([]string, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := load(cmd, w, config.CommandOperate)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	store, err := server.OpenOperator(ctx, c, slog.New(slog.DiscardHandler), true)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer store.Close()
	words, err := question(ctx, store)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
