package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/bench"
)

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
		o.Progress = func(what string) { _, _ = fmt.Fprintf(w.stderr, "\r\033[K%s ...", what) } // for who waits
	}
	result, err := bench.Run(cmd.Context(), o)
	if o.Progress != nil {
		_, _ = fmt.Fprint(w.stderr, "\r\033[K")
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
