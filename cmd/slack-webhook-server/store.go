package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/store/queue"
	"slackmcp/store/sqlite"
)

// newStore is the parent of the commands on the files of an embedded store.
func newStore(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Repair the files of an embedded store, or go on without what they lost",
		Long: `Repair the files of an embedded store, or go on without what they lost. A server that does
not start because its store is damaged says which of the two helps. Both need the store to
themselves: stop the server. ` + "`check --deep`" + ` says whether a store is whole.`,
		Example: `  slack-webhook-server check --deep

  slack-webhook-server store accept`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStoreAccept(w))
	return cmd
}

// newStoreAccept lets a server start without what its store lost.
func newStoreAccept(w world) *cobra.Command {
	settings := operateSettings()
	cmd := &cobra.Command{
		Use:   "accept [flags]",
		Short: "Go on without what the store has lost, or with a backup that was put in place",
		Long: `Let the server start on the store as it is: without events that were acknowledged and are
missing, or with an older backup that was put in place on purpose. The log begins a new
epoch, so that no position is given out twice: readers with a cursor from before are told to
start again. Files that cannot be opened are set aside under another name; nothing is
removed. The time of what is missing is recorded as a gap when the server starts, and
` + "`events gaps fill`" + ` reads it from Slack.`,
		Example: `  # A backup was put in place
  slack-webhook-server store accept

  # The store of a server that runs with another directory
  slack-webhook-server store accept --data-dir /srv/slack`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := embedded(cmd, w)
			if err != nil {
				return err
			}
			log := config.NewLogger(c, w.stderr, isTerminal(w.stderr))
			s, err := sqlite.Accept(cmd.Context(), server.SQLiteOptions(c, log))
			if err != nil {
				return stopped(err)
			}
			stats, err := s.Stats(cmd.Context())
			if err = errors.Join(err, s.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(w.stdout, "The server can start on the store as it is: %d events are kept.\n", stats.Events)
			return err
		},
	}
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

// embedded loads the settings, and refuses those that mean no embedded store.
func embedded(cmd *cobra.Command, w world) (config.Config, error) {
	c, err := load(cmd, w, config.CommandOperate)
	if err != nil {
		return c, err
	}
	if c.Queue.Backend != config.SQLite {
		return c, fmt.Errorf("the events are kept in %s, whose own tools look after its files: this is for the sqlite store", c.Queue.Backend)
	}
	q := c.Queue
	found, err := sqlite.Check(cmd.Context(), filepath.Clean(q.DataDir), q.Topic, false)
	if err == nil && !found.Exists {
		err = fmt.Errorf("%w in %s: name the DATA_DIR of the server with --data-dir", server.ErrNoStore, q.DataDir)
	}
	return c, err
}

// stopped says what to do where a server has the store.
func stopped(err error) error {
	if errors.Is(err, queue.ErrLocked) {
		return fmt.Errorf("%w\nStop the server first: this needs the store to itself", err)
	}
	return err
}
