package toolset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An ArgumentError says which argument of a call is wrong and how to put it right. It
// holds names and bounds of the schema, never the value that was sent.
type ArgumentError struct {
	// Argument is the member's name, empty when the arguments as a whole are wrong.
	Argument string
	// Problem is the sentence for the model.
	Problem string
}

// Error returns the argument and the sentence.
func (e *ArgumentError) Error() string {
	if e.Argument == "" {
		return "invalid arguments: " + e.Problem
	}
	return "invalid argument " + e.Argument + ": " + e.Problem
}

// wrapper is the member in which the Python original expects all arguments.
const wrapper = "input_params"

// A Binding reads arguments into a struct T, by the tags that its schema is written from.
// It is made once; its methods are safe for concurrent use.
type Binding[T any] struct {
	// Schema is the JSON Schema of the arguments, which says that it allows no other members.
	Schema json.RawMessage

	object *object
}

// BindingOf compiles the binding of T. Its error names a mistake in the tags of T.
func BindingOf[T any]() (*Binding[T], error) { return bindingOf[T](true) }

func bindingOf[T any](closed bool) (*Binding[T], error) {
	t := reflect.TypeFor[T]()
	schema, err := schemaOf(t, schemaWriter{typed: true, closed: closed})
	if err != nil {
		return nil, err
	}
	o, err := compile(t)
	return &Binding[T]{Schema: schema, object: o}, err
}

// Bind returns arguments as a T. It takes them as models write them: flat or inside
// input_params; null for absent; a number or a truth value as text and the reverse; one
// text for a list of one. What it cannot place is an [ArgumentError], or several joined.
func (b *Binding[T]) Bind(raw json.RawMessage) (T, error) {
	var args T
	members, err := arguments(raw, b.object)
	if err != nil {
		return args, err
	}
	return args, bindObject(members, b.object, reflect.ValueOf(&args).Elem(), "")
}

// An object is a struct type whose tags were read.
type object struct {
	fields []field
	names  map[string]bool // of the members, with their aliases
}

