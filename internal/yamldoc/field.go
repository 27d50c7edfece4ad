package yamldoc

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A Check judges a text; its error is the remedy. nil accepts everything.
type Check func(string) error

// Text is a field with a text, or a number or a yes or no that is taken as it is written.
func Text[T any](name, help string, at func(*T) *string, check Check) Field[T] {
	return Field[T]{name: name, help: help, schema: map[string]any{"type": "string", "minLength": 1}, read: func(r *Reader, n *yaml.Node, t *T) {
		if s, ok := r.text(name, n, check); ok {
			*at(t) = s
		}
	}}
}

// Texts is a field with one text or a list of them.
func Texts[T any](name, help string, at func(*T) *[]string, check Check) Field[T] {
	one := map[string]any{"type": "string", "minLength": 1}
	schema := map[string]any{"oneOf": []any{one, map[string]any{"type": "array", "items": one, "minItems": 1}}}
	return Field[T]{name: name, help: help, schema: schema, read: func(r *Reader, n *yaml.Node, t *T) {
		items := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			items = n.Content
		}
		if len(items) == 0 {
			r.Problem(n.Line, name+" is an empty list", "name at least one, or remove the field")
		}
		for _, item := range items {
			if s, ok := r.text(name, item, check); ok {
				*at(t) = append(*at(t), s)
			}
		}
	}}
}

// Words is a field with a list of texts: a command and its arguments.
func Words[T any](name, help string, at func(*T) *[]string, check Check) Field[T] {
	f := Texts(name, help, at, check)
	f.schema = map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "minItems": 1}
	read := f.read
	f.read = func(r *Reader, n *yaml.Node, t *T) {
		if n.Kind != yaml.SequenceNode {
			r.Problem(n.Line, name+" is "+kindOf(n), `write a list such as ["/usr/bin/program", "--flag"]`)
			return
		}
		read(r, n, t)
	}
	return f
}

// Choice is a field with one of some words.
func Choice[T any](name, help string, at func(*T) *string, words ...string) Field[T] {
	f := Text(name, help, at, func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fmt.Errorf("write one of %s", strings.Join(words, ", "))
	})
	f.schema = map[string]any{"enum": words}
	return f
}

// Bool is a field with true or false.
func Bool[T any](name, help string, at func(*T) *bool) Field[T] {
	return Field[T]{name: name, help: help, schema: map[string]any{"type": "boolean"}, read: func(r *Reader, n *yaml.Node, t *T) {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			r.Problem(n.Line, name+" is "+kindOf(n), "write true or false")
			return
		}
		*at(t) = strings.EqualFold(n.Value, "true")
	}}
}

// Maybe is a Bool that distinguishes a missing field from false.
func Maybe[T any](name, help string, at func(*T) **bool) Field[T] {
	return Field[T]{name: name, help: help, schema: map[string]any{"type": "boolean"}, read: func(r *Reader, n *yaml.Node, t *T) {
		b := new(bool)
		Bool(name, help, func(*T) *bool { return b }).read(r, n, t)
		*at(t) = b
	}}
}

// Number is a field with a whole number within bounds.
func Number[T any](name, help string, at func(*T) *int, least, most int) Field[T] {
	schema := map[string]any{"type": "integer", "minimum": least, "maximum": most}
	return Field[T]{name: name, help: help, schema: schema, read: func(r *Reader, n *yaml.Node, t *T) {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < least || v > most {
			r.Problem(n.Line, name+" does not fit", fmt.Sprintf("write a whole number from %d to %d", least, most))
			return
		}
		*at(t) = v
	}}
}

// Decimal is a field with a number, which may have a fraction; absent leaves the pointer nil.
func Decimal[T any](name, help string, at func(*T) **float64) Field[T] {
	return Field[T]{name: name, help: help, schema: map[string]any{"type": "number"}, read: func(r *Reader, n *yaml.Node, t *T) {
		v, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			r.Problem(n.Line, name+" does not fit", "write a number, such as 100 or 9.99")
			return
		}
		*at(t) = &v
	}}
}

