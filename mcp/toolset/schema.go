package toolset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

var rawType = reflect.TypeFor[json.RawMessage]()

// SchemaOf writes the JSON Schema of a result, the struct T. It allows other members.
func SchemaOf[T any]() (json.RawMessage, error) {
	return schemaOf(reflect.TypeFor[T](), schemaWriter{})
}

// schemaOf writes the JSON Schema of a struct type, members in the struct's order.
//
// Clients hand schemas to models whose services refuse a whole list of tools for one keyword
// that they do not know, so few are used: type, properties, required, items, enum and
// description. Bounds and defaults are told in the description, and Bind holds to them. A type
// is never a list, an array always has items, and nothing is referred to.
func schemaOf(t reflect.Type, w schemaWriter) (json.RawMessage, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	if err := w.value(t, field{}); err != nil {
		return nil, err
	}
	return json.RawMessage(w.out.Bytes()), nil
}

type schemaWriter struct {
	out    bytes.Buffer
	typed  bool // every value has a type, as arguments must
	closed bool // objects allow no other members
	depth  int
}

// maxSchemaDepth refuses a type that contains itself.
const maxSchemaDepth = 12

func (w *schemaWriter) value(t reflect.Type, f field) error {
	t = deref(t)
	if w.depth++; w.depth > maxSchemaDepth {
		return fmt.Errorf("%s is nested too deep, or contains itself", t)
	}
	defer func() { w.depth-- }()
	w.out.WriteByte('{')
	var err error
	switch {
	case t == rawType, t.Kind() == reflect.Interface:
		err = w.any(t, f)
	case t.Kind() == reflect.Struct && f.opaque:
		w.out.WriteString(`"type":"object"`)
	case t.Kind() == reflect.Struct:
		err = w.object(t)
	case t.Kind() == reflect.Slice:
		w.out.WriteString(`"type":"array","items":`)
		err = w.value(t.Elem(), field{enum: f.enum, opaque: f.opaque})
		f.enum = nil
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		w.out.WriteString(`"type":"object"`)
	default:
		err = w.scalar(t)
	}
	if err != nil {
		return err
	}
	w.notes(t, f)
	w.out.WriteByte('}')
	return nil
}

// any writes the type of a value that may be any JSON: what its tag says, or none.
func (w *schemaWriter) any(t reflect.Type, f field) error {
	switch {
	case f.as != "":
		w.out.WriteString(`"type":"` + f.as + `"`)
	case w.typed:
		return fmt.Errorf("%s needs the tag as, which names its type: clients refuse arguments without one", t)
	}
	return nil
}

func (w *schemaWriter) scalar(t reflect.Type) error {
	switch t.Kind() { //nolint:exhaustive // the others have no place in a schema
	case reflect.String:
		w.out.WriteString(`"type":"string"`)
	case reflect.Bool:
		w.out.WriteString(`"type":"boolean"`)
	case reflect.Int, reflect.Int64:
		w.out.WriteString(`"type":"integer"`)
	case reflect.Float64:
		w.out.WriteString(`"type":"number"`)
	default:
		return fmt.Errorf("%s has no place in a schema", t)
	}
	return nil
}

