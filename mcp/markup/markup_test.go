package markup_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slackmcp/mcp/markup"
)

// found are the names of a text: each with its sign, and its readings from the longest.
func found(text string) (all []string) {
	for _, n := range markup.Names(text) {
		all = append(all, string(n.Sign)+strings.Join(n.Readings, "|"))
	}
	return all
}

func TestNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"@ann":                        {"@ann"},
		"hi @ann, look":               {"@ann"},
		"@Ann Lee will":               {"@Ann Lee will|Ann Lee|Ann"},
		"thanks @ann.":                {"@ann.|ann"},
		"@ann's desk":                 {"@ann's desk|ann's|ann"},
		"see #general-2 and #été.":    {"#general-2", "#été.|été"},
		"*@ann* _@bob_ (@eve)":        {"@ann", "@bob_|bob", "@eve"},
		"@a b c d e":                  {"@a b c d|a b c|a b|a"},
		"@ann  lee":                   {"@ann"},
		"@ann\nlee":                   {"@ann"},
		"@田中さん、":                      {"@田中さん"},
		"mail ann@example.com":        nil,
		"ann.b_@example.com":          nil,
		"@ann@example.social":         nil,
		"npm i @types/node":           nil,
		"@Component({})":              nil,
		"https://x.example/@ann#b":    nil,
		"www.x.example/#top":          nil,
		"/@ann \\@ann &#39; ##x a#b":  nil,
		"`@ann` ``a ` @b`` @c":        {"@c"},
		"```\n@ann\n```\n@bob":        {"@bob"},
		"```@ann":                     nil,
		"~~~sh\n@ann\n~~~\n@bob":      {"@bob"},
		"~~~\n@ann":                   {"@ann"},
		"a ` b @ann":                  {"@ann"},
		"a ` b\n@ann ` c":             {"@ann"},
		"> @ann\n\n@bob":              {"@bob"},
		"> a\n@ann":                   nil,
		"&gt; @ann":                   nil,
		">>> a\n\n@ann":               nil,
		"<@U1|@ann> <#C1|#x> @bob":    {"@bob"},
		"<https://x.example|@ann>":    nil,
		"[@ann](https://x.example/y)": nil,
		"![#a](x) [@b][r]\n[r]: @c":   nil,
		"a < b @ann > c":              {"@ann"},
		"@ann <@U1>":                  {"@ann"},
		"@ @. # heading":              nil,
		"@" + strings.Repeat("x", 81): nil,
	} {
		if diff := cmp.Diff(want, found(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]bool{
		"**bold** words":                        {true, false},
		"see [the page](https://x.example)":     {true, false},
		"# Title\ntext":                         {true, false},
		"a\n### Third":                          {true, false},
		"| a | b |\n|---|:-:|\n| 1 | 2 |":       {true, false},
		"a | b\n--- | ---":                      {true, false},
		"~~old~~ new":                           {true, false},
		"**a** <https://x.example|b>":           {true, true},
		"**a** <!date^1^{date}|b>":              {true, true},
		"**a** <@U1> <#C1> <https://x.example>": {true, false},
		"*bold* _it_ `**code**` <https://x|l>":  {},
		"```\n# comment\n**x**\n```":            {},
		"2 ** 3 ** 4":                           {},
		"f(**kwargs) and g(**more)":             {},
		"#general #1 a":                         {},
		"a[0](x) [ ] todo":                      {},
		"- one\n- two\n> quote\n---\nplain":     {},
		"****":                                  {},
	} {
		if is, mixed := markup.Markdown(text); is != want[0] || mixed != want[1] {
			t.Errorf("Markdown(%q) = %v, %v", text, is, mixed)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"@ann's `x` <@U1> > q\n#c", "``` @a", "[@a](b)@c", "_@a_ é@b #日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		last := -1
		for _, n := range markup.Names(s) {
			if n.At <= last || s[n.At] != n.Sign {
				t.Fatalf("%q: a name at %d after %d", s, n.At, last)
			}
			for _, r := range n.Readings {
				if r == "" || !strings.HasPrefix(s[n.At+1:], r) {
					t.Fatalf("%q: reading %q does not stand at %d", s, r, n.At)
				}
			}
			last = n.At
		}
	})
}
