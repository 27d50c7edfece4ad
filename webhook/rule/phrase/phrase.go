package phrase

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/template/parse"
)

// Fields are what a template may say after a dot.
type Fields map[string]string

// A Func is what a template may call beside Go's own.
type Func struct {
	// Takes has a letter for each argument: s for a text, i for a number without
	// fraction. The last argument may come out of a pipe.
	Takes string
	// Call is given as many arguments, a string or an int each.
	Call func(args []any) (string, error)
}

// Funcs are functions by name.
type Funcs map[string]Func

// A Phrase is a template made ready. It is safe for concurrent use.
type Phrase struct {
	trees map[string]*parse.Tree
}

// name is what errors call the template that is given.
const name = "text"

// New reads a template that may call funcs. Its error tells the line.
func New(text string, funcs Funcs) (*Phrase, error) {
	known := map[string]any{}
	for n := range builtins {
		known[n] = struct{}{}
	}
	for n := range funcs {
		known[n] = struct{}{}
	}
	trees, err := parse.Parse(name, text, "", "", known)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the template and the line
	}
	return &Phrase{trees: trees}, nil
}

// What one execution may take. text/template has no such bounds, but for 100,000 calls
// within each other.
const (
	maxCalls = 1000      // templates that call each other, deep
	maxSteps = 1_000_000 // nodes that are executed
	maxValue = 1 << 20   // bytes of what a function makes
)

// Execute writes what the template makes of the fields, with the functions that New was
// told of. A field that is not there is an error.
func (p *Phrase) Execute(w io.Writer, fields Fields, funcs Funcs) error {
	tree := p.trees[name]
	r := &run{p: p, tree: tree, w: w, funcs: funcs, vars: []variable{{"$", fields}}, steps: new(int)}
	return r.walk(fields, tree.Root)
}

// An Error tells where a template failed.
type Error struct {
	where string
	err   error
}

// Error says the line, the place within it, and what is wrong.
func (e *Error) Error() string { return e.where + ": " + e.err.Error() }

func (e *Error) Unwrap() error { return e.err }

// run is one execution.
type run struct {
	p     *Phrase
	tree  *parse.Tree
	w     io.Writer
	funcs Funcs
	vars  []variable
	depth int
	steps *int // done, also by the templates that called this one
}

type variable struct {
	name  string
	value any
}

// wrap adds the place of a node to an error that has none.
func (r *run) wrap(n parse.Node, err error) error {
	var inner *Error
	if err == nil || errors.As(err, &inner) || errors.Is(err, errBreak) || errors.Is(err, errContinue) {
		return err
	}
	where, around := r.tree.ErrorContext(n)
	return &Error{where: fmt.Sprintf("%s: executing %q at <%s>", where, r.tree.Name, around), err: err}
}

// How a loop is left. They end there: the parser lets them stand nowhere else, but in the
// else of a loop, where text/template lets a break end the else.
var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

// walk executes a node.
func (r *run) walk(dot any, n parse.Node) error {
	if *r.steps++; *r.steps > maxSteps {
		return r.wrap(n, fmt.Errorf("the template takes more than %d steps", maxSteps))
	}
	return r.wrap(n, r.step(dot, n))
}

func (r *run) step(dot any, n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		for _, one := range n.Nodes {
			if err := r.walk(dot, one); err != nil {
				return err
			}
		}
	case *parse.TextNode:
		_, err := r.w.Write(n.Text)
		return err //nolint:wrapcheck // walk adds where it happened
	case *parse.ActionNode:
		v, err := r.pipeline(dot, n.Pipe)
		if err != nil || len(n.Pipe.Decl) > 0 {
			return err
		}
		return r.print(v)
	case *parse.IfNode:
		return r.branch(dot, &n.BranchNode, false)
	case *parse.WithNode:
		return r.branch(dot, &n.BranchNode, true)
	case *parse.RangeNode:
		return r.loop(dot, n)
	case *parse.TemplateNode:
		return r.template(dot, n)
	case *parse.BreakNode:
		return errBreak
	case *parse.ContinueNode:
		return errContinue
	}
	return nil // comments
}

