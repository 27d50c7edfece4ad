// Package yamldoc reads the files that people write in YAML by a table of fields, and
// makes the JSON Schema that their editors check them with from the same table, so that
// the two cannot differ.
//
// Every problem of a file is found at once, each with its line and a remedy: a field
// that is unknown (with the nearest known name), one that is there twice, one that
// is missing, a value of another type or outside its bounds. A file is at most 1 MiB and
// one document; anchors and aliases are refused, so that what is written is what is meant.
package yamldoc

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds a file, in bytes.
const maxFile = 1 << 20

// An Object is a mapping that is read into a T.
type Object[T any] struct {
	// Help is what the schema says of it.
	Help string
	// Fields are those that it may have, in the order of documents.
	Fields []Field[T]
	// Check judges what no field can by itself; nil judges nothing. It is called when
	// all fields were read, also when some had problems.
	Check func(r *Reader, line int, t *T)
}

// A Field is one member of an Object.
type Field[T any] struct {
	name, help string
	required   bool
	schema     map[string]any
	read       func(r *Reader, n *yaml.Node, t *T)
}

// Required says that the field must be there.
func (f Field[T]) Required() Field[T] {
	f.required = true
	return f
}

// Read reads a file into a T. The error is an *Error.
func Read[T any](file string, content []byte, o Object[T]) (T, error) {
	var t T
	r := &Reader{}
	if n := r.document(content); n != nil {
		o.read(r, n, &t, "the file")
	}
	return t, r.err(file)
}

var lineOf = regexp.MustCompile(`line (\d+)`)

// document parses the text and returns its only value, or nil with a problem noted.
func (r *Reader) document(content []byte) *yaml.Node {
	if len(content) > maxFile {
		r.Problem(0, "the file is larger than 1 MiB", "split it, or leave out what it does not need")
		return nil
	}
	var doc yaml.Node
	if err := parse(content, &doc); err != nil {
		line := 0
		if m := lineOf.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		what := lineOf.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "")
		r.Problem(line, "this is no YAML: "+strings.TrimPrefix(what, ": "), "indent with spaces, and quote texts that hold {, }, [, ], : or #")
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		r.Problem(0, "the file is empty", "see its documentation for an example")
		return nil
	}
	return doc.Content[0]
}

// parse keeps a panic of the parser from ending the process.
func parse(content []byte, doc *yaml.Node) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New("it cannot be parsed")
		}
	}()
	return yaml.Unmarshal(content, doc)
}

// read reads a mapping; what names it in problems.
func (o Object[T]) read(r *Reader, n *yaml.Node, t *T, what string) {
	if n.Kind != yaml.MappingNode {
		r.Problem(n.Line, what+" is "+kindOf(n), "write a mapping with the fields "+strings.Join(o.names(), ", "))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if line, twice := seen[key.Value]; twice {
			r.Problem(key.Line, key.Value+" is there twice", fmt.Sprintf("remove one; the first is in line %d", line))
			continue
		}
		seen[key.Value] = key.Line
		o.field(r, key, value, t, what)
	}
	for _, f := range o.Fields {
		if _, ok := seen[f.name]; f.required && !ok {
			r.Problem(n.Line, what+" has no "+f.name, f.help)
		}
	}
	if o.Check != nil {
		o.Check(r, n.Line, t)
	}
}

func (o Object[T]) field(r *Reader, key, value *yaml.Node, t *T, what string) {
	for _, f := range o.Fields {
		if f.name != key.Value {
			continue
		}
		switch {
		case value.Kind == yaml.AliasNode, value.Anchor != "":
			r.Problem(value.Line, f.name+" uses an anchor", "write the value out")
		case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
			r.Problem(key.Line, f.name+" has no value", "give it one or remove the line")
		default:
			f.read(r, value, t)
		}
		return
	}
	remedy := "the fields of " + what + " are " + strings.Join(o.names(), ", ")
	if near, ok := nearest(key.Value, o.names()); ok {
		remedy = "did you mean " + near + "?"
	}
	r.Problem(key.Line, "unknown field "+strconv.Quote(cut(key.Value)), remedy)
}

func (o Object[T]) names() []string {
	var names []string
	for _, f := range o.Fields {
		names = append(names, f.name)
	}
	return names
}

// cut keeps what was pasted by mistake from filling the screen.
func cut(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

func kindOf(n *yaml.Node) string {
	switch n.Kind { //nolint:exhaustive // a value is nothing else
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!null":
		return "empty"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a yes or no"
	}
	return "a text"
}

// Schema is the JSON Schema (2020-12) of files that hold the object.
func (o Object[T]) Schema(id, title string) ([]byte, error) {
	s := o.schema()
	s["$schema"], s["$id"], s["title"] = "https://json-schema.org/draft/2020-12/schema", id, title
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

func (o Object[T]) schema() map[string]any {
	properties := map[string]any{}
	required := []string{}
	for _, f := range o.Fields {
		p := map[string]any{"description": f.help}
		maps.Copy(p, f.schema)
		properties[f.name] = p
		if f.required {
			required = append(required, f.name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	if o.Help != "" {
		s["description"] = o.Help
	}
	return s
}

// A Problem is one thing that is wrong with a file.
type Problem struct {
	// Line counts from 1; 0 is the file as a whole.
	Line int
	// What is wrong, beginning with the field's name.
	What string
	// Remedy is what to do, without a full stop.
	Remedy string
}

// String is "line 7: what: remedy".
func (p Problem) String() string {
	s := p.What
	if p.Line > 0 {
		s = fmt.Sprintf("line %d: %s", p.Line, s)
	}
	if p.Remedy != "" {
		s += ": " + p.Remedy
	}
	return s
}

// An Error is every problem of a file, by line.
type Error struct {
	File     string
	Problems []Problem
}

// Error is a heading and a line for each problem.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s cannot be used:", e.File)
	for _, p := range e.Problems {
		b.WriteString("\n  - " + p.String())
	}
	return b.String()
}

// maxProblems bounds the problems that are reported of one file.
const maxProblems = 100

// A Reader gathers the problems while a file is read.
type Reader struct{ problems []Problem }

// Problem notes what is wrong.
func (r *Reader) Problem(line int, what, remedy string) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{Line: line, What: what, Remedy: remedy})
	}
}

func (r *Reader) err(file string) error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &Error{File: file, Problems: r.problems}
}

// nearest returns the known name that is the most similar one.
func nearest(name string, known []string) (string, bool) {
	best, at := 3, ""
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d < best && d < len(k) {
			best, at = d, k
		}
	}
	return at, at != ""
}

// distance is the number of letters that two words differ by (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
