package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/console"
	"slackmcp/server"
	"slackmcp/webhook/operator"
)

// newPeople is the parent of the commands on people who have signed in.
func newPeople(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "people",
		Short: "Look at who has signed in with Slack, and sign people out",
		Long: `Look at who has signed in with Slack, with which programs, and what they allowed, and sign
people out. A person is written T…/U…, or by the user's id alone where that is one person's.
These commands ask the running server, and show no token.`,
		Example: `  slack-webhook-server people list

  slack-webhook-server people sign-out T0123456789/U0123456789`,
		Args: noCommandNamed,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPeopleList(w), newPeopleShow(w), newPeopleSignOut(w))
	return cmd
}

// newPeopleList shows who has signed in.
func newPeopleList(w world) *cobra.Command {
	return onPeople(w, &cobra.Command{
		Use:   "list [flags]",
		Short: "List the people who have signed in",
		Long: `List the people who have signed in: how many sign-ins each has, with which programs, and when
one of them was last used, to the hour. The names are what Slack and the programs say. The
order means nothing.`,
		Example: `  slack-webhook-server people list

  # Who has not used it this year?
  slack-webhook-server people list -o json | jq '.people[] | select(.used < "2026")'`,
		Args: atMost(0),
	}, func(o *operation, p server.People, _ []string) error {
		out := &console.Stream[server.Person]{Printer: o.print, Member: "people", None: "Nobody has signed in.", Columns: []console.Column[server.Person]{
			{Name: "person", Cell: func(p server.Person) string { return p.Person }},
			{Name: "name", Max: 24, Cell: func(p server.Person) string { return p.Name }},
			{Name: "workspace", Max: 24, Cell: func(p server.Person) string { return p.Workspace }},
			{Name: "sign-ins", Right: true, Cell: func(p server.Person) string { return strconv.Itoa(p.SignIns) }},
			{Name: "used", Right: true, Cell: func(p server.Person) string { return ago(time.Since(p.Used).Seconds()) }},
			{Name: "clients", Max: 40, Cell: func(p server.Person) string { return strings.Join(p.Clients, ", ") }},
		}}
		if err := p.List(o.ctx(), out.Add); err != nil {
			return err
		}
		return out.End(struct{}{})
	})
}

// newPeopleShow shows one person.
func newPeopleShow(w world) *cobra.Command {
	return onOnePerson(w, &cobra.Command{
		Use:   "show <person> [flags]",
		Short: "Show a person's sign-ins, and what they allowed at Slack",
		Long: `Show a person's sign-ins, the last used first: the program and the host that it was sent back
to, what it may do, when it was made and used, when it ends unless it is used; what the person
allowed at Slack, until when the token that is kept is good, and when Slack was last asked about
it; and of how many conversations it is known that they see them. JSON has all of it.`,
		Example: `  slack-webhook-server people show T0123456789/U0123456789

  # The scopes that Slack gave
  slack-webhook-server people show U0123456789 -o json | jq -r '.grant.scopes[]'`,
		Args: exactly(1, onePerson),
	}, func(o *operation, p server.People, args []string) error {
		d, err := p.Show(o.ctx(), args[0])
		if err != nil {
			return err
		}
		if !o.print.People() {
			return o.print.Value(d)
		}
		_, err = fmt.Fprintln(w.stdout, shown(d, time.Now()))
		return err
	})
}

// shown is a person in lines.
func shown(d server.PersonDetail, now time.Time) string {
	since := func(t time.Time) string { return cmp.Or(ago(now.Sub(t).Seconds()), "0s") + " ago" }
	lines := []string{fmt.Sprintf("%s, %s of %s", d.Person.Person, console.Plain(d.Name), console.Plain(d.Workspace))}
	add := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("  %-8s %s", name, console.Plain(fmt.Sprintf(format, args...))))
	}
	if s := d.Sees; s != nil {
		account := map[string]string{
			"member": "a full member", "guest": "a guest", "deactivated": "deactivated", "other": "a bot, or of another workspace",
			"unknown": "not known yet in Slack",
		}[s.Account]
		if !s.Asked.IsZero() {
			account += ", said " + since(s.Asked)
		}
		add("account", "%s", account)
		add("sees", "%d conversations of those that the app knows; hidden: %d, not known yet: %d", s.Visible, s.Hidden, s.Unknown)
	}
	for _, one := range d.List {
		scopes := make([]string, len(one.Scopes))
		for i, scope := range one.Scopes {
			scopes[i] = string(scope)
		}
		add("sign-in", "%s: %s, %s; %s; used %s, ends %s", one.ID, one.ClientName, one.Host, strings.Join(scopes, ", "), since(one.Used), one.Until.Format(time.DateOnly))
	}
	if g := d.Grant; g != nil {
		add("at Slack", "checked %s; %s", since(g.Checked), strings.Join(g.Scopes, ", "))
	} else {
		add("at Slack", "nothing is kept of what the person allowed")
	}
	return strings.Join(lines, "\n")
}

const onePerson = "a person as T…/U…, or a user's id; people list shows them"

// newPeopleSignOut ends sign-ins.
func newPeopleSignOut(w world) *cobra.Command {
	var yes bool
	cmd := onOnePerson(w, &cobra.Command{
		Use:   "sign-out <person|sign-in> [flags]",
		Short: "End a person's sign-ins, or one of them",
		Long: `End all sign-ins of a person, or one by its id, which people show has: its tokens, its sessions
and all that it has open, on every server of the store, within 30 seconds. With the last one
ends what the person allowed at Slack. They may sign in again: take their workspace out of
SIGN_IN_TEAMS, or deactivate the account at Slack, to keep them out.`,
		Example: `  slack-webhook-server people sign-out T0123456789/U0123456789

  # In a script, where no one can answer the question
  slack-webhook-server people sign-out U0123456789 --yes -o json`,
		Args: exactly(1, "a person as T…/U…, a user's id, or the id of a sign-in; people show has them"),
	}, func(o *operation, p server.People, args []string) error {
		if err := o.confirm(yes, fmt.Sprintf("End what %s has signed in with?", args[0])); err != nil {
			return err
		}
		out, err := p.SignOut(o.ctx(), args[0])
		if err != nil {
			return err
		}
		if !o.print.People() {
			return o.print.Value(out)
		}
		left := "What they allowed at Slack has ended."
		if out.Left > 0 {
			left = fmt.Sprintf("%d are left.", out.Left)
		}
		return o.said(nil, "Ended %d sign-ins of %s. %s", len(out.Ended), out.Person, left)
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "Do not ask")
	return cmd
}

// onPeople makes a command that works on those who have signed in at a running server.
func onPeople(w world, cmd *cobra.Command, run func(o *operation, p server.People, args []string) error) *cobra.Command {
	return newOperate(w, false, cmd, func(o *operation, args []string) error {
		p, err := server.OperatePeople(o.Store)
		if err != nil {
			return err
		}
		return run(o, p, args)
	})
}

func onOnePerson(w world, cmd *cobra.Command, run func(o *operation, p server.People, args []string) error) *cobra.Command {
	cmd.ValidArgsFunction = completePeople(w)
	return onPeople(w, cmd, run)
}

// completePeople offers the people for the first argument.
func completePeople(w world) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return ask(cmd, w, func(ctx context.Context, s operator.Store) (words []string, err error) {
			people, err := server.OperatePeople(s)
			if err != nil {
				return nil, err
			}
			err = people.List(ctx, func(p server.Person) error {
				words = append(words, p.Person+"\t"+console.Plain(p.Name))
				return nil
			})
			return words, err
		})
	}
}
