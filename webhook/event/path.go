package event

import (
	"errors"
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

// Steps returns the names and the places in arrays, in their order.
func (p Path) Steps() []string { return slices.Clone(p.steps) }

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
	return v.text()
}

// has reports whether a name is one of the path's steps.
func (p Path) has(name []byte) bool { return slices.Contains(p.steps, string(name)) }

// ErrTwice says that an object has a member under one name twice, where the member decides
// who sent the body.
var ErrTwice = errors.New("a member is there twice")

// Each returns the texts at the path as [Path.Find] would find one, for whoever checks a
// signature with them: a name that an object on the way has twice is ErrTwice, so that no two
// readers see different values. A step "*" means every element of an array; an element without
// a text at the rest of the path yields "". The other errors are ErrEmpty, ErrNotUTF8, ErrNotJSON
// and ErrTooDeep.
func (p Path) Each(json []byte) ([]string, error) {
	all := slices.Contains(p.steps, "*")
	v, err := read(json, func(name []byte) bool { return p.has(name) || all && isIndex(name) })
	if err != nil || len(p.steps) == 0 {
		return nil, err
	}
	return v.texts(p.steps)
}

// Once returns the texts of members of an object, in one pass, for whoever checks a signature with
// them. A name that is there twice is ErrTwice; one without a text is left out.
func Once(json []byte, names ...string) (map[string]string, error) {
	v, err := read(json, func(name []byte) bool { return slices.Contains(names, string(name)) })
	if err != nil {
		return nil, err
	}
	found, seen := map[string]string{}, map[string]bool{}
	for _, m := range v.members {
		name := string(m.name)
		if seen[name] {
			return nil, ErrTwice
		}
		seen[name] = true
		if text, ok := m.text(); ok {
			found[name] = text
		}
	}
	return found, nil
}

// Texts returns all members of an object that holds nothing but texts, numbers and booleans, as
// [Once] does those that are named.
func Texts(json []byte) (map[string]string, error) {
	v, err := read(json, func([]byte) bool { return true })
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, m := range v.members {
		text, ok := m.text()
		if !ok || v.Kind() != '{' {
			return nil, ErrNotObject
		}
		if _, twice := found[string(m.name)]; twice {
			return nil, ErrTwice
		}
		found[string(m.name)] = text
	}
	return found, nil
}

// texts returns the texts at the steps below a value.
func (v value) texts(steps []string) ([]string, error) {
	if len(steps) == 0 {
		text, ok := v.text()
		if !ok {
			return nil, nil
		}
		return []string{text}, nil
	}
	if steps[0] == "*" && v.Kind() == '[' {
		return v.eachText(steps[1:])
	}
	var next value
	for i, m := range v.members {
		if string(m.name) != steps[0] {
			continue
		}
		if next.Value != nil {
			return nil, ErrTwice
		}
		next = v.members[i].value
	}
	return next.texts(steps[1:])
}

// eachText returns the texts at the steps below every element of an array.
func (v value) eachText(steps []string) (list []string, err error) {
	for _, m := range v.members {
		some, err := m.texts(steps)
		if err != nil {
			return nil, err
		}
		if some == nil {
			some = []string{""}
		}
		list = append(list, some...)
	}
	return list, nil
}

// text returns a string, a number or a bool as text.
func (v value) text() (string, bool) {
	kind := v.Kind()
	if kind == '"' {
		return string(unquote(v.Value)), true
	}
	if kind == '0' || kind == 't' || kind == 'f' {
		return string(v.Value), true
	}
	return "", false
}

// isIndex reports whether a name is the index of an array's element.
func isIndex(name []byte) bool {
	for _, c := range name {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
