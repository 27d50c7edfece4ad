package event

import (
	"fmt"
	"strconv"
	"strings"
)

// A Path names a place in a JSON value by the members and the places in arrays that
// lead there, "data.object.id" or "items.0.id"; a dot within a name is written "\.".
// The zero Path names nothing.
type Path struct {
	steps []string
}

// maxSteps bounds a path; nobody nests what he wants to be found any deeper.
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

// Find returns the text of the string, number or bool at the path. ok is false when
// there is none, or when the value is not valid JSON. Of members with the same name
// the last one counts.
func (p Path) Find(json []byte) (text string, ok bool) {
	if len(p.steps) == 0 || check(json) != nil {
		return "", false
	}
	s := scanner{b: json}
	v, err := p.walk(&s, p.steps)
	if err != nil || s.end() != nil || v.kind == absent {
		return "", false
	}
	if text = string(s.text(v, nil)); v.kind == literal && text == "null" {
		return "", false
	}
	return text, true
}

// walk moves over the value at pos and returns what it has at the steps.
func (p Path) walk(s *scanner, steps []string) (span, error) {
	c := s.space()
	switch {
	case c == '{' && len(steps) > 0:
		return p.object(s, steps)
	case c == '[' && len(steps) > 0:
		return p.array(s, steps)
	case c == '{', c == '[':
		return span{}, s.skip()
	}
	v, err := s.scalar()
	if len(steps) > 0 {
		return span{}, err
	}
	return v, err
}

func (p Path) object(s *scanner, steps []string) (found span, err error) {
	if err := s.push(); err != nil {
		return span{}, err
	}
	if s.space() == '}' {
		s.pos++
		s.depth--
		return span{}, nil
	}
	for {
		n, err := s.name()
		if err != nil {
			return span{}, err
		}
		var scratch [32]byte
		if string(s.text(n, scratch[:])) == steps[0] {
			found, err = p.walk(s, steps[1:])
		} else {
			err = s.skip()
		}
		if err != nil {
			return span{}, err
		}
		if more, err := s.next('}'); err != nil || !more {
			return found, err
		}
	}
}

func (p Path) array(s *scanner, steps []string) (found span, err error) {
	if err := s.push(); err != nil {
		return span{}, err
	}
	if s.space() == ']' {
		s.pos++
		s.depth--
		return span{}, nil
	}
	want, notANumber := strconv.Atoi(steps[0])
	for i := 0; ; i++ {
		if i == want && notANumber == nil {
			found, err = p.walk(s, steps[1:])
		} else {
			err = s.skip()
		}
		if err != nil {
			return span{}, err
		}
		if more, err := s.next(']'); err != nil || !more {
			return found, err
		}
	}
}
