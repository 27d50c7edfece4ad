package toolset

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A field is one member of an argument or result struct, as its tags describe it:
//
//	json     the name; with omitempty or omitzero the member is optional
//	doc      what a model reads about it
//	enum     the allowed values, separated by commas
//	min, max bounds of a number, of a text's length in characters, of a list's length
//	default  what stands for a missing value; it makes the member optional
//	alias    further names that are understood, separated by commas, but not published
//	opaque   for a list: the schema does not describe its items
//	split    for a list of names: a single text is cut at its commas
type field struct {
	name     string
	names    []string // the name and its aliases
	index    []int
	typ      reflect.Type
	doc      string
	enum     []string
	min, max *int
	def      string
	hasDef   bool
	defJSON  json.RawMessage
	object   *object // of a struct, or of the structs of a list; set by compile
	required bool
	split    bool
	opaque   bool
}

// fields lists the members of a struct type in order; embedded structs are part of it.
func fields(t reflect.Type) ([]field, error) {
	var list []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		if sf.Anonymous && tag == "" {
			inner, err := embedded(sf.Type, i)
			if err != nil {
				return nil, err
			}
			list = append(list, inner...)
			continue
		}
		if !sf.IsExported() || tag == "-" {
			continue
		}
		f, err := newField(sf, tag)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, sf.Name, err)
		}
		f.index = []int{i}
		list = append(list, f)
	}
	return list, unique(t, list)
}

// embedded lists the members of the struct that is embedded at an index.
func embedded(t reflect.Type, at int) ([]field, error) {
	list, err := fields(deref(t))
	for i := range list {
		list[i].index = append([]int{at}, list[i].index...)
	}
	return list, err
}

func newField(sf reflect.StructField, tag string) (field, error) {
	name, options, _ := strings.Cut(tag, ",")
	if name == "" {
		return field{}, fmt.Errorf("no json name")
	}
	f := field{
		name:     name,
		typ:      sf.Type,
		doc:      sf.Tag.Get("doc"),
		enum:     list(sf.Tag.Get("enum")),
		names:    append([]string{name}, list(sf.Tag.Get("alias"))...),
		split:    sf.Tag.Get("split") != "",
		opaque:   sf.Tag.Get("opaque") != "",
		required: !strings.Contains(options, "omit"),
	}
	if f.def, f.hasDef = sf.Tag.Lookup("default"); f.hasDef {
		f.required = false
	}
	var err error
	if f.hasDef {
		if f.defJSON, err = json.Marshal(literal(f.typ, f.def)); err != nil {
			return field{}, err
		}
	}
	if f.min, err = bound(sf.Tag, "min"); err != nil {
		return field{}, err
	}
	f.max, err = bound(sf.Tag, "max")
	return f, err
}

func bound(tag reflect.StructTag, key string) (*int, error) {
	s, ok := tag.Lookup(key)
	if !ok {
		return nil, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return nil, fmt.Errorf("tag %s is %q, want a whole number", key, s)
	}
	return &n, nil
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func unique(t reflect.Type, fs []field) error {
	seen := map[string]bool{}
	for _, f := range fs {
		for _, name := range f.names {
			if seen[name] {
				return fmt.Errorf("%s has two members %q", t, name)
			}
			seen[name] = true
		}
	}
	return nil
}

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
