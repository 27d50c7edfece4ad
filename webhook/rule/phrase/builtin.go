package phrase

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"text/template"
)

// A builtin is a function of Go's templates.
type builtin struct {
	least, most int // arguments; most below 0 has no end
	call        func(args []any) (any, error)
}

// builtins are Go's own (pkg.go.dev/text/template#hdr-Functions). The entries of and and
// or are for the parser: they evaluate their arguments themselves.
var builtins = map[string]builtin{
	"and": {}, "or": {},
	"not":      {1, 1, func(a []any) (any, error) { return !truth(a[0]), nil }},
	"len":      {1, 1, length},
	"index":    {1, -1, index},
	"slice":    {1, -1, slice},
	"eq":       {1, -1, equal},
	"ne":       {2, 2, func(a []any) (any, error) { return opposite(equal(a)) }},
	"lt":       {2, 2, less},
	"ge":       {2, 2, func(a []any) (any, error) { return opposite(less(a)) }},
	"le":       {2, 2, atMost},
	"gt":       {2, 2, func(a []any) (any, error) { return opposite(atMost(a)) }},
	"print":    {0, -1, func(a []any) (any, error) { return fmt.Sprint(bares(a)...), nil }},
	"println":  {0, -1, func(a []any) (any, error) { return fmt.Sprintln(bares(a)...), nil }},
	"printf":   {1, -1, printf},
	"html":     {0, -1, func(a []any) (any, error) { return template.HTMLEscaper(bares(a)...), nil }},
	"js":       {0, -1, func(a []any) (any, error) { return template.JSEscaper(bares(a)...), nil }},
	"urlquery": {0, -1, func(a []any) (any, error) { return template.URLQueryEscaper(bares(a)...), nil }},
	"call":     {1, -1, func(a []any) (any, error) { return nil, fmt.Errorf("%v is no function", bare(a[0])) }},
}

func bares(args []any) []any {
	list := make([]any, len(args))
	for i, a := range args {
		list[i] = bare(a)
	}
	return list
}

// wide finds verbs that make a megabyte of spaces of a few characters.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*[0-9]{5}`)

func printf(a []any) (any, error) {
	format, ok := a[0].(string)
	if !ok {
		return nil, fmt.Errorf("wrong type for value; expected string; got %T", bare(a[0]))
	}
	if wide.MatchString(format) {
		return nil, errors.New("a width or precision of five digits or more")
	}
	for _, n := range a[1:] { // what a * in the format may take
		if w, ok := n.(int); ok && (w > 9999 || w < -9999) && strings.Contains(format, "*") {
			return nil, errors.New("a width or precision of five digits or more")
		}
	}
	return fmt.Sprintf(format, bares(a[1:])...), nil
}

func length(a []any) (any, error) {
	switch v := a[0].(type) {
	case string:
		return len(v), nil
	case Fields:
		return len(v), nil
	}
	return nil, fmt.Errorf("len of type %T", bare(a[0]))
}

// index is x[1][2] of index x 1 2. A field that is not there is empty.
func index(a []any) (any, error) {
	v := a[0]
	if v == nil {
		return nil, errors.New("index of untyped nil")
	}
	for _, key := range a[1:] {
		switch of := v.(type) {
		case string:
			i, err := place(key, len(of)-1)
			if err != nil {
				return nil, err
			}
			v = of[i]
		case Fields:
			name, ok := key.(string)
			if !ok {
				return nil, fmt.Errorf("value has type %T; should be string", bare(key))
			}
			v = of[name]
		default:
			return nil, fmt.Errorf("can't index item of type %T", v)
		}
	}
	return v, nil
}

func slice(a []any) (any, error) {
	s, ok := a[0].(string)
	if !ok {
		return nil, fmt.Errorf("can't slice item of type %T", bare(a[0]))
	}
	if len(a) > 3 {
		return nil, fmt.Errorf("cannot slice a string by %d indexes", len(a)-1)
	}
	ends := [2]int{0, len(s)}
	for i, key := range a[1:] {
		n, err := place(key, len(s))
		if err != nil {
			return nil, err
		}
		ends[i] = n
	}
	if ends[0] > ends[1] {
		return nil, fmt.Errorf("invalid slice index: %d > %d", ends[0], ends[1])
	}
	return s[ends[0]:ends[1]], nil
}

// place is an index from 0 to last.
func place(key any, last int) (int, error) {
	n, ok := whole(key)
	if !ok {
		return 0, fmt.Errorf("cannot index slice/array with type %T", bare(key))
	}
	if n < 0 || n > last {
		return 0, fmt.Errorf("index out of range: %d", n)
	}
	return n, nil
}

// whole is the number that an int or a byte of a text stands for.
func whole(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case byte:
		return int(v), true
	}
	return 0, false
}

var (
	errIncomparable = errors.New("incompatible types for comparison")
	errBadType      = errors.New("invalid type for comparison")
)

// equal reports whether the first is one of the others.
func equal(a []any) (any, error) {
	if len(a) < 2 {
		return nil, errors.New("missing argument for comparison")
	}
	for _, other := range a[1:] {
		same, err := same(a[0], other)
		if err != nil || same {
			return same, err
		}
	}
	return false, nil
}

func same(a, b any) (bool, error) {
	if n, ok := whole(a); ok {
		if m, ok := whole(b); ok {
			return n == m, nil
		}
	}
	_, fields := a.(Fields)
	_, others := b.(Fields)
	switch {
	case a == nil || b == nil:
		return a == nil && b == nil, nil
	case fields || others:
		return false, fmt.Errorf("%w: %T and %T", errIncomparable, bare(a), bare(b))
	case reflect.TypeOf(a) != reflect.TypeOf(b):
		return false, fmt.Errorf("%w: %T and %T", errIncomparable, a, b)
	}
	return a == b, nil
}

func opposite(v any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v != true, nil
}

func less(a []any) (any, error) { return compare(a[0], a[1], func(c int) bool { return c < 0 }) }

func atMost(a []any) (any, error) { return compare(a[0], a[1], func(c int) bool { return c <= 0 }) }

// compare orders two numbers of a kind, or two texts.
func compare(a, b any, holds func(int) bool) (any, error) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return holds(cmp.Compare(x, y)), nil
		}
	case float64:
		if y, ok := b.(float64); ok {
			return holds(cmp.Compare(x, y)), nil
		}
	case int, byte:
		n, _ := whole(a)
		if m, ok := whole(b); ok {
			return holds(cmp.Compare(n, m)), nil
		}
	default:
		return nil, errBadType
	}
	return nil, fmt.Errorf("%w: %T and %T", errIncomparable, a, bare(b))
}
