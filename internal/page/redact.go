package page

import (
	"fmt"
	"html/template"
	"reflect"
	"text/template/parse"
)

// redactName is the function that the templates of a site with Redact pass each value through that they show.
const redactName = "page_redact"

// redactAll lets each template pass what it shows through Redact. It stands in the templates and not after them: what
// is taken out of HTML that is finished can take a quote with it, and then a value is no longer in its attribute.
func (s *Site) redactAll() {
	s.templates.Funcs(template.FuncMap{redactName: s.redact})
	for _, t := range s.templates.Templates() {
		if t.Tree != nil {
			redactIn(t.Tree, t.Tree.Root)
		}
	}
}

// redactIn adds the function to each action below a node that shows something.
func redactIn(tree *parse.Tree, node parse.Node) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return // of an {{if}} without {{else}}
		}
		for _, one := range n.Nodes {
			redactIn(tree, one)
		}
	case *parse.IfNode:
		redactIn(tree, n.List)
		redactIn(tree, n.ElseList)
	case *parse.RangeNode:
		redactIn(tree, n.List)
		redactIn(tree, n.ElseList)
	case *parse.WithNode:
		redactIn(tree, n.List)
		redactIn(tree, n.ElseList)
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 { // else it shows nothing
			name := parse.NewIdentifier(redactName).SetPos(n.Pos).SetTree(tree)
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{name}})
		}
	}
}

// redact takes secrets out of a value that is to be shown. HTML and styles that the program made, and numbers, stay.
func (s *Site) redact(value any) any {
	switch v := value.(type) {
	case nil, template.HTML, template.CSS:
		return v
	case string:
		return s.opt.Redact(v)
	case fmt.Stringer, error:
		return s.opt.Redact(fmt.Sprint(v))
	}
	v := reflect.ValueOf(value)
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil(), v.CanInt(), v.CanUint(), v.CanFloat(), v.Kind() == reflect.Bool:
		return value
	case v.Kind() == reflect.Pointer:
		return s.redact(v.Elem().Interface())
	}
	return s.opt.Redact(fmt.Sprint(value))
}
