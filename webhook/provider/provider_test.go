package provider_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"slackmcp/webhook/provider"
	"slackmcp/webhook/signature"
)

//go:generate go test -run ^TestDocument$ . -update

var update = flag.Bool("update", false, "write the table of docs/sources.md anew")

// TestDocument holds the part of docs/sources.md that is made of the table.
func TestDocument(t *testing.T) {
	const page, begin, end = "../../docs/sources.md", "<!-- Made from webhook/provider/table.go by `make docs`. -->\n", "<!-- The end of what is made. -->\n"
	var table, lines strings.Builder
	table.WriteString("| provider | sender | the secret is | id | type, subtype | signs a time | longest body | asks for |\n|---|---|---|---|---|---|---|---|\n")
	for _, p := range provider.All() {
		id, kind := p.Places()
		var facts []string
		for i, fact := range p.Facts {
			facts = append(facts, fmt.Sprintf("[%d](%s)", i+1, fact))
		}
		title := p.Title + " " + strings.Join(facts, " ")
		if p.Note != "" {
			title += ": " + p.Note
		}
		asks := provider.Handshakes[p.Handshake]
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", p.Name, title, p.Secret, id, kind, p.WindowText(), p.LongestBody(), asks)
		for line := range strings.Lines(p.Example()) {
			lines.WriteString("  " + line)
		}
	}
	made := begin + "\n" + table.String() + "\nEach in its lines, as the file has it:\n\n```yaml\nsources:\n" + lines.String() + "```\n\n" + end
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks the lines between which the table stands", page)
	}
	want := before + made + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(content) != want {
		t.Errorf("%s is stale; renew it with `make docs`", page)
	}
}

func TestTable(t *testing.T) {
	all := provider.All()
	if len(all) < 45 {
		t.Errorf("%d providers, want 45 at least", len(all))
	}
	name := regexp.MustCompile(`^[a-z0-9]+$`)
	seen := map[string]bool{}
	for _, p := range all {
		switch {
		case !name.MatchString(p.Name), seen[p.Name], p.Title == "", p.Secret == "":
			t.Errorf("%+v: a name of its own, a title and what the secret is are needed", p)
		case len(p.Facts) == 0:
			t.Errorf("%s: where do its facts come from?", p.Name)
		case (p.Scheme == nil) == (p.Token == nil):
			t.Errorf("%s has a scheme or a token", p.Name)
		case p.Scheme != nil && p.Scheme.Name() != p.Name:
			t.Errorf("%s signs as %s: two that sign otherwise must not have one name", p.Name, p.Scheme.Name())
		case p.Handshake != "" && provider.Handshakes[p.Handshake] == "":
			t.Errorf("%s has the handshake %s, which has no words", p.Name, p.Handshake)
		case p.ByGet && !signature.CoversQuery(p.Scheme):
			t.Errorf("%s delivers by GET, and its scheme does not vouch for the query", p.Name)
		case p.Window != 0 && p.Scheme != nil && !p.Scheme.Timed():
			t.Errorf("%s has a window of time and signs none", p.Name)
		}
		seen[p.Name] = true
		for _, fact := range p.Facts {
			if !strings.HasPrefix(fact, "https://") {
				t.Errorf("%s: %s is no page", p.Name, fact)
			}
		}
		if found, err := provider.Find(p.Name); err != nil || found.Title != p.Title {
			t.Errorf("Find(%s): %v", p.Name, err)
		}
	}
	if _, err := provider.Find("nobody"); err == nil || len(provider.Names()) != len(all) {
		t.Error("a provider that is not there is found")
	}
}
