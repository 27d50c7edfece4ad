package phrase

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

// missing stands for the argument that no pipe brings. It is no value of a template.
type missing struct{}

// pipeline evaluates commands, each with the value of the one before as its last
// argument, and declares or sets variables.
func (r *run) pipeline(dot any, p *parse.PipeNode) (any, error) {
	var v any = missing{}
	for _, c := range p.Cmds {
		var err error
		if v, err = r.command(dot, c, v); err != nil {
			return nil, r.wrap(p, err)
		}
	}
	for _, d := range p.Decl {
		if !p.IsAssign {
			r.vars = append(r.vars, variable{d.Ident[0], v})
		} else if err := r.assign(d.Ident[0], v); err != nil {
			return nil, r.wrap(d, err)
		}
	}
	return v, nil
}

func (r *run) assign(name string, v any) error {
	of, err := r.variable(name)
	if err == nil {
		of.value = v
	}
	return err
}

// command evaluates one part of a pipeline.
func (r *run) command(dot any, c *parse.CommandNode, final any) (any, error) {
	first := c.Args[0]
	if f, ok := first.(*parse.IdentifierNode); ok {
		v, err := r.call(dot, f.Ident, c.Args[1:], final)
		return v, r.wrap(f, err)
	}
	if _, alone := final.(missing); len(c.Args) > 1 || !alone {
		return nil, r.wrap(first, fmt.Errorf("can't give argument to non-function %s", first))
	}
	if first.Type() == parse.NodeNil {
		return nil, r.wrap(first, errors.New("nil is not a command"))
	}
	v, err := r.operand(dot, first)
	return v, r.wrap(first, err)
}

// operand evaluates what is not a call with arguments.
func (r *run) operand(dot any, n parse.Node) (any, error) {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot, nil
	case *parse.NilNode:
		return nil, nil //nolint:nilnil // that is the value
	case *parse.BoolNode:
		return n.True, nil
	case *parse.StringNode:
		return n.Text, nil
	case *parse.NumberNode:
		return constant(n)
	case *parse.FieldNode:
		return fields(dot, n.Ident)
	case *parse.VariableNode:
		v, err := r.variable(n.Ident[0])
		if err != nil {
			return nil, err
		}
		return fields(v.value, n.Ident[1:])
	case *parse.PipeNode:
		return r.pipeline(dot, n)
	case *parse.IdentifierNode:
		return r.call(dot, n.Ident, nil, missing{})
	case *parse.ChainNode:
		if n.Node.Type() == parse.NodeNil {
			return nil, fmt.Errorf("indirection through explicit nil in %s", n)
		}
		v, err := r.operand(dot, n.Node)
		if err != nil {
			return nil, err
		}
		return fields(v, n.Field)
	}
	return nil, fmt.Errorf("can't handle %s", n)
}

// variable finds the innermost of a name.
func (r *run) variable(name string) (*variable, error) {
	for i := range slices.Backward(r.vars) {
		if r.vars[i].name == name {
			return &r.vars[i], nil
		}
	}
	return nil, fmt.Errorf("undefined variable: %s", name)
}

// fields follows names into a value.
func fields(v any, names []string) (any, error) {
	for _, n := range names {
		switch f := v.(type) {
		case Fields:
			one, ok := f[n]
			if !ok {
				return nil, fmt.Errorf("map has no entry for key %q", n)
			}
			v = one
		case nil:
			return nil, fmt.Errorf("nil data; no entry for key %q", n)
		default:
			return nil, fmt.Errorf("can't evaluate field %s in type %T", n, bare(v))
		}
	}
	return v, nil
}

// constant is a number as its spelling suggests it.
func constant(n *parse.NumberNode) (any, error) {
	rune := strings.HasPrefix(n.Text, "'")
	hex := len(n.Text) > 2 && (strings.HasPrefix(n.Text, "0x") || strings.HasPrefix(n.Text, "0X")) && !strings.ContainsAny(n.Text, "pP")
	switch {
	case n.IsComplex:
		return n.Complex128, nil
	case n.IsFloat && !hex && !rune && strings.ContainsAny(n.Text, ".eEpP"):
		return n.Float64, nil
	case n.IsInt && int64(int(n.Int64)) == n.Int64:
		return int(n.Int64), nil
	}
	return nil, fmt.Errorf("%s overflows int", n.Text)
}

