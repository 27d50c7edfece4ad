package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"slackmcp/server"
)

//go:generate go test -run ^(TestReference|TestSchemas)$ . -update

const (
	referencePath = "../../docs/cli.md"
	referenceHead = "<!-- Made from the commands by `go generate ./...`; edit there. -->\n\n" +
		"# Command line\n\nWhat `--help` says, of every command. The settings behind the flags are explained in\n" +
		"[configuration.md](configuration.md).\n"
)

// TestReference holds docs/cli.md to the help texts.
func TestReference(t *testing.T) {
	t.Parallel()
	want := reference()
	if *update {
		if err := os.WriteFile(referencePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatalf("%v: write it with `go generate ./...`", err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is stale; renew it with `go generate ./...` (-file +commands):\n%s", referencePath, diff)
	}
}

// TestSchemas holds the published schemas to the tables that files are read by.
func TestSchemas(t *testing.T) {
	t.Parallel()
	for path, schema := range map[string]func() ([]byte, error){
		"../../docs/rules.schema.json":   server.RulesSchema,
		"../../docs/sources.schema.json": server.SourcesSchema,
	} {
		want, err := schema()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v); renew it with `go generate ./...`", path, err)
		}
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, cmd := range commands(newRoot(world{})) {
		var help bytes.Buffer
		writeHelp(&help, cmd)
		b.WriteString("\n## " + cmd.CommandPath() + "\n\n```text\n" + help.String() + "```\n")
	}
	return b.String()
}

// commands lists the command and those below it that are ours; the shells' completion
// scripts are cobra's.
func commands(root *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{root}
	for _, sub := range root.Commands() {
		if sub.Name() != "completion" && sub.Name() != "help" {
			list = append(list, commands(sub)...)
		}
	}
	return list
}

// TestEveryCommandIsExplained holds what each help text has.
func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	for _, cmd := range commands(newRoot(world{})) {
		if strings.Count(cmd.Example, program) < 2 {
			t.Errorf("%s has fewer than two examples", cmd.CommandPath())
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q is no line for a list of commands", cmd.CommandPath(), cmd.Short)
		}
		if cmd.Args == nil {
			t.Errorf("%s does not say which arguments it takes", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len(line) > width+1 {
				t.Errorf("%s: a line of its help is longer than %d characters: %s", cmd.CommandPath(), width, line)
			}
		}
	}
}
