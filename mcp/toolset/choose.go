package toolset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The words that [Choice.Toolsets] takes beside the names of toolsets.
const (
	// All is every tool.
	All = "all"
	// Default is the tools that are offered when nobody chooses.
	Default = "default"
)

// A Catalog is all tools that there are, in a fixed order: by toolset as given, by
// name within it. It is immutable.
type Catalog struct {
	tools []Tool
	sets  []string
}

// NewCatalog checks the tools and puts them in order. Its error names every tool that
// is not fit to be published.
func NewCatalog(tools ...Tool) (*Catalog, error) {
	c := &Catalog{tools: slices.Clone(tools)}
	var errs []error
	seen := map[string]bool{}
	for i := range c.tools {
		t := &c.tools[i]
		if err := t.check(); err != nil {
			errs = append(errs, err)
		}
		if seen[t.Name] {
			errs = append(errs, fmt.Errorf("tool %q: there are two of this name", t.Name))
		}
		seen[t.Name] = true
		if !slices.Contains(c.sets, t.Set) {
			c.sets = append(c.sets, t.Set)
		}
	}
	slices.SortStableFunc(c.tools, func(a, b Tool) int {
		if d := slices.Index(c.sets, a.Set) - slices.Index(c.sets, b.Set); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return c, errors.Join(errs...)
}

// Tools returns all tools in order.
func (c *Catalog) Tools() []Tool { return slices.Clone(c.tools) }

// Sets returns the names of the toolsets in order.
func (c *Catalog) Sets() []string { return slices.Clone(c.sets) }

// A Choice says which tools a server offers.
type Choice struct {
	// Toolsets are names of toolsets, [Default] or [All].
	Toolsets []string
	// Tools are further tools by name; with no Toolsets they are the only ones.
	// With neither, the choice is [Default].
	Tools []string
	// ReadOnly leaves every tool out that changes anything, however it was named.
	ReadOnly bool
}

// Choose returns the tools of a choice in the catalog's order. Its error names every
// unknown toolset and tool with the nearest that there is.
func (c *Catalog) Choose(choice Choice) ([]Tool, error) {
	sets, tools := names(choice.Toolsets), names(choice.Tools)
	if len(sets) == 0 && len(tools) == 0 {
		sets = []string{Default}
	}
	if err := c.known(sets, tools); err != nil {
		return nil, err
	}
	var chosen []Tool
	for _, t := range c.tools {
		if choice.ReadOnly && !t.Effect.ReadOnly() {
			continue
		}
		if slices.Contains(tools, t.Name) || slices.Contains(sets, t.Set) ||
			slices.Contains(sets, All) || t.Default && slices.Contains(sets, Default) {
			chosen = append(chosen, t)
		}
	}
	return chosen, nil
}

// names takes a list that may hold lists.
func names(in []string) []string {
	var out []string
	for _, s := range in {
		for n := range strings.SplitSeq(s, ",") {
			if n = strings.TrimSpace(n); n != "" {
				out = append(out, n)
			}
		}
	}
	return out
}

func (c *Catalog) known(sets, tools []string) error {
	var errs []error
	words := append([]string{Default, All}, c.sets...)
	for _, s := range sets {
		if !slices.Contains(words, s) {
			errs = append(errs, unknownName("toolset", s, words))
		}
	}
	var all []string
	for _, t := range c.tools {
		all = append(all, t.Name)
	}
	for _, s := range tools {
		if !slices.Contains(all, s) {
			errs = append(errs, unknownName("tool", s, all))
		}
	}
	return errors.Join(errs...)
}

func unknownName(what, name string, all []string) error {
	if n := nearest(name, all); n != "" {
		return fmt.Errorf("unknown %s %q: did you mean %q?", what, name, n)
	}
	return fmt.Errorf("unknown %s %q: there are %s", what, name, strings.Join(all, ", "))
}