// call calls a function: a caller's, and, or, or another of Go's own.
func (r *run) call(dot any, name string, nodes []parse.Node, final any) (any, error) {
	if _, ours := r.funcs[name]; !ours && (name == "and" || name == "or") {
		return r.either(dot, name, nodes, final)
	}
	f, takes, err := r.function(name)
	if err != nil {
		return nil, err
	}
	if err := enough(name, len(nodes), final, f.least, f.most); err != nil {
		return nil, err
	}
	args := make([]any, 0, len(nodes)+1)
	for i, n := range nodes {
		v, err := r.argument(dot, n, i < len(takes) && takes[i] == 'i')
		if err != nil {
			return nil, r.wrap(n, err)
		}
		args = append(args, v)
	}
	if _, none := final.(missing); !none {
		args = append(args, final)
	}
	if err := fit(takes, args); err != nil {
		return nil, err
	}
	v, err := f.call(args)
	if err != nil {
		return nil, fmt.Errorf("error calling %s: %w", name, err)
	}
	if s, ok := v.(string); ok && len(s) > maxValue {
		return nil, fmt.Errorf("%s makes more than %d bytes", name, maxValue)
	}
	return v, nil
}

// function finds a function, and what kinds of arguments it takes where that is fixed.
func (r *run) function(name string) (f builtin, takes string, err error) {
	if ours, ok := r.funcs[name]; ok {
		n := len(ours.Takes)
		return builtin{n, n, func(args []any) (any, error) { return ours.Call(args) }}, ours.Takes, nil
	}
	f, ok := builtins[name]
	if !ok {
		return f, "", fmt.Errorf("%q is not a defined function", name)
	}
	return f, "", nil
}

// argument evaluates one; where a number without fraction is wanted, 1.0 and 'a' are such.
func (r *run) argument(dot any, n parse.Node, whole bool) (any, error) {
	if c, ok := n.(*parse.NumberNode); ok && whole && c.IsInt {
		return int(c.Int64), nil
	}
	return r.operand(dot, n)
}

// enough checks the number of arguments; most below 0 has no end.
func enough(name string, n int, final any, least, most int) error {
	if _, none := final.(missing); !none {
		n++
	}
	switch {
	case n >= least && (most < 0 || n <= most):
		return nil
	case most < 0:
		return fmt.Errorf("wrong number of args for %s: want at least %d got %d", name, least, n)
	}
	return fmt.Errorf("wrong number of args for %s: want %d got %d", name, least, n)
}

// fit checks what kind the arguments have.
func fit(takes string, args []any) error {
	for i, kind := range takes {
		want := "string"
		_, ok := args[i].(string)
		if kind == 'i' {
			want = "int"
			_, ok = args[i].(int)
		}
		if !ok {
			return fmt.Errorf("wrong type for value; expected %s; got %T", want, bare(args[i]))
		}
	}
	return nil
}

// either evaluates and, or: no further than it must, to the value that decided.
func (r *run) either(dot any, name string, nodes []parse.Node, final any) (any, error) {
	if err := enough(name, len(nodes), final, 1, -1); err != nil {
		return nil, err
	}
	var v any
	for _, n := range nodes {
		var err error
		if v, err = r.operand(dot, n); err != nil {
			return nil, r.wrap(n, err)
		}
		if truth(v) == (name == "or") {
			return v, nil
		}
	}
	if _, none := final.(missing); !none {
		v = final
	}
	return v, nil
}

// truth tells what counts as true: all but nothing, zero and what is empty.
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int:
		return v != 0
	case byte:
		return v != 0
	case float64:
		return v != 0
	case complex128:
		return v != 0
	case Fields:
		return len(v) > 0
	}
	return true
}
