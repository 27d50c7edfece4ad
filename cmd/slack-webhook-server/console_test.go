package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// inTheConsole has for each command on a running server the page or the change of the console that does it.
var inTheConsole = map[string]string{
	"dead-letters drop": "/dead-letters/drop", "dead-letters list": "/dead-letters", "dead-letters redrive": "/dead-letters/redrive", "dead-letters show": "/dead-letters/show",
	"deliveries rejected list": "/deliveries", "deliveries rejected show": "/deliveries/show",
	"events gaps fill": "/gaps/fill", "events gaps list": "/gaps", "events get": "/events/show", "events list": "/events", "events tail": "/live",
	"groups drop": "/groups/drop", "groups list": "/groups", "health": "/{$}",
	"people list": "/people", "people show": "/people/show", "people sign-out": "/people/sign-out",
	"replay":       "/events/replay",
	"store backup": "/store/backup", "store verify": "/store/verify",
	"subscriptions list": "/subscriptions", "subscriptions pause": "/subscriptions/change", "subscriptions remove": "/subscriptions/change",
	"subscriptions resume": "/subscriptions/change", "subscriptions show": "/subscriptions/show",
	"visibility explain": "/events/show",
}

// notInTheConsole are the commands for who may read the server's files, and why.
var notInTheConsole = map[string]string{
	"consume":       "it works events",
	"keys new":      "a key is a secret",
	"keys rotate":   "a key is a secret",
	"store accept":  "the server that would show it does not start on a store that has lost something",
	"store compact": "it needs the store to itself",
	"store repair":  "it needs the store to itself",
	"store restore": "it needs the store to itself",
}

// otherCommands work on no running server: they prepare it, start it, or look at files and senders.
var otherCommands = []string{
	"bench", "check", "client-config", "completion", "help", "lambda", "manifest", "mcp", "rules", "sandbox", "selftest", "send", "setup", "sources", "version",
}

// TestTheConsoleHasTheCommands: what a command does the console does too, or it is named here why not.
func TestTheConsoleHasTheCommands(t *testing.T) {
	source, err := os.ReadFile("../../server/console/console.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, words := range leaves(newRoot(world{})) {
		seen[words] = true
		first, _, _ := strings.Cut(words, " ")
		where, has := inTheConsole[words]
		excused := notInTheConsole[words] + notInTheConsole[first]
		switch {
		case slices.Contains(otherCommands, first):
		case has == (excused != ""):
			t.Errorf("%s: say in one of the tables where the console does it, or why it does not", words)
		case has && !strings.Contains(string(source), `"`+where+`"`):
			t.Errorf("%s: the console has no %s", words, where)
		}
	}
	for words := range inTheConsole {
		if !seen[words] {
			t.Errorf("there is no command %s", words)
		}
	}
}

// leaves are the commands that have no further ones, by their words.
func leaves(cmd *cobra.Command) (all []string) {
	for _, one := range cmd.Commands() {
		below := leaves(one)
		if len(below) == 0 {
			below = []string{""}
		}
		for _, words := range below {
			all = append(all, strings.TrimSpace(one.Name()+" "+words))
		}
	}
	return all
}
