package toolset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

var rawType = reflect.TypeFor[json.RawMessage]()

// schemaOf writes the JSON Schema of a struct type, members in the struct's order. A
// closed schema allows no other members.
func schemaOf(t reflect.Type, closed bool) (json.RawMessage, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	w := &schemaWriter{closed: closed}
	if err := w.value(t, field{}); err != nil {
		return nil, err
	}
	return json.RawMessage(w.Bytes()), nil
}

type schemaWriter struct {
	bytes.Buffer
	closed bool
	depth  int
}

// maxSchemaDepth refuses a type that contains itself.
const maxSchemaDepth = 12

func (w *schemaWriter) value(t reflect.Type, f field) error {
	if w.depth++; w.depth > maxSchemaDepth {
		return fmt.Errorf("%s is nested too deep, or contains itself", t)
	}
	defer func() { w.depth-- }()
	t = deref(t)
	w.WriteByte('{')
	var err error
	switch {
	case t == rawType, t.Kind() == reflect.Interface:
		// Any value: no type.
	case t.Kind() == reflect.Struct:
		err = w.object(t)
	case t.Kind() == reflect.Slice:
		w.WriteString(`"type":"array","items":`)
		err = w.value(t.Elem(), field{enum: f.enum})
		w.bounds(f, "minItems", "maxItems")
		f.enum = nil
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		w.WriteString(`"type":"object","additionalProperties":`)
		err = w.value(t.Elem(), field{})
	default:
		err = w.scalar(t, f)
	}
	if err != nil {
		return err
	}
	w.notes(t, f)
	w.WriteByte('}')
	return nil
}

func (w *schemaWriter) scalar(t reflect.Type, f field) error {
	switch t.Kind() {
	case reflect.String:
		w.WriteString(`"type":"string"`)
		w.bounds(f, "minLength", "maxLength")
	case reflect.Bool:
		w.WriteString(`"type":"boolean"`)
	case reflect.Int, reflect.Int64:
		w.WriteString(`"type":"integer"`)
		w.bounds(f, "minimum", "maximum")
	case reflect.Float64:
		w.WriteString(`"type":"number"`)
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
	w.WriteString(`"type":"object","properties":{`)
	var required []string
	for i, f := range fs {
		if i > 0 {
			w.WriteByte(',')
		}
		w.json(f.name)
		w.WriteByte(':')
		if err := w.value(f.typ, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if f.required {
			required = append(required, f.name)
		}
	}
	w.WriteByte('}')
	if len(required) > 0 {
		w.WriteString(`,"required":`)
		w.json(required)
	}
	if w.closed {
		w.WriteString(`,"additionalProperties":false`)
	}
	return nil
}

// notes writes what the tags add to a type.
func (w *schemaWriter) notes(t reflect.Type, f field) {
	empty := w.Bytes()[w.Len()-1] == '{'
	add := func(key string, v any) {
		if !empty {
			w.WriteByte(',')
		}
		empty = false
		w.json(key)
		w.WriteByte(':')
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
		fmt.Fprintf(w, `,"%s":%d`, low, *f.min)
	}
	if f.max != nil {
		fmt.Fprintf(w, `,"%s":%d`, high, *f.max)
	}
}

func (w *schemaWriter) json(v any) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only strings, numbers, booleans and lists of strings come here
	}
	w.Truncate(w.Len() - 1) // Encode ends with a line break
}

// literal is a default's text as a value of type t.
func literal(t reflect.Type, s string) any {
	switch t.Kind() {
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
