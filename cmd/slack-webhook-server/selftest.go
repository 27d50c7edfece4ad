package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/bench"
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
		so.Started = func(name string) { _, _ = fmt.Fprintf(w.screen, "\r\033[K%s ...", name) } // on a terminal only, for who waits
		so.Done = func(selftest.Result) { _, _ = fmt.Fprint(w.screen, "\r\033[K") }
	}
	t, err := selftest.New(so)
	if err != nil {
		return nil, &usageError{err.Error(), cmd.CommandPath()}
	}
	return t, nil
}

// newBench measures this machine and this disk.
func newBench(w world) *cobra.Command {
	var (
		o      bench.Options
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "bench [flags]",
		Short: "Measure what this disk makes of a durable 200",
		Long: `Run this program as a server with a sqlite store of its own in a new folder of --dir,
send it signed events over the loopback, and print how long the answers took, how many
came a second, what one cost, and what was lost when the server was killed under load.
The folder is removed at the end. It fails if an acknowledged event was lost.`,
		Example: `  # The disk where the store shall be
  slack-webhook-server bench --dir /var/lib/slack-webhook-server

  # Longer, with more kills, for a program
  slack-webhook-server bench --duration 1m --kills 50 --json`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runBench(cmd, w, o, asJSON) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", ".", "Measure in this `directory`")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "How long each load `lasts`")
	f.IntSliceVar(&o.Connections, "connections", []int{1, 32}, "How many `requests` are under way at once, a load each")
	f.IntVar(&o.Kills, "kills", 5, "How often to kill the server under load")
	f.BoolVar(&asJSON, "json", false, "Print one JSON object")
	return cmd
}

func runBench(cmd *cobra.Command, w world, o bench.Options, asJSON bool) error {
	if o.Kills < 0 || o.Duration <= 0 {
		return &usageError{"--kills begins at 0, --duration above it", cmd.CommandPath()}
	}
	for _, n := range o.Connections {
		if n < 1 || n > 1024 {
			return &usageError{"--connections are 1 to 1024", cmd.CommandPath()}
		}
	}
	var err error
	if o.Program, err = os.Executable(); err != nil {
		return err
	}
	if isTerminal(w.stderr) {
		o.Progress = func(what string) { _, _ = fmt.Fprintf(w.screen, "\r\033[K%s ...", what) } // for who waits
	}
	result, err := bench.Run(cmd.Context(), o)
	if o.Progress != nil {
		_, _ = fmt.Fprint(w.screen, "\r\033[K")
	}
	if err != nil && !errors.Is(err, bench.ErrLost) {
		return err
	}
	write := result.Write
	if asJSON {
		write = result.WriteJSON
	}
	return errors.Join(write(w.stdout), err)
}
