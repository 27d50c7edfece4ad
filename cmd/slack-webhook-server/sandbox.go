package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/config"
	"slackmcp/slackapi/sandbox"
)

// A sandboxOptions is what the flags of sandbox say.
type sandboxOptions struct {
	host       string
	port       int
	requestURL string
	workspace  sandbox.Options
}

// newSandbox serves the fake workspace alone.
func newSandbox(w world) *cobra.Command {
	var o sandboxOptions
	cmd := &cobra.Command{
		Use:   "sandbox [flags]",
		Short: "Serve the fake Slack workspace alone",
		Long: `Serve a fake Slack workspace: its Web API, and signed events with Slack's own retry
schedule. It prints what to set so that a server, or any Slack SDK, uses it. Its tokens
open nothing real. SLACK_SIGNING_SECRET, when set, signs its events.`,
		Example: `  # The Web API alone
  slack-webhook-server sandbox --port 4000

  # With events for a server, the retry schedule sixty times as fast
  slack-webhook-server sandbox --request-url http://127.0.0.1:3000/slack/events --speed 60`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return serveSandbox(cmd, w, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.host, "host", "127.0.0.1", "Listen on this `address`")
	f.IntVar(&o.port, "port", 4000, "Port to listen on; 0 takes a free one")
	f.StringVar(&o.requestURL, "request-url", "", "Post events to this `address`")
	f.Float64Var(&o.workspace.Speed, "speed", 1, "How much faster than Slack's the retry schedule runs")
	f.IntVar(&o.workspace.ExtraChannels, "extra-channels", 0, "Further channels in the workspace")
	f.IntVar(&o.workspace.ExtraUsers, "extra-users", 0, "Further users in the workspace")
	f.BoolVar(&o.workspace.SocketMode, "socket-mode", false, "Deliver over the connections of a server with --socket-mode")
	f.BoolVar(&o.workspace.Rates, "rates", false, "Apply Slack's rate limits")
	addEnvFile(cmd)
	cmd.AddCommand(newSandboxClick(w), newSandboxCommand(w))
	return cmd
}

// serveSandbox runs the workspace until the context ends.
func serveSandbox(cmd *cobra.Command, w world, o sandboxOptions) error {
	c, err := load(cmd, w, config.CommandSandbox)
	if err != nil {
		return err
	}
	if c.Slack.SigningSecrets.IsSet() {
		o.workspace.SigningSecret = c.Slack.SigningSecrets[0].Reveal()
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(o.host, strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	base := "http://" + listener.Addr().String()
	o.workspace.BaseURL = base
	box, err := sandbox.New(o.workspace)
	if err != nil {
		_ = listener.Close() // the error above is what matters
		return err
	}
	served := make(chan error, 1)
	go func() { served <- box.Serve(ctx, listener) }()
	// The secret is shown only when it is the one that everybody knows.
	secret := sandbox.DefaultSigningSecret
	if o.workspace.SigningSecret != "" {
		secret = config.Redacted + " (yours)"
	}
	_, err = fmt.Fprintf(w.stdout, "A fake Slack workspace is at %s\n\nSLACK_API_URL=%s/api/\nSLACK_BOT_TOKEN=%s\nSLACK_USER_TOKEN=%s\nSLACK_SIGNING_SECRET=%s\n",
		base, base, sandbox.DefaultBotToken, sandbox.DefaultUserToken, secret)
	if err == nil && o.workspace.SocketMode {
		_, err = fmt.Fprintf(w.stdout, "SLACK_APP_TOKEN=%s\n", sandbox.DefaultAppToken)
	}
	if err == nil && o.requestURL != "" {
		err = connect(ctx, box, o.requestURL)
	}
	if err != nil {
		stop()
		return errors.Join(err, <-served)
	}
	return <-served
}

// connectTries times one second is how long a server that is being started has.
const connectTries = 30

// connect tells the workspace where its events go, once the server there answers.
func connect(ctx context.Context, box *sandbox.Sandbox, requestURL string) error {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for try := 1; ; try++ {
		err := box.SetRequestURL(ctx, requestURL)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if try == connectTries {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}
