package toolset

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteReference writes the catalog as Markdown: each tool with its arguments, result,
// annotations and scopes.
func (c *Catalog) WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| toolset | tools | of them by default |\n|---|---|---|\n")
	for _, set := range c.sets {
		n, d := c.count(set)
		fmt.Fprintf(&b, "| [%s](#%s) | %d | %d |\n", set, set, n, d)
	}
	set := ""
	for i := range c.tools { // they are in the order of their toolsets
		t := &c.tools[i]
		if t.Set != set {
			set = t.Set
			fmt.Fprintf(&b, "\n## %s\n", set)
		}
		if err := t.reference(&b); err != nil {
			return fmt.Errorf("describe %s: %w", t.Name, err)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// count returns how many tools a toolset has, and how many are offered by default.
func (c *Catalog) count(set string) (all, standard int) {
	for i := range c.tools {
		if c.tools[i].Set == set {
			all++
			if c.tools[i].Default {
				standard++
			}
		}
	}
	return all, standard
}

func (t *Tool) reference(b *strings.Builder) error {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n", t.Name, t.Description)
	fmt.Fprintf(b, "%s · %s", t.Title, t.Effect)
	if t.Default {
		b.WriteString(" · offered by default")
	}
	fmt.Fprintf(b, "\n\nA caller needs the scope %s.%s\n\n", t.scopes(), t.slackScopes())
	if len(t.arguments) == 0 {
		b.WriteString("It takes no arguments.\n\n")
	} else {
		b.WriteString("| argument | type | | meaning |\n|---|---|---|---|\n")
		for _, f := range t.arguments {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.name, f.kind(), f.terms(), cell(f.doc))
		}
		b.WriteByte('\n')
	}
	var out struct {
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(t.OutputSchema, &out); err != nil {
		return err
	}
	names, err := members(out.Properties)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "The result has `%s`.\n", strings.Join(names, "`, `"))
	return nil
}

// String says in words what the effect's annotations say.
func (e Effect) String() string {
	switch e {
	case Reads:
		return "reads only"
	case Adds:
		return "adds something with each call"
	case Sets:
		return "brings about a state; repeating it changes nothing more"
	case Destroys:
		return "removes or overwrites; repeating it changes nothing more"
	}
	return "unknown"
}

func (t *Tool) scopes() string {
	if t.And != "" {
		return "`" + string(t.Scope) + "` and `" + string(t.And) + "`"
	}
	return "`" + string(t.Scope) + "`"
}

func (t *Tool) slackScopes() string {
	var parts []string
	for _, n := range []struct {
		who   string
		needs []string
	}{{"the bot token", t.Needs}, {"a user token", t.UserNeeds}} {
		var all []string
		for _, need := range n.needs {
			all = append(all, "`"+strings.ReplaceAll(need, "|", "` or `")+"`")
		}
		if len(all) > 0 {
			parts = append(parts, n.who+" with "+strings.Join(all, ", and "))
		}
	}
	if len(parts) == 0 {
		return " It calls nothing in Slack."
	}
	return " Slack wants " + strings.Join(parts, "; or ") + "."
}

func (f *field) kind() string {
	var s schemaWriter
	if err := s.value(f.typ, field{opaque: true}); err != nil {
		return "any"
	}
	var v struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(s.out.Bytes(), &v) != nil || v.Type == "" {
		return "any"
	}
	return v.Type
}

func (f *field) terms() string {
	var terms []string
	if f.required {
		terms = append(terms, "**required**")
	}
	if f.hasDef {
		terms = append(terms, "default `"+f.def+"`")
	}
	if len(f.enum) > 0 {
		terms = append(terms, "one of `"+strings.Join(f.enum, "`, `")+"`")
	}
	if f.min != nil {
		terms = append(terms, fmt.Sprintf("at least %d", *f.min))
	}
	if f.max != nil {
		terms = append(terms, fmt.Sprintf("at most %d", *f.max))
	}
	return strings.Join(terms, ", ")
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// members lists the names of an object's members in their order.
func members(object json.RawMessage) ([]string, error) {
	d := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var names []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("member %v has no name", key)
		}
		names = append(names, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
	}
	return slices.Clip(names), nil
}