// Durations is a field with a list of time spans within bounds.
func Durations[T any](name, help string, at func(*T) *[]time.Duration, least, most time.Duration) Field[T] {
	one := Duration(name, help, func(d *time.Duration) *time.Duration { return d }, least, most)
	schema := map[string]any{"type": "array", "items": one.schema, "minItems": 1}
	return Field[T]{name: name, help: help, schema: schema, read: func(r *Reader, n *yaml.Node, t *T) {
		if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
			r.Problem(n.Line, name+" is "+kindOf(n), "write a list such as [10s, 1m, 10m]")
			return
		}
		for _, item := range n.Content {
			var d time.Duration
			one.read(r, item, &d)
			*at(t) = append(*at(t), d)
		}
	}}
}

// Duration is a field with a time span such as 30s, 5m or 1h30m, within bounds.
func Duration[T any](name, help string, at func(*T) *time.Duration, least, most time.Duration) Field[T] {
	schema := map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}
	return Field[T]{name: name, help: help, schema: schema, read: func(r *Reader, n *yaml.Node, t *T) {
		v, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < least || v > most {
			r.Problem(n.Line, name+" does not fit", fmt.Sprintf("write a time span from %s to %s, such as 30s or 5m", short(least), short(most)))
			return
		}
		*at(t) = v
	}}
}

// short writes a span without the zeroes that time.Duration adds.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Sub is a field with an object of its own; absent leaves the pointer nil.
func Sub[T, S any](name, help string, at func(*T) **S, o Object[S]) Field[T] {
	return Field[T]{name: name, help: help, schema: o.schema(), read: func(r *Reader, n *yaml.Node, t *T) {
		s := new(S)
		o.read(r, n, s, name)
		*at(t) = s
	}}
}

// List is a field with a list of objects; what names one of them in problems.
func List[T, S any](name, help, what string, at func(*T) *[]S, o Object[S]) Field[T] {
	schema := map[string]any{"type": "array", "items": o.schema()}
	return Field[T]{name: name, help: help, schema: schema, read: func(r *Reader, n *yaml.Node, t *T) {
		if n.Kind != yaml.SequenceNode {
			r.Problem(n.Line, name+" is "+kindOf(n), "write a list: each "+what+" begins with a dash")
			return
		}
		for i, item := range n.Content {
			var s S
			o.read(r, item, &s, fmt.Sprintf("%s %d", what, i+1))
			*at(t) = append(*at(t), s)
		}
	}}
}

// An Entry is one member of a field that maps names of the writer's choice.
type Entry[V any] struct {
	Name  string
	Value V
}

// TextMap is a field that maps names to texts.
func TextMap[T any](name, help string, at func(*T) *[]Entry[string], key, value Check) Field[T] {
	schema := map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
	return Field[T]{name: name, help: help, schema: schema, read: func(r *Reader, n *yaml.Node, t *T) {
		r.members(name, n, key, func(k string, v *yaml.Node) {
			if s, ok := r.text(name+" "+k, v, value); ok {
				*at(t) = append(*at(t), Entry[string]{k, s})
			}
		})
	}}
}

// ObjectMap is a field that maps names to a text, a list of texts, or an object: what is
// written short is read by short, with each text, into the object.
func ObjectMap[T, S any](name, help string, at func(*T) *[]Entry[S], key Check, short func(*S, []string), o Object[S]) Field[T] {
	one := map[string]any{"type": []any{"string", "number", "boolean"}}
	schema := map[string]any{"type": "object", "additionalProperties": map[string]any{
		"oneOf": []any{one, map[string]any{"type": "array", "items": one, "minItems": 1}, o.schema()},
	}}
	return Field[T]{name: name, help: help, schema: schema, read: func(r *Reader, n *yaml.Node, t *T) {
		r.members(name, n, key, func(k string, v *yaml.Node) {
			var s S
			if v.Kind == yaml.MappingNode {
				o.read(r, v, &s, k)
			} else {
				type list struct{ texts []string }
				var l list
				Texts(k, "", func(l *list) *[]string { return &l.texts }, nil).read(r, v, &l)
				short(&s, l.texts)
			}
			*at(t) = append(*at(t), Entry[S]{k, s})
		})
	}}
}