// print writes a value.
func (r *run) print(v any) error {
	if v == nil {
		v = "<no value>"
	}
	if s, ok := v.(string); ok {
		_, err := io.WriteString(r.w, s)
		return err //nolint:wrapcheck // walk adds where it happened
	}
	_, err := fmt.Fprint(r.w, bare(v))
	return err //nolint:wrapcheck // walk adds where it happened
}

// bare is a value as fmt is to see it.
func bare(v any) any {
	if f, ok := v.(Fields); ok {
		return map[string]string(f)
	}
	return v
}

// branch executes if, and with, where what was asked about is the dot inside.
func (r *run) branch(dot any, n *parse.BranchNode, with bool) error {
	defer r.leave(len(r.vars))
	v, err := r.pipeline(dot, n.Pipe)
	if err != nil {
		return err
	}
	switch {
	case truth(v) && with:
		return r.walk(v, n.List)
	case truth(v):
		return r.walk(dot, n.List)
	case n.ElseList != nil:
		return r.walk(dot, n.ElseList)
	}
	return nil
}

// leave forgets the variables of a block.
func (r *run) leave(mark int) { r.vars = r.vars[:mark] }

// loop executes range, over the fields in the order of their names, or from 0 up to a
// number.
func (r *run) loop(dot any, n *parse.RangeNode) error {
	defer r.leave(len(r.vars))
	v, err := r.pipeline(dot, n.Pipe)
	if err != nil {
		return err
	}
	mark, rounds := len(r.vars), 0
	round := func(index, elem any) (more bool, _ error) {
		rounds++
		defer r.leave(mark)
		if err := r.bind(n.Pipe, index, elem); err != nil {
			return false, err
		}
		switch err := r.walk(elem, n.List); {
		case errors.Is(err, errBreak):
			return false, nil
		case err != nil && !errors.Is(err, errContinue):
			return false, err
		}
		return true, nil
	}
	if err := each(v, len(n.Pipe.Decl), round); err != nil {
		return err
	}
	if rounds == 0 && n.ElseList != nil {
		if err := r.walk(dot, n.ElseList); !errors.Is(err, errBreak) {
			return err
		}
	}
	return nil
}

// each calls round for what a value holds.
func each(v any, vars int, round func(index, elem any) (bool, error)) error {
	switch v := v.(type) {
	case nil:
		return nil
	case Fields:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if more, err := round(k, v[k]); err != nil || !more {
				return err
			}
		}
		return nil
	case int:
		return count(v, vars, round, func(i int) any { return i })
	case byte:
		return count(int(v), vars, round, func(i int) any { return byte(i) }) //nolint:gosec // below a byte
	}
	return fmt.Errorf("range can't iterate over %v", bare(v))
}

func count(n, vars int, round func(index, elem any) (bool, error), as func(int) any) error {
	if vars > 1 {
		return fmt.Errorf("can't use %v to iterate over more than one variable", n)
	}
	for i := range n {
		if more, err := round(nil, as(i)); err != nil || !more {
			return err
		}
	}
	return nil
}

// bind sets the variables of a round. With one it has the element.
func (r *run) bind(p *parse.PipeNode, index, elem any) error {
	if len(p.Decl) == 0 {
		return nil
	}
	values := []any{elem}
	if len(p.Decl) > 1 {
		values = []any{index, elem}
	}
	for i, d := range p.Decl {
		if p.IsAssign {
			if err := r.assign(d.Ident[0], values[i]); err != nil {
				return err
			}
			continue
		}
		// The pipeline has declared them before the first round.
		r.vars[len(r.vars)-len(p.Decl)+i].value = values[i]
	}
	return nil
}

// template calls another template.
func (r *run) template(dot any, n *parse.TemplateNode) error {
	tree := r.p.trees[n.Name]
	if tree == nil {
		return fmt.Errorf("template %q not defined", n.Name)
	}
	if r.depth >= maxCalls {
		return fmt.Errorf("templates call each other more than %d deep", maxCalls)
	}
	var inside any
	if n.Pipe != nil {
		var err error
		if inside, err = r.pipeline(dot, n.Pipe); err != nil {
			return err
		}
	}
	called := &run{p: r.p, tree: tree, w: r.w, funcs: r.funcs, vars: []variable{{"$", inside}}, depth: r.depth + 1, steps: r.steps}
	return called.walk(inside, tree.Root)
}
