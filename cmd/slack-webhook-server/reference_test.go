package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"slackmcp/cmd/slack-webhook-server/internal/clients"
	"slackmcp/server"
)

//go:generate go test -run ^(TestReference|TestClientsPage|TestSchemas)$ . -update

const (
	referencePath = "../../docs/cli.md"
	referenceHead = "<!-- Made from the commands by `go generate ./...`; edit there. -->\n\n" +
		"# Command line\n\nWhat `--help` says of every command. What several commands list is printed once, under\n" +
		"[Common flags](#common-flags); a command names the groups of them that it takes. The settings behind the\n" +
		"flags are explained in [configuration.md](configuration.md). Exit codes are 0 done, 1 failure, 2 usage and\n" +
		"3 configuration.\n"
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

// TestClientsPage holds docs/clients.md to the table of the command client-config.
func TestClientsPage(t *testing.T) {
	t.Parallel()
	const path = "../../docs/clients.md"
	want := clients.Page()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with `go generate ./...`", err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is stale; renew it with `go generate ./...` (-file +table):\n%s", path, diff)
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

// reference prints the common rows once and then each command with its own.
func reference() string {
	list := commands(newRoot(world{}))
	helps := make([][]paragraph, len(list))
	times, usual := map[string]int{}, map[string]string{} // by row, and the most frequent row by name
	for i, cmd := range list {
		helps[i] = paragraphs(cmd)
		for _, p := range helps[i] {
			for _, row := range p.rows {
				times[row]++
				if name := rowName.FindString(row); times[row] > times[usual[name]] {
					usual[name] = row
				}
			}
		}
	}
	isCommon := func(row string) bool { return times[row] > 1 && usual[rowName.FindString(row)] == row }
	var common []paragraph
	for _, help := range helps {
		for _, p := range help {
			for _, row := range p.rows {
				if isCommon(row) {
					common = addRow(common, p.head, row)
				}
			}
		}
	}
	var b strings.Builder
	b.WriteString(referenceHead + "\n## Common flags\n\n```text\n")
	for i, p := range common {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(p.head + strings.Join(p.rows, ""))
	}
	b.WriteString("```\n")
	for i, cmd := range list {
		writeReference(&b, cmd.CommandPath(), helps[i], common, isCommon)
	}
	return b.String()
}

// writeReference prints a command's own rows, and which of the common ones it takes.
func writeReference(b *strings.Builder, name string, help, common []paragraph, isCommon func(string) bool) {
	var own, shared []string
	for _, p := range help {
		rows := slices.DeleteFunc(slices.Clone(p.rows), isCommon)
		if p.rows == nil || len(rows) > 0 {
			own = append(own, p.head+strings.Join(rows, ""))
		}
		if len(rows) == len(p.rows) {
			continue
		}
		takes, _, _ := strings.Cut(strings.TrimSuffix(p.head, ":\n"), " (")
		i := slices.IndexFunc(common, func(c paragraph) bool { return c.head == p.head })
		if len(p.rows)-len(rows) < len(common[i].rows) {
			var names []string
			for _, row := range p.rows {
				if isCommon(row) {
					names = append(names, "`"+rowName.FindString(row)+"`")
				}
			}
			takes += " (" + strings.Join(names, ", ") + ")"
		}
		shared = append(shared, takes)
	}
	fmt.Fprintf(b, "\n## %s\n\n```text\n%s```\n", name, strings.Join(own, "\n"))
	if len(shared) > 0 {
		fmt.Fprintf(b, "\nOf the [common flags](#common-flags): %s.\n", strings.Join(shared, "; "))
	}
}

// rowName is the flag or the secret of a row.
var rowName = regexp.MustCompile(`--[a-z-]+|[A-Z_]{2,}`)

// A paragraph of a help text is its first lines and, when it lists flags or secrets, its
// rows.
type paragraph struct {
	head string
	rows []string
}

// paragraphs takes a help text apart, without the exit codes.
func paragraphs(cmd *cobra.Command) []paragraph {
	var help bytes.Buffer
	writeHelp(&help, cmd)
	var list []paragraph
	for text := range strings.SplitSeq(strings.TrimRight(help.String(), "\n"), "\n\n") {
		text += "\n"
		if strings.HasPrefix(text, "Exit codes: ") {
			continue // they are those of every command
		}
		lists := strings.HasPrefix(text, "Secrets ") || strings.Contains(text, ":\n  -")
		p := paragraph{head: text}
		if lists {
			head, rest, _ := strings.Cut(text, ":\n  ")
			p.head = head + ":\n"
			for line := range strings.Lines("  " + rest) {
				if !strings.HasPrefix(line, strings.Repeat(" ", column)) || len(p.rows) == 0 {
					p.rows = append(p.rows, "")
				}
				p.rows[len(p.rows)-1] += line
			}
		}
		list = append(list, p)
	}
	return list
}

// addRow adds a row to the paragraph with a head, unless it is there.
func addRow(list []paragraph, head, row string) []paragraph {
	for i := range list {
		if list[i].head == head {
			if slices.Contains(list[i].rows, row) {
				return list
			}
			list[i].rows = append(list[i].rows, row)
			return list
		}
	}
	return append(list, paragraph{head, []string{row}})
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
