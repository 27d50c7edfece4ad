package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/selftest"
	"slackmcp/config"
	"slackmcp/slackapi/sandbox"
)

// A selftestOptions is what the flags of selftest say beside the settings.
type selftestOptions struct {
	url      string
	noEvents bool
	noSlow   bool
	sandbox  bool
	json     bool
	timeout  time.Duration
}

// newSelftest tries a running server from outside.
func newSelftest(w world) *cobra.Command {
	var o selftestOptions
	settings := slices.DeleteFunc(config.Settings(), func(s config.Setting) bool {
		return !slices.Contains([]string{"SLACK_SIGNING_SECRET", "MAX_BODY_BYTES", "TIMESTAMP_TOLERANCE"}, s.Key)
	})
	cmd := &cobra.Command{
		Use:   "selftest [flags]",
		Short: "Try a running server from outside, and print a pass or fail card",
		Long: `Send a running server good, forged, stale, replayed, oversized, chunked, ill-formed and
slow requests, at most a handful at once, and print what came back beside what should
have. It fails if one of them did. One event of type "selftest" is stored there, unless
--no-events is given; the waiting for slow requests takes up to a minute and a half,
unless --no-slow is given. Use it on a server of your own only.`,
		Example: `  # The server on this machine, with the settings of .env
  slack-webhook-server selftest

  # The way in from outside, through the proxy, for a program
  slack-webhook-server selftest --url https://events.example.com --json`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE:        func(cmd *cobra.Command, _ []string) error { return runSelftest(cmd, w, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "Try this `address`; unset: the server here, on the port of PORT")
	f.BoolVar(&o.noEvents, "no-events", false, "Store nothing there")
	f.BoolVar(&o.noSlow, "no-slow", false, "Leave out what waits for the server to lose patience")
	f.BoolVar(&o.sandbox, "sandbox", false, "Sign with the secret of --sandbox")
	f.BoolVar(&o.json, "json", false, "Print one JSON object")
	f.DurationVar(&o.timeout, "timeout", selftest.DefaultTimeout, "How long one `trial` may take")
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

func runSelftest(cmd *cobra.Command, w world, o selftestOptions) error {
	t, err := o.tester(cmd, w)
	if err != nil {
		return err
	}
	results, err := t.Run(cmd.Context())
	write := selftest.WriteCard
	if o.json {
		write = selftest.WriteJSON
	}
	if n := selftest.Failures(results); err == nil && n > 0 {
		err = fmt.Errorf("%d of %d trials failed", n, len(results))
	}
	return errors.Join(write(w.stdout, results), err)
}

// tester is what the flags and the settings ask for.
func (o selftestOptions) tester(cmd *cobra.Command, w world) (*selftest.Tester, error) {
	so := selftest.Options{URL: o.url, NoEvents: o.noEvents, Timeout: o.timeout, Secret: sandbox.DefaultSigningSecret}
	if o.url == "" {
		base, err := here(cmd, w)
		if err != nil {
			return nil, err
		}
		so.URL = base
	}
	c, err := load(cmd, w, config.CommandSend)
	if err != nil && !o.sandbox {
		return nil, err
	}
	so.MaxBody, so.Tolerance = c.Receive.MaxBodyBytes, c.Receive.TimestampTolerance
	if !o.sandbox {
		if !c.Slack.SigningSecrets.IsSet() {
			return nil, &config.Error{Problems: []config.Problem{{
				Setting: "SLACK_SIGNING_SECRET", What: "is missing, and signs what selftest sends", Remedy: "set it to the secret of the server that you try, or give --sandbox",
			}}}
		}
		so.Secret = c.Slack.SigningSecrets[0].Reveal()
	}
	if o.noSlow {
		so.Slow = -1
	}
	if isTerminal(w.stderr) && !o.json {
		so.Started = func(name string) { _, _ = fmt.Fprintf(w.stderr, "\r\033[K%s ...", name) } // on a terminal only, for who waits
		so.Done = func(selftest.Result) { _, _ = fmt.Fprint(w.stderr, "\r\033[K") }
	}
	t, err := selftest.New(so)
	if err != nil {
		return nil, &usageError{err.Error(), cmd.CommandPath()}
	}
	return t, nil
}
