package words_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"slackmcp/internal/words"
)

//go:generate go test -run ^TestTable$ . -update

var update = flag.Bool("update", false, "write docs/messages.md anew")

const table = "../../docs/messages.md"

// TestTable holds docs/messages.md against the table of messages.
func TestTable(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	all := shapes(t)
	fmt.Fprintf(&b, `# What a message says

Slack keeps what a message says in several places: its text, its blocks, its attachments and its files.
Everything that shows a message, or judges it by its words, uses one function that reads them all (the package
%s): reading of channels and threads, search, the list of events, one event, its context and
the wait for one, resources, the event types of MCP Events and their keyword, the pushes of a channel, and the
field %s of [rules](rules.md).

- What blocks and attachments add to the text stands below it. What only repeats it stands once: Slack shows
  the blocks, and most senders write the same into the text.
- The words are in Slack's own markup: %s is a mention, %s a link, and %s stand for <, > and &.
- What has no words stands in brackets: %s, %s.
- Each line that another one than the author wrote begins with %s: of a message that was forwarded, the
  preview of a link, the contents of a file.
- Files stand in a list of their own (id, name, type, size, and what Slack read in them) or, where there is only
  a text, in lines of their own.
- %s names what the words do not show, such as "blocks, 2 attachments": options of menus, pictures, kinds of
  blocks that are newer than this server. Ask for it with %s.
- Under [lockdown](SECURITY.md) each part is judged by its own author.

`+"This page is generated from internal/words/testdata/messages.json, whose %d messages are held against each of those\nplaces by tests.\n\n",
		"`internal/words`", "`.text`", "`<@U…>`", "`<address|label>`", "`&lt;`, `&gt;` and `&amp;`",
		"`[button: Approve]`", "`[image: a floor plan]`", "`> `", "`more`", "`response_format: detailed`", len(all))
	b.WriteString("| the message | its fields | what is shown |\n|---|---|---|\n")
	for _, s := range all {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Case, fields(t, s.Message), cell(words.Read(s.Message).String()))
	}
	got := b.String()
	if *update {
		if err := os.WriteFile(table, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Error("docs/messages.md is stale: run go generate ./internal/words")
	}
}

// fields names what a message consists of.
func fields(t *testing.T, message json.RawMessage) string {
	t.Helper()
	var m struct {
		Text   string
		Blocks []struct {
			Type string
		}
		Attachments, Files []any
	}
	if err := json.Unmarshal(message, &m); err != nil {
		t.Fatal(err)
	}
	var all []string
	if m.Text != "" {
		all = append(all, "text")
	}
	for _, b := range m.Blocks {
		all = append(all, b.Type)
	}
	if len(m.Attachments) > 0 {
		all = append(all, "attachments")
	}
	if len(m.Files) > 0 {
		all = append(all, "files")
	}
	return strings.Join(all, ", ")
}

// most is how many lines of a message the table shows.
const most = 12

// cell writes words as code in a cell of a table, a line each.
func cell(s string) string {
	var all []string
	for line := range strings.SplitSeq(s, "\n") {
		if len(all) == most {
			all = append(all, "…")
			break
		}
		mark := "`"
		if strings.Contains(line, "`") {
			mark = "``"
		}
		pad := ""
		if strings.HasPrefix(line, "`") || strings.HasSuffix(line, "`") {
			pad = " "
		}
		all = append(all, mark+pad+strings.ReplaceAll(line, "|", "\\|")+pad+mark)
	}
	return strings.Join(all, "<br>")
}
