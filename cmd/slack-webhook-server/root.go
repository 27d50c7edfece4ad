package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/store/queue"
	"slackmcp/webhook/operator"
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
	root.Version = newBuild(w).String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) })
	root.AddCommand(
		newMCP(w),
		newCheck(w),
		newHealth(w),
		newLambda(w),
		newSetup(w),
		newManifest(w),
		newClientConfig(w),
		newSend(w),
		newSelftest(w),
		newBench(w),
		newSandbox(w),
		newRules(w),
		newSources(w),
		newEvents(w), newDeliveries(w),
		newDeadLetters(w),
		newGroups(w),
		newReplay(w),
		newConsume(w),
		newStore(w),
		newSubscriptions(w),
		newPeople(w),
		newVisibility(w),
		newKeys(w),
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

// newVersion says which build this is.
func newVersion(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version [--json]",
		Short: "Print the version",
		Example: `  slack-webhook-server version

  slack-webhook-server version --json`,
		Args: atMost(0),
	}
	asJSON := cmd.Flags().Bool("json", false, "Print one JSON object")
	cmd.RunE = func(*cobra.Command, []string) error {
		b := newBuild(w)
		if *asJSON {
			return json.NewEncoder(w.stdout).Encode(b)
		}
		_, err := fmt.Fprintln(w.stdout, b)
		return err
	}
	return cmd
}

func newBuild(w world) build {
	return build{Version: w.version, Revision: revision(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
}

// String is the line that people read.
func (b build) String() string {
	return fmt.Sprintf("%s %s (%s, %s/%s)", program, b.Version, b.Go, b.OS, b.Arch)
}

type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// revision is the commit that the build was made from, where Go recorded it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

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
			letters, err := s.DeadLetters(ctx, args[0], queue.LetterQuery{NoBodies: true})
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
