package main

import (
	"slices"

	"github.com/spf13/cobra"

	"slackmcp/config"
)

// newMCP serves the assistants' side alone.
func newMCP(w world) *cobra.Command {
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !ofMCP(s) })
	cmd := &cobra.Command{
		Use:   "mcp [flags]",
		Short: "Serve MCP alone, without the webhook side",
		Long: `Serve Slack's tools and resources to AI assistants over MCP, without the webhook side.
With --transport stdio the process speaks MCP on stdin and stdout, and logs to stderr.
With --channel as well, messages of chosen people are pushed into the conversation.`,
		Example: `  # For a client that starts its servers itself
  slack-webhook-server mcp --transport stdio

  # As a channel of Claude Code, which follows the server that runs on this machine
  slack-webhook-server mcp --transport stdio --channel --channel-senders U0123456789

  # For clients that connect over HTTP
  slack-webhook-server mcp --transport streamable-http --host 127.0.0.1 --port 8000`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, w, config.CommandMCP)
		},
	}
	addEnvFile(cmd)
	addSettings(cmd, settings, map[string]string{"MCP_TRANSPORT": "transport", "MCP_MOUNT_PATH": "mount-path"})
	return cmd
}

// ofMCP reports whether a setting means something without the webhook side.
func ofMCP(s config.Setting) bool {
	switch s.Section {
	case config.SectionStart:
		return s.Key == "SANDBOX"
	case config.SectionReceive:
		return s.Key == "RETRY"
	case config.SectionQueue: // of the store that a channel follows
		return true
	case config.SectionSlack:
		return s.Key != "SLACK_SIGNING_SECRET"
	case config.SectionListen, config.SectionMCP, config.SectionAccess, config.SectionTools, config.SectionOperate:
		return true
	case config.SectionSenders, config.SectionWork, config.SectionPush:
	}
	return false
}