// members walks a mapping whose names are free.
func (r *Reader) members(name string, n *yaml.Node, key Check, each func(k string, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.Problem(n.Line, name+" is "+kindOf(n), "write a mapping")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, ok := r.text(name, n.Content[i], key)
		switch {
		case !ok:
		case seen[k]:
			r.Problem(n.Content[i].Line, k+" is there twice", "remove one")
		default:
			seen[k] = true
			each(k, n.Content[i+1])
		}
	}
}

// text reads a scalar as the text that it is written as.
func (r *Reader) text(name string, n *yaml.Node, check Check) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Anchor != "" {
		r.Problem(n.Line, name+" is "+kindOf(n), "write a text")
		return "", false
	}
	if strings.TrimSpace(n.Value) == "" {
		r.Problem(n.Line, name+" is empty", "give it a value or remove it")
		return "", false
	}
	if check != nil {
		if err := check(n.Value); err != nil {
			shown := " " + strconv.Quote(cut(n.Value))
			if strings.HasPrefix(name, "secret") {
				shown = "" // what was pasted here by mistake may be the secret itself
			}
			r.Problem(n.Line, name+shown+" does not fit", err.Error())
			return "", false
		}
	}
	return n.Value, true
}

// An Env is where what a file only names comes from: variables and secrets.
type Env struct {
	// Lookup finds a variable of the environment; nil finds none.
	Lookup func(name string) (string, bool)
	// ReadFile reads the file of a secret; nil means os.ReadFile.
	ReadFile func(name string) ([]byte, error)
	// OnSecret is called with each value that was found, which may be a secret, before it
	// is used; nil calls nothing.
	OnSecret func(values ...string)
}

// Secrets reads the secrets that a file names, by variables or by files, but not by both:
// several while one replaces another. Errors are remedies and hold no secret.
func (e Env) Secrets(variables, files []string) ([]string, error) {
	if len(variables) > 0 && len(files) > 0 {
		return nil, errors.New("write secret_env or secret_file, not both")
	}
	if len(variables)+len(files) == 0 {
		return nil, errors.New("name the variable that holds it in secret_env, or the file in secret_file")
	}
	var list []string
	for _, name := range variables {
		v := e.Variable(name)
		if strings.TrimSpace(v) == "" {
			return nil, fmt.Errorf("%s is not set: set it in the environment or the .env file, or %s_FILE to a file that holds it", name, name)
		}
		list = append(list, v)
	}
	for _, name := range files {
		b, err := e.File(name)
		v := strings.TrimRight(string(b), "\r\n")
		if err != nil || strings.TrimSpace(v) == "" {
			return nil, fmt.Errorf("%s cannot be read or is empty: correct secret_file or the file's permissions", name)
		}
		e.notify(v)
		list = append(list, v)
	}
	return list, nil
}

// File reads a file that a file names.
func (e Env) File(name string) ([]byte, error) {
	if e.ReadFile == nil {
		return os.ReadFile(name) //nolint:gosec // The operator named it.
	}
	return e.ReadFile(name)
}

// Variable returns a variable of the environment, or "".
func (e Env) Variable(name string) string {
	if e.Lookup == nil {
		return ""
	}
	v, ok := e.Lookup(name)
	if ok {
		e.notify(v)
	}
	return v
}

func (e Env) notify(value string) {
	if e.OnSecret != nil {
		e.OnSecret(value)
	}
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// VariableName is a Check of what has to name a variable.
func VariableName(s string) error {
	if !variableForm.MatchString(s) {
		return errors.New("write the name of a variable, such as HOOK_SECRET, never the secret itself")
	}
	return nil
}

// SecretFields are the fields by which an object names its secrets.
func SecretFields[T any](env, file func(*T) *[]string) []Field[T] {
	return []Field[T]{
		Texts("secret_env", "Variable that holds the secret; two while one replaces the other", env, VariableName),
		Texts("secret_file", "File that holds the secret; two while one replaces the other", file, nil),
	}
}
