package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/config"
	"slackmcp/server"
)

// completionPatience bounds what a person who pressed Tab waits.
const completionPatience = 2 * time.Second

// completeGroups offers the names of the groups for the first argument, and for a flag.
func completeGroups(w world) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
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
		groups, err := store.Groups(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return groups, cobra.ShellCompDirectiveNoFileComp
	}
}
