package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

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
		Short: "Back up, restore, verify, compact and repair the files of an embedded store",
		Long: `Back up the files of an embedded store while its server runs, restore a backup, look whether
a backup or a store is whole, give unused space back, or repair what is damaged. A server that does
not start because its store is damaged says whether repair or accept helps. Where the events are in
Redis or NATS their own tools do this: docs/operations.md says which.`,
		Example: `  slack-webhook-server store backup /var/backups/slack.backup

  slack-webhook-server store verify /var/backups/slack.backup

  slack-webhook-server store repair`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStoreBackup(w), newStoreVerify(w), newStoreRestore(w), newStoreCompact(w), newStoreRepair(w), newStoreAccept(w))
	return cmd
}

// newStoreRepair writes what can be read of a store into new files.
func newStoreRepair(w world) *cobra.Command {
	settings := operateSettings()
	replace := false
	cmd := &cobra.Command{
		Use:   "repair [flags]",
		Short: "Write what can be read of a damaged store into new files, and say what could not",
		Long: `Read what can be read of a damaged store, also behind a damage in its write-ahead log and on
pages that nothing leads to any more, and write it into new files beside the old ones, which
are not changed. With --replace the new files are put in place, and the old ones are set
aside under other names. What could not be read is listed with its positions and times, and
becomes a gap when the server starts. Stop the server first; the disk needs room for three
copies of the store.`,
		Example: `  # What would be lost? The new files end in .repaired
  slack-webhook-server store repair

  # Put the new files in place
  slack-webhook-server store repair --replace`,
		Args:        atMost(0),
		Annotations: secretsOf(settings),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := embedded(cmd, w)
			if err != nil {
				return err
			}
			log := config.NewLogger(c, w.stderr, isTerminal(w.stderr))
			r, err := sqlite.Repair(cmd.Context(), server.SQLiteOptions(c, log), replace)
			if err != nil {
				return stopped(err)
			}
			return writeRepair(w.stdout, r)
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "Put the new files in place of the damaged ones, which are set aside")
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	return cmd
}

// writeRepair says what a repair has come to.
func writeRepair(out io.Writer, r sqlite.RepairReport) error {
	lines := []string{fmt.Sprintf("Read: %d events, %d ids of seen events, %d groups, %d small values.", r.Events, r.IDs, r.Groups, r.Values)}
	for _, lost := range r.Lost {
		lines = append(lines, "Lost: "+lost+".")
	}
	if len(r.Lost) == 0 {
		lines = append(lines, "Nothing is known to be lost.")
	}
	for _, path := range r.Files {
		lines = append(lines, "Written: "+path)
	}
	for _, path := range r.SetAside {
		lines = append(lines, "Set aside: "+path)
	}
	if len(r.Files) > 0 {
		lines = append(lines, "The store is as it was. `store repair --replace` puts the new files in place.")
	} else {
		lines = append(lines, "The server can start.")
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
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
	c, err := embeddedSettings(cmd, w)
	if err != nil {
		return c, err
	}
	q := c.Queue
	found, err := sqlite.Check(cmd.Context(), filepath.Clean(q.DataDir), q.Topic, false)
	if err == nil && !found.Exists {
		err = noStore(c)
	}
	return c, err
}

// embeddedSettings loads the settings of an embedded store, whether it exists or not.
func embeddedSettings(cmd *cobra.Command, w world) (config.Config, error) {
	c, err := load(cmd, w, config.CommandOperate)
	if err == nil && c.Queue.Backend != config.SQLite {
		err = fmt.Errorf("the events are kept in %s, whose own tools look after its files (docs/operations.md, Backups): this is for the sqlite store", c.Queue.Backend)
	}
	return c, err
}

func noStore(c config.Config) error {
	return fmt.Errorf("%w in %s: name the DATA_DIR of the server with --data-dir", server.ErrNoStore, c.Queue.DataDir)
}

// stopped says what to do where a server has the store.
func stopped(err error) error {
	if errors.Is(err, queue.ErrLocked) {
		return fmt.Errorf("%w\nStop the server first: this needs the store to itself", err)
	}
	return err
}
