package rule

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// maxSteps bounds how many nodes of its tree one execution of a template may evaluate.
const maxSteps = 10_000

// goFunctions are those of Go's own functions that a template may call as they are: what
// they return is no larger than what they are given.
var goFunctions = map[string]bool{
	"and": true, "or": true, "not": true, "len": true, "index": true, "slice": true,
	"eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true,
}

// checkTree refuses what would let a small template take much time or memory: loops over
// anything but the fields, templates that call templates, functions that are not known
// to be bounded, and formats that pad.
func checkTree(t *template.Template, functions template.FuncMap) error {
	for _, other := range t.Templates() {
		if other.Name() != t.Name() {
			return fmt.Errorf("a template cannot define another (%q): write its text where it is used", other.Name())
		}
	}
	if t.Tree == nil {
		return nil // it is empty, but for comments
	}
	c := &treeCheck{tree: t.Tree, functions: functions}
	return c.node(t.Root, scope{times: 1, dotIsFields: true})
}

// A treeCheck walks the tree of one template.
type treeCheck struct {
	tree      *parse.Tree
	functions template.FuncMap
	steps     int // the nodes that an execution evaluates at most
}

// A scope is what is known of a place in a tree.
type scope struct {
	times       int  // how often the place is executed at most
	dotIsFields bool // whether the dot is the event's fields there, and not a part of them
}

// node checks a node and what is below it.
func (c *treeCheck) node(n parse.Node, s scope) error {
	if c.steps += s.times; c.steps > maxSteps {
		return c.problem(n, fmt.Sprintf("the template takes more than %d steps: make it shorter, or nest fewer loops", maxSteps))
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, one := range n.Nodes {
			if err := c.node(one, s); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return c.node(n.Pipe, s)
	case *parse.IfNode:
		return c.branch(&n.BranchNode, s, s)
	case *parse.WithNode:
		return c.branch(&n.BranchNode, s, scope{times: s.times})
	case *parse.RangeNode:
		if !overFields(n.Pipe, s) {
			return c.problem(n, "a loop goes over the fields alone: write {{range $}}, or write out what it repeats")
		}
		return c.branch(&n.BranchNode, s, scope{times: s.times * len(fieldNames)})
	case *parse.TemplateNode:
		return c.problem(n, "a template cannot call another: write its text here")
	default:
		return c.value(n, s)
	}
	return nil
}

// value checks what is part of a pipeline.
func (c *treeCheck) value(n parse.Node, s scope) error {
	switch n := n.(type) {
	case *parse.PipeNode:
		for _, d := range n.Decl {
			if d.Ident[0] == "$" {
				return c.problem(d, "$ is the event's fields and cannot be set: give the variable a name, such as $x")
			}
		}
		for _, one := range n.Cmds {
			if err := c.node(one, s); err != nil {
				return err
			}
		}
	case *parse.CommandNode:
		return c.command(n, s)
	case *parse.ChainNode:
		return c.node(n.Node, s)
	case *parse.IdentifierNode:
		if !goFunctions[n.Ident] && c.functions[n.Ident] == nil {
			return c.problem(n, "the function "+n.Ident+" cannot be called in a rule; docs/rules.md has the list of those that can")
		}
	}
	return nil
}

// branch checks what if, with and range have in common.
func (c *treeCheck) branch(n *parse.BranchNode, outside, inside scope) error {
	if err := c.node(n.Pipe, outside); err != nil {
		return err
	}
	if err := c.node(n.List, inside); err != nil {
		return err
	}
	if n.ElseList == nil {
		return nil
	}
	return c.node(n.ElseList, outside)
}

// overFields reports whether a loop goes over the event's fields, which are few: every
// other value that a loop can go over is a number.
func overFields(p *parse.PipeNode, s scope) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	switch n := p.Cmds[0].Args[0].(type) {
	case *parse.DotNode:
		return s.dotIsFields
	case *parse.VariableNode:
		return len(n.Ident) == 1 && n.Ident[0] == "$"
	}
	return false
}

// command checks one call and its arguments.
func (c *treeCheck) command(n *parse.CommandNode, s scope) error {
	for i, a := range n.Args {
		if f, ok := a.(*parse.IdentifierNode); ok && f.Ident == "printf" {
			if err := checkFormat(n.Args[i+1:]); err != nil {
				return c.problem(n, err.Error())
			}
		}
		if err := c.node(a, s); err != nil {
			return err
		}
	}
	return nil
}

// verb is one verb of a format, with its flags, widths, precisions and argument numbers.
var verb = regexp.MustCompile(`%[^%a-zA-Z]*`)

var digits = regexp.MustCompile(`[0-9]+`)

// checkFormat judges the arguments of printf: its format is a text in the template, and
// what it pads with is bounded.
func checkFormat(args []parse.Node) error {
	var format *parse.StringNode
	if len(args) > 0 {
		format, _ = args[0].(*parse.StringNode)
	}
	if format == nil {
		return errors.New(`the format of printf has to stand in the template: write it in quotes, as in printf "%s" .user`)
	}
	const widest = 9999
	padding := 0
	for _, v := range verb.FindAllString(strings.ReplaceAll(format.Text, "%%", ""), -1) {
		if strings.Contains(v, "*") {
			return errors.New("a format of printf cannot take a width from an argument: write the number in place of *")
		}
		for _, d := range digits.FindAllString(v, -1) {
			n, err := strconv.Atoi(d)
			if err != nil || n > widest {
				return fmt.Errorf("a width or precision in a format of printf is at most %d: write a smaller one", widest)
			}
			padding += n
		}
	}
	if padding > maxText {
		return fmt.Errorf("the widths and precisions in a format of printf come to more than %d: write smaller ones", maxText)
	}
	return nil
}

// problem says where a template has what is refused.
func (c *treeCheck) problem(n parse.Node, what string) error {
	where, context := c.tree.ErrorContext(n)
	return fmt.Errorf("%s: at <%s>: %s", where, context, what)
}
