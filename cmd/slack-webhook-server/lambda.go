package main

import (
	"context"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/function"
	"slackmcp/config"
	"slackmcp/server"
)

// newLambda serves the webhook side as a function of AWS Lambda.
func newLambda(w world) *cobra.Command {
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return !ofLambda(s) })
	cmd := &cobra.Command{
		Use:   "lambda [flags]",
		Short: "Receive events as an AWS Lambda function",
		Long: `Serve the webhook side as a function of AWS Lambda that is called by its Function URL,
or by an HTTP API. It verifies, deduplicates and stores as the server does, and works no
event: that does a server elsewhere on the same queue. So the queue has to be in Redis or
NATS, because a function keeps nothing.`,
		Example: `  # The bootstrap file of the function, beside the binary
  exec ./slack-webhook-server lambda --no-env-file

  # With the queue in another topic
  REDIS_URL=rediss://queue.example.com:6379/0 slack-webhook-server lambda --events-topic billing`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE:        func(cmd *cobra.Command, _ []string) error { return serveLambda(cmd, w) },
	}
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

// serveLambda runs until the runtime ends the function.
func serveLambda(cmd *cobra.Command, w world) error {
	c, err := load(cmd, w, config.CommandLambda)
	if err != nil {
		return err
	}
	if at, _ := w.lookupEnv(function.RuntimeVariable); at == "" {
		return &config.Error{Problems: []config.Problem{{
			Setting: function.RuntimeVariable, What: "is missing: this is no Lambda function",
			Remedy: "deploy it as deploy/lambda shows, or start the server without the word lambda",
		}}}
	}
	ctx := cmd.Context()
	log := config.NewLogger(c, w.stderr, isTerminal(w.stderr))
	c.LogWarnings(ctx, log)
	s, err := server.New(ctx, server.Options{Config: c, Logger: log, Version: w.version})
	if err != nil {
		return err
	}
	return s.RunHandler(ctx, func(ctx context.Context, h http.Handler) error {
		return function.Serve(ctx, h, c.Drain)
	})
}

// ofLambda reports whether a setting means something in a function.
func ofLambda(s config.Setting) bool {
	switch s.Section {
	case config.SectionReceive, config.SectionSenders:
		return true
	case config.SectionSlack:
		return s.Key == "SLACK_SIGNING_SECRET"
	case config.SectionQueue:
		return s.Key != "DATA_DIR" && s.Key != "SQLITE_SYNCHRONOUS"
	case config.SectionOperate:
		return s.Key != "ADMIN_ADDR" && s.Key != "ADMIN_TOKEN"
	case config.SectionStart, config.SectionListen, config.SectionWork, config.SectionMCP, config.SectionAccess, config.SectionTools, config.SectionPush:
	}
	return false
}
