package prompts

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/access"
)

// A Prompt is the description of one prompt and its words.
type Prompt struct {
	Name, Title, Description string
	Arguments                []Argument
	// Scopes are what a principal needs to list and get it.
	Scopes []access.Scope
	// Words makes the text from the arguments.
	Words func(arg map[string]string) string
}

// An Argument is what a person fills in.
type Argument struct {
	Name, Description string
	Required          bool
	Default           string
}

// A Set is prompts with distinct names. It is immutable.
type Set struct{ all []Prompt }

// New returns the prompts for a server; those about events only with a log of events,
// those about Slack only with a client.
func New(events, slack bool) *Set {
	s := &Set{}
	for _, p := range append(tasks(), usages()...) {
		if needs(&p, access.Events) && !events || !needs(&p, access.Events) && !slack {
			continue
		}
		s.all = append(s.all, p)
	}
	return s
}

// List returns the prompts in order.
func (s *Set) List() []Prompt { return append([]Prompt(nil), s.all...) }

func needs(p *Prompt, scope access.Scope) bool {
	return slices.Contains(p.Scopes, scope)
}

// Register adds the prompts to an MCP server.
func (s *Set) Register(m *server.MCPServer) {
	for i := range s.all {
		p := &s.all[i]
		options := []mcp.PromptOption{mcp.WithPromptTitle(p.Title), mcp.WithPromptDescription(p.Description)}
		for _, a := range p.Arguments {
			about := []mcp.ArgumentOption{mcp.ArgumentDescription(a.Description)}
			if a.Required {
				about = append(about, mcp.RequiredArgument())
			}
			options = append(options, mcp.WithArgument(a.Name, about...))
		}
		m.AddPrompt(mcp.NewPrompt(p.Name, options...), func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return p.get(req.Params.Arguments)
		})
	}
}

// Filter leaves the prompts out whose tools the caller may not use.
func (s *Set) Filter(ctx context.Context, list []mcp.Prompt) []mcp.Prompt {
	kept := []mcp.Prompt{}
	for _, shown := range list {
		for i := range s.all {
			if s.all[i].Name == shown.Name && s.all[i].allowed(ctx) {
				kept = append(kept, shown)
			}
		}
	}
	return kept
}

func (p *Prompt) allowed(ctx context.Context) bool {
	for _, scope := range p.Scopes {
		if !access.From(ctx).Has(scope) {
			return false
		}
	}
	return true
}

// maxArgument bounds what is put into a text, in bytes.
const maxArgument = 2000

func (p *Prompt) get(given map[string]string) (*mcp.GetPromptResult, error) {
	arg := map[string]string{}
	for _, a := range p.Arguments {
		value := strings.TrimSpace(given[a.Name])
		switch {
		case len(value) > maxArgument:
			return nil, fmt.Errorf("argument %s is longer than %d bytes", a.Name, maxArgument)
		case value == "" && a.Required:
			return nil, fmt.Errorf("argument %s is required", a.Name)
		case value == "":
			value = a.Default
		}
		arg[a.Name] = value
	}
	return mcp.NewGetPromptResult(p.Description, []mcp.PromptMessage{
		mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(p.Words(arg))),
	}), nil
}
