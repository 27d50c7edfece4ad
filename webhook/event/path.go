package event

import (
	"fmt"
	"slices"
	"strings"
)

// A Path names a place in a JSON value by the members and the places in arrays that
// lead there, "data.object.id" or "items.0.id"; a dot within a name is written "\.".
// The zero Path names nothing.
type Path struct {
	steps []string
}

// maxSteps is how many steps a path may have.
const maxSteps = 32

// ParsePath reads a path; a leading "$." is allowed.
func ParsePath(s string) (Path, error) {
	var p Path
	step := strings.Builder{}
	rest := strings.TrimPrefix(s, "$.")
	for i := 0; i <= len(rest); i++ {
		switch {
		case i == len(rest) || rest[i] == '.':
			if step.Len() == 0 {
				return Path{}, fmt.Errorf("path %q: write the names of members, split by dots, such as data.object.id", s)
			}
			p.steps = append(p.steps, step.String())
			step.Reset()
		case rest[i] == '\\' && i+1 < len(rest):
			i++
			step.WriteByte(rest[i])
		default:
			step.WriteByte(rest[i])
		}
	}
	if len(p.steps) > maxSteps {
		return Path{}, fmt.Errorf("path %q: more than %d steps", s, maxSteps)
	}
	return p, nil
}

// String returns the path as ParsePath reads it.
func (p Path) String() string {
	var quoted []string
	for _, s := range p.steps {
		quoted = append(quoted, strings.NewReplacer(`\`, `\\`, `.`, `\.`).Replace(s))
	}
	return strings.Join(quoted, ".")
}

// Find returns the text of the string, number or bool at the path. ok is false when there
// is none, or when the value is not valid JSON. Of members with the same name the last
// one counts.
func (p Path) Find(json []byte) (found string, ok bool) {
	if len(p.steps) == 0 {
		return "", false
	}
	v, err := read(json, p.has)
	if err != nil {
		return "", false
	}
	for _, step := range p.steps {
		v = v.members.get(step)
	}
	kind := v.Kind()
	if kind == '"' {
		return string(unquote(v.Value)), true
	}
	if kind == '0' || kind == 't' || kind == 'f' {
		return string(v.Value), true
	}
	return "", false
}

// has reports whether a name is one of the path's steps.
func (p Path) has(name []byte) bool { return slices.Contains(p.steps, string(name)) }
