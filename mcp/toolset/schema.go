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
	return schemaOf(reflect.TypeFor[T](), false)
}

// schemaOf writes the JSON Schema of a struct type, members in the struct's order. A
// closed schema allows no other members. A struct that is used more than once is
// described once, in $defs.
func schemaOf(t reflect.Type, closed bool) (json.RawMessage, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	w := &schemaWriter{closed: closed, uses: map[reflect.Type]int{}}
	if err := w.count(t, 0); err != nil {
		return nil, err
	}
	if err := w.value(t, field{}); err != nil {
		return nil, err
	}
	if len(w.shared) == 0 {
		return json.RawMessage(w.out.Bytes()), nil
	}
	return w.withDefs()
}

type schemaWriter struct {
	out    bytes.Buffer
	closed bool
	uses   map[reflect.Type]int
	shared []reflect.Type // those with more than one use, as they were met
}

// withDefs adds the shared structs. Describing one may bring up another.
func (w *schemaWriter) withDefs() (json.RawMessage, error) {
	w.out.Truncate(w.out.Len() - 1)
	w.out.WriteString(`,"$defs":{`)
	names := map[string]bool{}
	for len(names) < len(w.shared) {
		if len(names) > 0 {
			w.out.WriteString(",")
		}
		t := w.shared[len(names)]
		if t.Name() == "" || names[t.Name()] {
			return nil, fmt.Errorf("%s has no name of its own", t)
		}
		names[t.Name()] = true
		fmt.Fprintf(&w.out, `"%s":{`, t.Name())
		if err := w.object(t); err != nil {
			return nil, err
		}
		w.out.WriteString("}")
	}
	w.out.WriteString("}}")
	return json.RawMessage(w.out.Bytes()), nil
}

// count finds how often each struct is used, and refuses a type that contains itself.
func (w *schemaWriter) count(t reflect.Type, depth int) error {
	if depth > maxSchemaDepth {
		return fmt.Errorf("%s is nested too deep, or contains itself", t)
	}
	switch t = deref(t); {
	case t == rawType:
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Map:
		return w.count(t.Elem(), depth+1)
	case t.Kind() == reflect.Struct:
		if w.uses[t]++; w.uses[t] > 1 {
			return nil
		}
		fs, err := fields(t)
		if err != nil {
			return err
		}
		for _, f := range fs {
			if f.opaque {
				continue
			}
			if err := w.count(f.typ, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// refers writes a reference in place of a struct that is used more than once.
func (w *schemaWriter) refers(t reflect.Type) bool {
	if w.uses[t] < 2 {
		return false
	}
	if !slices.Contains(w.shared, t) {
		w.shared = append(w.shared, t)
	}
	w.out.WriteString(`"$ref":"#/$defs/` + t.Name() + `"`)
	return true
}

// maxSchemaDepth refuses a type that contains itself.
const maxSchemaDepth = 12

func (w *schemaWriter) value(t reflect.Type, f field) error {
	t = deref(t)
	w.out.WriteByte('{')
	var err error
	switch {
	case t == rawType, t.Kind() == reflect.Interface:
		// Any value: no type.
	case t.Kind() == reflect.Struct:
		if !w.refers(t) {
			err = w.object(t)
		}
	case t.Kind() == reflect.Slice && f.opaque:
		w.out.WriteString(`"type":"array"`)
	case t.Kind() == reflect.Slice:
		w.out.WriteString(`"type":"array","items":`)
		err = w.value(t.Elem(), field{enum: f.enum})
		w.bounds(f, "minItems", "maxItems")
		f.enum = nil
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		w.out.WriteString(`"type":"object","additionalProperties":`)
		err = w.value(t.Elem(), field{})
	default:
		err = w.scalar(t, f)
	}
	if err != nil {
		return err
	}
	w.notes(t, f)
	w.out.WriteByte('}')
	return nil
}

func (w *schemaWriter) scalar(t reflect.Type, f field) error {
	switch t.Kind() { //nolint:exhaustive // the others have no place in a schema
	case reflect.String:
		w.out.WriteString(`"type":"string"`)
		w.bounds(f, "minLength", "maxLength")
	case reflect.Bool:
		w.out.WriteString(`"type":"boolean"`)
	case reflect.Int, reflect.Int64:
		w.out.WriteString(`"type":"integer"`)
		w.bounds(f, "minimum", "maximum")
	case reflect.Float64:
		w.out.WriteString(`"type":"number"`)
		w.bounds(f, "minimum", "maximum")
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
	if f.hasDef {
		add("default", literal(t, f.def))
	}
	if f.doc != "" {
		add("description", f.doc)
	}
}

func (w *schemaWriter) bounds(f field, low, high string) {
	if f.min != nil {
		fmt.Fprintf(&w.out, `,"%s":%d`, low, *f.min)
	}
	if f.max != nil {
		fmt.Fprintf(&w.out, `,"%s":%d`, high, *f.max)
	}
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
