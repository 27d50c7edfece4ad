package mcp

import (
	"fmt"
	"io"
	"strings"

	"slackmcp/mcp/prompts"
	"slackmcp/mcp/resources"
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
)

// WriteReference writes docs/tools.md: every tool, resource and prompt that there is.
func WriteReference(w io.Writer) error {
	catalog, err := tools.Describe()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, `# Tools, resources and prompts

Written from the code by `+"`go generate ./mcp`"+`; a test fails when it is stale.

There are %d tools. Without a choice the server offers those marked so; `+"`--toolsets`"+` takes names of toolsets,
`+"`default`"+` and `+"`all`"+`, `+"`--tools`"+` single tools, and `+"`--read-only`"+` leaves out whatever changes anything. A tool for
which the Slack token lacks a scope is hidden. Arguments may stand flat or inside `+"`input_params`"+`. Every
writing tool takes `+"`dry_run` and `idempotency_key`"+`. A key is the caller's own and one tool's: repeated within an hour it
returns what the first call returned, and with other arguments it is refused. Each process remembers keys in its memory: a restart forgets them, and another
replica does not know them. What came from Slack stands in results with `+"`\"untrusted\": true`"+` at their top.

`, len(catalog.Tools()))
	if err := catalog.WriteReference(w); err != nil {
		return err
	}
	set, err := resources.Describe(catalog.Tools())
	if err != nil {
		return err
	}
	fmt.Fprint(w, "\n## Resources\n\nEach can be read, and followed with resources/subscribe or subscriptions/listen. To people who have\nsigned in they show what these may see: what is in Slack is read with the person's own token.\n\n| address | scope | what it is |\n|---|---|---|\n")
	for _, r := range set.List() {
		fmt.Fprintf(w, "| `%s` | `%s` | %s |\n", r.URI, r.Scope, r.Description)
	}
	fmt.Fprint(w, "\n## Prompts\n\n| prompt | arguments | what it does |\n|---|---|---|\n")
	for _, p := range prompts.New(true, true, true).List() {
		var arguments []string
		for _, a := range p.Arguments {
			name := "`" + a.Name + "`"
			if a.Required {
				name += " (required)"
			}
			arguments = append(arguments, name)
		}
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", p.Name, strings.Join(arguments, ", "), p.Description)
	}
	return nil
}

// Tools are every tool that there is, chosen or not, to be described and not to be called.
func Tools() ([]toolset.Tool, error) {
	catalog, err := tools.Describe()
	if err != nil {
		return nil, err
	}
	return catalog.Tools(), nil
}

// ToolNames lists every tool that there is, chosen or not.
func ToolNames() ([]string, error) {
	all, err := Tools()
	var names []string
	for i := range all {
		names = append(names, all[i].Name)
	}
	return names, err
}

// An Offered is one tool that a server with given options would have.
type Offered struct {
	Toolset  string `json:"toolset"`
	Tool     string `json:"tool"`
	ReadOnly bool   `json:"read_only"`
	// Missing are the Slack scopes for want of which the tool is hidden, as
	// [toolset.Grant.Missing] writes them; nil when it is shown.
	Missing []string `json:"missing_scopes,omitempty"`
}

// Offer returns the tools that a choice takes, in the catalog's order, and what each
// lacks. slack and events say what the server has. The zero Grant hides nothing but
// what needs a user token; with a user token alone no questions are asked. The error names every unknown toolset and tool.
func Offer(choice toolset.Choice, slack, events bool, g toolset.Grant) ([]Offered, error) {
	catalog, err := tools.Foresee(slack, events, slack && events && !g.Alone)
	if err != nil {
		return nil, err
	}
	chosen, err := catalog.Choose(choice)
	if err != nil {
		return nil, err
	}
	list := make([]Offered, len(chosen))
	for i := range chosen {
		t := &chosen[i]
		list[i] = Offered{Toolset: t.Set, Tool: t.Name, ReadOnly: t.Effect.ReadOnly(), Missing: g.Missing(t)}
	}
	return list, nil
}