// compile reads the tags of a struct type and of the structs within it. The type's schema
// was written before, so that it does not contain itself.
func compile(t reflect.Type) (*object, error) {
	fs, err := fields(t)
	if err != nil {
		return nil, err
	}
	o := &object{fields: fs, names: map[string]bool{}}
	for i := range fs {
		f := &fs[i]
		for _, name := range f.names {
			o.names[name] = true
		}
		inner := deref(f.typ)
		for inner != rawType && inner.Kind() == reflect.Slice {
			inner = deref(inner.Elem())
		}
		if inner.Kind() == reflect.Struct {
			if f.object, err = compile(inner); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// arguments returns the members of the arguments, unwrapped.
func arguments(raw json.RawMessage, o *object) (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if isAbsent(raw) {
		return members, nil
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, &ArgumentError{Problem: "they must be one JSON object"}
	}
	inner, wrapped := members[wrapper]
	if !wrapped || o.names[wrapper] {
		return members, nil
	}
	if len(members) > 1 {
		return nil, &ArgumentError{Argument: wrapper, Problem: "put all arguments inside it, or none and leave it out"}
	}
	members = map[string]json.RawMessage{}
	if isAbsent(inner) {
		return members, nil
	}
	if err := json.Unmarshal(inner, &members); err != nil {
		return nil, &ArgumentError{Argument: wrapper, Problem: "must be an object"}
	}
	return members, nil
}

func bindObject(members map[string]json.RawMessage, o *object, v reflect.Value, path string) error {
	taken := 0
	var errs []error
	for i := range o.fields {
		f := &o.fields[i]
		raw, n, err := pick(members, f)
		taken += n
		if err == nil {
			err = bindField(raw, f, v.FieldByIndex(f.index), path+f.name)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if taken < len(members) {
		errs = append(errs, unknown(members, o, path))
	}
	return errors.Join(errs...)
}

// pick finds a field's value under its name or one of its aliases.
func pick(members map[string]json.RawMessage, f *field) (raw json.RawMessage, taken int, err error) {
	for _, name := range f.names {
		r, ok := members[name]
		if !ok {
			continue
		}
		if taken++; isAbsent(r) {
			continue
		}
		if raw != nil {
			return nil, taken, &ArgumentError{Argument: f.name, Problem: "it is given twice, as " + name + " too"}
		}
		raw = r
	}
	return raw, taken, nil
}

func unknown(members map[string]json.RawMessage, o *object, path string) error {
	var names, odd []string
	for i := range o.fields {
		names = append(names, o.fields[i].name)
	}
	for name := range members {
		if !o.names[name] {
			odd = append(odd, name)
		}
	}
	slices.Sort(odd)
	// The name comes from the caller: it is shown only as far as it is a plain one.
	shown := "this"
	if isPlainName(odd[0]) {
		shown = path + odd[0]
	}
	problem := "there is no such argument"
	if n := nearest(odd[0], names); n != "" {
		problem += "; did you mean " + n + "?"
	} else if len(names) > 0 {
		problem += "; there are " + strings.Join(names, ", ")
	}
	return &ArgumentError{Argument: shown, Problem: problem}
}

func isPlainName(s string) bool {
	if len(s) == 0 || len(s) > 40 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// bindField reads one member; name is how errors call it.
func bindField(raw json.RawMessage, f *field, v reflect.Value, name string) error {
	if string(raw) == `""` && !f.required && f.typ.Kind() == reflect.String {
		raw = nil // what a model writes for "not given"
	}
	if raw == nil {
		switch {
		case f.hasDef:
			raw = f.defJSON
		case f.required:
			return &ArgumentError{Argument: name, Problem: "it is required"}
		default:
			return nil
		}
	}
	if err := assign(raw, f, v, name); err != nil {
		return err
	}
	return check(f, v, name)
}

// assign decodes raw into v, changing its JSON type where the meaning is plain.
func assign(raw json.RawMessage, f *field, v reflect.Value, name string) error {
	t := v.Type()
	var want string
	switch {
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		return assign(raw, f, v.Elem(), name)
	case t == rawType || t.Kind() == reflect.Interface:
		want = "valid JSON"
	case t.Kind() == reflect.Slice:
		return assignList(raw, f, v, name)
	case t.Kind() == reflect.Struct:
		members := map[string]json.RawMessage{}
		if json.Unmarshal(raw, &members) != nil {
			return &ArgumentError{Argument: name, Problem: "must be an object"}
		}
		return bindObject(members, f.object, v, name+".")
	case t.Kind() == reflect.String:
		want = "a text"
		if raw = bytes.TrimSpace(raw); raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' {
			raw = json.RawMessage(strconv.Quote(string(raw))) // such as a ts that was sent as a number
		}
	case t.Kind() == reflect.Bool:
		raw, want = unquoted(raw), "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		raw, want = asWhole(raw), "a whole number"
	case t.Kind() == reflect.Float64:
		raw, want = unquoted(raw), "a number"
	default:
		want = "an object"
	}
	if json.Unmarshal(raw, v.Addr().Interface()) != nil {
		return &ArgumentError{Argument: name, Problem: "must be " + want}
	}
	return nil
}

func assignList(raw json.RawMessage, f *field, v reflect.Value, name string) error {
	items := []json.RawMessage{}
	if json.Unmarshal(raw, &items) != nil {
		items = []json.RawMessage{raw}
		var s string
		if f.split && json.Unmarshal(raw, &s) == nil {
			items = items[:0]
			for part := range strings.SplitSeq(s, ",") {
				if part = strings.TrimSpace(part); part != "" {
					b, _ := json.Marshal(part) // a string
					items = append(items, b)
				}
			}
		}
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, r := range items {
		if err := assign(r, f, out.Index(i), name+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// check holds a value against the bounds that the schema publishes: of a number, of a
// text's characters, of a list's items.
func check(f *field, v reflect.Value, name string) error {
	v = reflect.Indirect(v)
	n, unit := 0, ""
	switch v.Kind() { //nolint:exhaustive // The others have no size.
	case reflect.String:
		n, unit = utf8.RuneCountInString(v.String()), " characters"
	case reflect.Slice:
		n, unit = v.Len(), " items"
	case reflect.Int, reflect.Int64:
		n = int(v.Int())
	case reflect.Float64:
		n = int(v.Float())
	}
	problem := ""
	switch {
	case unit == "" && !v.CanInt() && !v.CanFloat(), v.Type() == rawType:
		return nil
	case unit != "" && n == 0 && f.required:
		problem = "it is required and may not be empty"
	case len(f.enum) > 0:
		problem = notListed(f, v)
	}
	switch {
	case problem != "":
	case f.max != nil && n > *f.max:
		problem = fmt.Sprintf("must be at most %d%s", *f.max, unit)
	case f.min != nil && n < *f.min:
		problem = fmt.Sprintf("must be at least %d%s", *f.min, unit)
	default:
		return nil
	}
	return &ArgumentError{Argument: name, Problem: problem}
}

// notListed says what is wrong with a value that an enum does not list.
func notListed(f *field, v reflect.Value) string {
	if v.Kind() == reflect.String && v.String() != "" && !slices.Contains(f.enum, v.String()) {
		return "must be one of " + strings.Join(f.enum, ", ")
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			if !slices.Contains(f.enum, v.Index(i).String()) {
				return "each must be one of " + strings.Join(f.enum, ", ")
			}
		}
	}
	return ""
}

func isAbsent(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// unquoted takes the quotes off a number or truth value that was sent as text.
func unquoted(raw json.RawMessage) json.RawMessage {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return json.RawMessage(strings.ToLower(strings.TrimSpace(s)))
	}
	return raw
}

// asWhole also takes 20.0 for 20.
func asWhole(raw json.RawMessage) json.RawMessage {
	raw = unquoted(raw)
	if whole, rest, ok := bytes.Cut(raw, []byte(".")); ok && len(rest) > 0 && len(bytes.Trim(rest, "0")) == 0 {
		return whole
	}
	return raw
}

// A field is one member of an argument or result struct, as its tags describe it:
//
//	json     the name; with omitempty or omitzero the member is optional
//	doc      what a model reads about it
//	enum     the allowed values, separated by commas
//	min, max bounds of a number, of a text's length in characters, of a list's length
//	default  what stands for a missing value; it makes the member optional
//	alias    further names that are understood, separated by commas, but not published
//	opaque   for a list: the schema does not describe its items, but for their type
//	as       for a json.RawMessage, which takes any JSON: the type that the schema says
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
	as       string
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
		as:       sf.Tag.Get("as"),
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
