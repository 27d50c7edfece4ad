package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/store/sqlite"
)

// A filesOperation is one run of a command on the files of an embedded store.
type filesOperation struct {
	cmd    *cobra.Command
	world  world
	config config.Config
	print  *console.Printer
}

// options open the store.
func (o *filesOperation) options() sqlite.Options {
	return server.SQLiteOptions(o.config, config.NewLogger(o.config, o.world.stderr, isTerminal(o.world.stderr)))
}

// exists is an error unless there is a store.
func (o *filesOperation) exists() error {
	q := o.config.Queue
	if !sqlite.Exists(filepath.Clean(q.DataDir), q.Topic) {
		return noStore(o.config)
	}
	return nil
}

// say writes a result: in words, or as JSON.
func (o *filesOperation) say(v any, lines ...string) error {
	if !o.print.People() {
		return o.print.Value(v)
	}
	_, err := fmt.Fprintln(o.world.stdout, strings.Join(lines, "\n"))
	return err
}

// onFiles makes a command that works on the files of an embedded store.
func onFiles(w world, cmd *cobra.Command, run func(o *filesOperation, args []string) error) *cobra.Command {
	settings := operateSettings()
	cmd.Annotations = secretsOf(settings)
	output := console.Auto
	cmd.Flags().VarP(&outputValue{&output}, "output", "o", "How the result is written: auto is words on a terminal and JSON elsewhere")
	addEnvFile(cmd)
	addSettings(cmd, settings, nil)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(console.Formats(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := embeddedSettings(cmd, w)
		if err != nil {
			return err
		}
		o := &filesOperation{cmd, w, c, &console.Printer{Out: w.stdout, Terminal: isTerminal(w.stdout), Format: output}}
		return stopped(run(o, args))
	}
	return cmd
}

// newStoreBackup copies a store into a file.
func newStoreBackup(w world) *cobra.Command {
	people := false
	cmd := onFiles(w, &cobra.Command{
		Use:   "backup FILE [flags]",
		Short: "Copy the store into one file, also while its server runs",
		Long: `Copy one state of the store into one file: events, seen ids, groups with their dead letters,
and small values such as subscriptions. The server may run, and receives meanwhile: two thirds
of the time are pauses. What was written is read again and compared with the store. The file
must not be there already, and is readable by you alone. Nothing is left behind when it fails.

People who signed in are left out, unless --with-people: then their rows are in the backup as
they are in the store, sealed; the keys never are. After a restore everybody signs in again
either way.`,
		Example: `  slack-webhook-server store backup /var/backups/slack.backup

  # A server that runs with another directory, for a program
  slack-webhook-server store backup slack.backup --data-dir /srv/slack --output json`,
		Args: exactly(1, "name the file that the backup is to be written to"),
	}, func(o *filesOperation, args []string) error {
		if err := o.exists(); err != nil {
			return err
		}
		bar := (*console.Progress)(nil)
		options := server.BackupOptions(o.config, args[0], people)
		options.Progress = func(done, total int64) {
			if bar == nil {
				bar = console.NewProgress(o.world.screen, isTerminal(o.world.stderr), "pages", total)
			}
			bar.Set(done)
		}
		r, err := sqlite.Backup(o.cmd.Context(), options)
		bar.Done()
		if err != nil {
			return err
		}
		return o.say(r, "Backed up: "+r.String()+".", "Verified: what was written was read again and is what the store has.")
	})
	cmd.Flags().BoolVar(&people, "with-people", false, "Also copy the rows of people who signed in, sealed as they are")
	return cmd
}

// newStoreVerify looks whether a backup, or the store, is whole.
func newStoreVerify(w world) *cobra.Command {
	return onFiles(w, &cobra.Command{
		Use:   "verify [FILE] [flags]",
		Short: "Read a backup whole, or the store, and say whether it is whole",
		Long: `Read a backup whole, compare what it holds with the sum that was taken of the store, and its
tables with their indexes. Without a file the store itself is read, also while its server runs, as
check --deep does, and the lists by which filters and searches find events are compared with the
events; it has no sum, so that a bit which flips inside the text of a stored event is not noticed.`,
		Example: `  slack-webhook-server store verify /var/backups/slack.backup

  slack-webhook-server store verify`,
		Args: atMost(1),
	}, func(o *filesOperation, args []string) error {
		if len(args) == 1 {
			r, err := sqlite.VerifyBackup(o.cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.say(r, "The backup is whole: "+r.String()+".")
		}
		if err := o.exists(); err != nil {
			return err
		}
		q := o.config.Queue
		r, err := sqlite.Check(o.cmd.Context(), filepath.Clean(q.DataDir), q.Topic, true)
		if err != nil {
			return err
		}
		var all []error
		for _, p := range r.Problems {
			all = append(all, p)
		}
		if err := errors.Join(all...); err != nil {
			return err
		}
		return o.say(struct {
			Events int64 `json:"events"`
		}{r.Events}, fmt.Sprintf("The store in %s is whole: %d events.", q.DataDir, r.Events))
	})
}

// newStoreRestore puts a backup in place.
func newStoreRestore(w world) *cobra.Command {
	return onFiles(w, &cobra.Command{
		Use:   "restore FILE [flags]",
		Short: "Put a backup in the place of the store, or make the store of it",
		Long: `Verify a backup and put it in the place of the store in DATA_DIR, or make the store of it. Stop the
server first; the disk needs room for the backup twice. The files that were there are kept
under other names, and nothing of them is removed.

The log begins a new epoch: readers with a cursor from before are told to start again, and
everybody who signed in signs in again. What a group handled after the backup was made it
handles again; what was received after it is missing, becomes a gap when the server starts, and
` + "`events gaps fill`" + ` reads it from Slack.`,
		Example: `  slack-webhook-server store restore /var/backups/slack.backup

  # On another machine
  slack-webhook-server store restore slack.backup --data-dir /srv/slack`,
		Args: exactly(1, "name the backup"),
	}, func(o *filesOperation, args []string) error {
		r, err := sqlite.Restore(o.cmd.Context(), o.options(), args[0])
		if err != nil {
			return err
		}
		return o.say(r, restoreInWords(r)...)
	})
}

func restoreInWords(r sqlite.RestoreReport) []string {
	since := r.Backup.Made.Local().Format(time.RFC3339)
	lines := []string{"Restored: " + r.Backup.String() + "."}
	switch {
	case r.Missing < 0:
		lines = append(lines, "Missing: what was received since "+since+"; how much that is, is not known here. It becomes a gap when the server starts.")
	case r.Missing > 0:
		lines = append(lines, fmt.Sprintf("Missing: %d events that were received after the backup, until %s. They become a gap when the server starts, and `events gaps fill` reads them from Slack.", r.Missing, r.Until.Local().Format(time.RFC3339)))
	default:
		lines = append(lines, "Missing: nothing that is known.")
	}
	for _, g := range r.Groups {
		lines = append(lines, fmt.Sprintf("Handled again: the group %q has %d events to do and %d dead letters; what of them it finished after %s it does again.", g.Name, g.Waiting, g.Dead, since))
	}
	lines = append(lines, "Readers with a cursor from before are told to start again, and everybody who signed in signs in again.")
	for _, path := range r.SetAside {
		lines = append(lines, "Kept: "+path)
	}
	return append(lines, "The server can start.")
}

// newStoreCompact gives unused space back.
func newStoreCompact(w world) *cobra.Command {
	return onFiles(w, &cobra.Command{
		Use:   "compact [flags]",
		Short: "Give the space back that the store does not use any more",
		Long: `Write the files of the store anew without the space that is free in them. A running server
uses that space again, so this pays only after RETENTION_COUNT or RETENTION_AGE was lowered.
Stop the server first; the disk needs room for two copies of the store. Killed meanwhile it
changes nothing.`,
		Example: `  slack-webhook-server store compact

  slack-webhook-server store compact --data-dir /srv/slack`,
		Args: atMost(0),
	}, func(o *filesOperation, _ []string) error {
		if err := o.exists(); err != nil {
			return err
		}
		r, err := sqlite.Compact(o.cmd.Context(), o.options())
		if err != nil {
			return err
		}
		return o.say(r, fmt.Sprintf("The store had %d bytes and has %d.", r.Before, r.After))
	})
}
