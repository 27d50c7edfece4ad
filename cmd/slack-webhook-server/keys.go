package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"slackmcp/config"
	"slackmcp/server"
	"slackmcp/signin/seal"
)

// newKeys is the parent of the commands on the keys that seal what is kept of people.
func newKeys(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make the keys that seal what is kept of people, and exchange them",
		Long: `Make the keys that seal what is kept of people who sign in (IDENTITY_KEYS_FILE), and exchange
them. The file has a key a line: the first one seals, all of them open. Whoever has the file
and the store has the people's grants of Slack; without the file all sign in again.`,
		Example: `  slack-webhook-server keys new /etc/slack-webhook-server/identity.keys

  slack-webhook-server keys rotate`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysNew(w), newKeysRotate(w))
	return cmd
}

// newKeysNew makes a key.
func newKeysNew(w world) *cobra.Command {
	return &cobra.Command{
		Use:   "new [<file>]",
		Short: "Make a file with a new key, or print a new key",
		Long: `Make a file with a new key, of mode 0600; a file that is there is never written over. Without
a file the key is printed, as a line that is added to one.`,
		Example: `  slack-webhook-server keys new /etc/slack-webhook-server/identity.keys

  # A second key, which opens and does not seal yet: the first step of an exchange
  slack-webhook-server keys new >> /etc/slack-webhook-server/identity.keys`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprintln(w.stdout, seal.NewKey())
				return err
			}
			err := seal.Create(args[0])
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s is there, and keys are not written over: add a key with `keys new >> %[1]s`", args[0])
			}
			if err == nil {
				_, err = fmt.Fprintf(w.stderr, "Made %s. Name it in IDENTITY_KEYS_FILE, and keep a copy apart from the store's.\n", args[0])
			}
			return err
		},
	}
}

// newKeysRotate seals all rows with the newest key.
func newKeysRotate(w world) *cobra.Command {
	cmd := newOperate(w, true, &cobra.Command{
		Use:   "rotate [flags]",
		Short: "Seal all that is kept of people with the first key of the file",
		Long: `Seal all that is kept of people with the first key of IDENTITY_KEYS_FILE, and say which keys are
needed no more. Servers may run meanwhile; it may be stopped at any moment and run again.

An exchange has four steps, so that no server meets a row that it cannot open: add the new key
below the others and restart each server; move it to the top and restart each server; run this;
take the old key out and restart each server. A single server may do the first two as one.

Programs that registered themselves have an id that their key has sealed: when it is taken out,
those programs register again by themselves at the next sign-in. Nobody is signed out.`,
		Example: `  slack-webhook-server keys rotate --identity-keys-file /etc/slack-webhook-server/identity.keys

  # In a script
  slack-webhook-server keys rotate -o json | jq -r '.old[]'`,
		Args: atMost(0),
	}, func(o *operation, _ []string) error {
		bar := o.progress("Rows", -1)
		r, err := server.RotateKeys(o.ctx(), o.Store, o.config, func(seen int) { bar.Set(int64(seen)) })
		bar.Done()
		if err != nil {
			return err
		}
		if !o.print.People() {
			return o.print.Value(r)
		}
		return o.said(nil, "%s", rotated(r))
	})
	addSettings(cmd, slices.DeleteFunc(config.Settings(), func(s config.Setting) bool { return s.Key != "IDENTITY_KEYS_FILE" }), nil)
	return cmd
}

// rotated says what a rotation has come to.
func rotated(r server.Rotation) string {
	var b strings.Builder
	if r.Sealed+r.Fresh+r.Lost == 0 {
		return "Nothing is kept of people in this store. Is it the server's? --data-dir, or the address of the database, says which is meant."
	}
	fmt.Fprintf(&b, "All %d rows are sealed with the key %s: %d anew, %d were already.", r.Sealed+r.Fresh, r.Key, r.Sealed, r.Fresh)
	if len(r.Old) == 0 {
		b.WriteString(" The file has no other key.")
	} else {
		fmt.Fprintf(&b, " No row needs %s: take the lines below the first out of the file when every server has been started with this one first, and restart.", strings.Join(r.Old, ", "))
	}
	if r.Lost > 0 {
		fmt.Fprintf(&b, "\n%d rows open under no key of the file, and count for nothing: somebody else wrote them, or their key was taken out.", r.Lost)
	}
	return b.String()
}
