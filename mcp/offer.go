package mcp

import (
	"slackmcp/mcp/tools"
	"slackmcp/mcp/toolset"
)

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
// what needs a user token. The error names every unknown toolset and tool.
func Offer(choice toolset.Choice, slack, events bool, g toolset.Grant) ([]Offered, error) {
	catalog, err := tools.Foresee(slack, events)
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