func (w *schemaWriter) object(t reflect.Type) error {
	fs, err := fields(t)
	if err != nil {
		return err
	}
	w.out.WriteString(`"type":"object","properties":{`)
	var required []string
	for i, f := range fs {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.json(f.name)
		w.out.WriteByte(':')
		if err := w.value(f.typ, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if f.required {
			required = append(required, f.name)
		}
	}
	w.out.WriteByte('}')
	if len(required) > 0 {
		w.out.WriteString(`,"required":`)
		w.json(required)
	}
	if w.closed {
		w.out.WriteString(`,"additionalProperties":false`)
	}
	return nil
}

// notes writes what the tags add to a type.
func (w *schemaWriter) notes(t reflect.Type, f field) {
	empty := w.out.Bytes()[w.out.Len()-1] == '{'
	add := func(key string, v any) {
		if !empty {
			w.out.WriteByte(',')
		}
		empty = false
		w.json(key)
		w.out.WriteByte(':')
		w.json(v)
	}
	if len(f.enum) > 0 {
		add("enum", f.enum)
	}
	if told := f.told(t); told != "" {
		add("description", told)
	}
}

// told is what a model reads about a member: its doc, and what the schema has no keywords for:
// the default, unless it is the first of several values, the bounds of a number, and how many items a list may have. How long a text
// may be is told by the error of one that is too long.
func (f *field) told(t reflect.Type) string {
	var terms []string
	if f.hasDef && f.def != "" && f.def != "false" && (len(f.enum) == 0 || t.Kind() == reflect.Slice || f.def != f.enum[0]) {
		terms = append(terms, "default "+f.def)
	}
	number := t.Kind() == reflect.Int || t.Kind() == reflect.Int64 || t.Kind() == reflect.Float64
	switch {
	case number && f.min != nil && f.max != nil:
		terms = append(terms, fmt.Sprintf("%d to %d", *f.min, *f.max))
	case number && f.min != nil:
		terms = append(terms, fmt.Sprintf("at least %d", *f.min))
	case number && f.max != nil:
		terms = append(terms, fmt.Sprintf("at most %d", *f.max))
	case f.max != nil && t.Kind() == reflect.Slice:
		terms = append(terms, fmt.Sprintf("at most %d", *f.max))
	}
	if len(terms) == 0 {
		return f.doc
	}
	return strings.TrimSpace(f.doc + " (" + strings.Join(terms, ", ") + ")")
}

func (w *schemaWriter) json(v any) {
	e := json.NewEncoder(&w.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only strings, numbers, booleans and lists of strings come here
	}
	w.out.Truncate(w.out.Len() - 1) // Encode ends with a line break
}

// literal is a default's text as a value of type t.
func literal(t reflect.Type, s string) any {
	switch t.Kind() { //nolint:exhaustive // a default is one of these, or a text
	case reflect.Bool:
		return s == "true"
	case reflect.Int, reflect.Int64:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case reflect.Slice:
		return list(s)
	}
	return s
}

// WriteReference writes the catalog as Markdown: each tool with its arguments, result,
// annotations and scopes.
func (c *Catalog) WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| toolset | tools | of them by default |\n|---|---|---|\n")
	for _, set := range c.sets {
		n, d := c.count(set)
		fmt.Fprintf(&b, "| [%s](#%s) | %d | %d |\n", set, set, n, d)
	}
	b.WriteString("\nWhom each tool serves beside services:\n\n| tool | scope | for people who have signed in |\n|---|---|---|\n")
	for i := range c.tools {
		t := &c.tools[i]
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", t.Name, t.Name, t.scopes(), t.For)
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
	fmt.Fprintf(b, "\n\nA caller needs the scope %s.%s\n\nFor people who have signed in: %s\n\n", t.scopes(), t.slackScopes(), t.forPeople())
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
		if len(n.needs) > 0 {
			parts = append(parts, n.who+" with "+needs(n.needs))
		}
	}
	if len(parts) == 0 {
		return " It calls nothing in Slack."
	}
	said := []string{" Slack wants " + strings.Join(parts, "; or ") + "."}
	for _, need := range t.Needs {
		switch more, ok := With[need]; {
		case ok && need == "users:read":
			said = append(said, "To find people by e-mail `"+more+"`, too.")
		case ok:
			said = append(said, "To write to a person by name `"+more+"`, too.")
		}
	}
	return strings.Join(said, " ")
}

// needs writes scopes of Slack.
func needs(scopes []string) string {
	all := make([]string, len(scopes))
	for i, need := range scopes {
		all[i] = "`" + strings.ReplaceAll(need, "|", "` or `") + "`"
	}
	return strings.Join(all, ", and ")
}

// forPeople says how the tool serves people.
func (t *Tool) forPeople() string {
	if t.For == ServiceOnly {
		return t.For.String() + ", because it needs " + t.Why + "."
	}
	if len(t.personNeeds()) == 0 {
		return t.For.String() + ", and no scope of Slack."
	}
	return t.For.String() + ", with " + needs(t.personNeeds()) + "."
}

func (f *field) kind() string {
	var s schemaWriter
	if err := s.value(f.typ, field{opaque: true, as: f.as}); err != nil {
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
