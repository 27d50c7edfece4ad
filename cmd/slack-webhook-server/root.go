package main

import (
	"github.com/spf13/cobra"

	"slackmcp/config"
)

// newRoot is the command that serves, with the others below it.
func newRoot(w world) *cobra.Command {
	settings := config.Settings()
	root := &cobra.Command{
		Use:   program + " [flags]",
		Short: "Receive Slack events and other webhooks, and hand them to AI assistants over MCP",
		Long: `Receive Slack events and other webhooks, keep them durably, and hand them to AI
assistants over MCP. Without --integrated the webhook side runs alone.

A setting is read from its flag, else from the environment, else from the .env file.`,
		Example: `  # A Slack workspace of its own on this machine, both sides, nothing to set up
  slack-webhook-server --sandbox

  # Both sides with your workspace; SLACK_SIGNING_SECRET and SLACK_BOT_TOKEN stand in .env
  slack-webhook-server --integrated --mcp-transport streamable-http --port 8080`,
		Args:          noCommandNamed,
		SilenceErrors: true,
		SilenceUsage:  true,
		Annotations:   secretsOf(settings),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, w, config.CommandServe)
		},
	}
	addEnvFile(root)
	addSettings(root, settings, nil)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) })
	root.AddCommand(
		newMCP(w),
		newCheck(w),
		newHealth(w),
		newLambda(w),
		newManifest(w),
		newSend(w),
		newSelftest(w),
		newBench(w),
		newSandbox(w),
		newRules(w),
		newSources(w),
		newEvents(w),
		newDeadLetters(w),
		newGroups(w),
		newReplay(w),
		newConsume(w),
		newSubscriptions(w),
		newVersion(w),
	)
	root.SetHelpCommand(newHelp())
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		cmd.Flags().SortFlags = false
		if cmd.Name() == "completion" {
			cmd.Short = "Print the completion script of a shell"
			cmd.Args = noCommandNamed
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	root.Flags().SortFlags = false
	return root
}

// newHelp shows a command's help.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [<command>...]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommandNamed(cmd.Root(), args)
			}
			return about.Help()
		},
	}
}

// noCommandNamed refuses what is no command, with a hint.
func noCommandNamed(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	what := "unknown command " + args[0]
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		what += "; did you mean " + near[0] + "?"
	}
	return &usageError{what, cmd.CommandPath()}
}

// atMost refuses more arguments than a command takes.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return &usageError{"too many arguments", cmd.CommandPath()}
		}
		return nil
	}
}
