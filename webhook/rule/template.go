package rule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode/utf8"

	"slackmcp/webhook/event"
)

// The bounds of one execution of a template.
const (
	// maxText is how many bytes the result may have; Slack takes at most 40,000 characters.
	maxText = 40_000
	// maxValue is how many bytes a function may return, and be given, in one call.
	maxValue = 1 << 20
	// maxMade is how many bytes all calls of functions may return together.
	maxMade = 16 << 20
)

var errTooLong = fmt.Errorf("the template makes more than %d bytes", maxText)

// A textTemplate is a template of a rule: one of text/template that checkTree has
// accepted, so that an execution of it ends soon and takes little memory, whatever the
// event says. It is safe for concurrent use.
type textTemplate struct {
	t     *template.Template
	text  locator // of a text in events that tell of no message
	fixed bool    // it holds nothing of an event
	tells bool    // it may hold what a message says
	// clean makes what comes from an event harmless, before the template sees it.
	clean func(string) string
}

// newTemplate parses and checks a template. The error names the line and the remedy.
func newTemplate(text string, clean func(string) string) (*textTemplate, error) {
	t := &textTemplate{clean: clean}
	var err error
	if t.text, err = newLocator("event.text"); err != nil {
		return nil, err
	}
	functions := (&execution{}).functions()
	if t.t, err = template.New("text").Option("missingkey=error").Funcs(functions).Parse(text); err != nil {
		return nil, plainError(err)
	}
	if t.tells, err = checkTree(t.t, functions); err != nil {
		return nil, err
	}
	t.fixed = !slices.ContainsFunc(t.t.Root.Nodes, func(n parse.Node) bool { return n.Type() != parse.NodeText })
	return t, nil
}

// plainError is an error of text/template without the word by which it begins. The middle
// of a long one is left out: some show the values of the event.
func plainError(err error) error {
	const end = 250
	s := strings.TrimPrefix(err.Error(), "template: ")
	if len(s) > 2*end {
		s = strings.ToValidUTF8(s[:end]+"…"+s[len(s)-end:], "")
	}
	return errors.New(s)
}

// checkTemplate tries a template on an event that has nothing.
func checkTemplate(text string) error {
	_, err := tryTemplate(text, escape)
	return err
}

// tryTemplate makes a text of an event that has nothing.
func tryTemplate(text string, clean func(string) string) (string, error) {
	t, err := newTemplate(text, clean)
	if err != nil {
		return "", err
	}
	made, err := t.execute(&event.Event{Kind: event.Kind{Type: "message"}, Raw: []byte("{}")})
	if err != nil {
		return "", fmt.Errorf("%w; the fields are %s", err, strings.Join(fieldNames, ", "))
	}
	return made, nil
}

// execute fills the template for an event. An error will be the same at the next try.
func (t *textTemplate) execute(e *event.Event) (string, error) {
	text, _, err := t.fill(e)
	return text, err
}

// fill is execute, and says whose words the text holds.
func (t *textTemplate) fill(e *event.Event) (string, Words, error) {
	clone, err := t.t.Clone()
	if err != nil {
		return "", 0, err
	}
	var b boundedText
	x := &execution{event: e, clean: t.clean}
	message, solely, ok := said(e)
	if !ok {
		message, _ = t.text.find(e)
	}
	// The fields are a map of strings, which has no methods that a template could call.
	fields := map[string]string{
		"source": e.Source, "id": e.ID, "type": e.Kind.Type, "subtype": e.Kind.Subtype, "team": e.Team,
		"channel": e.Channel, "user": e.User, "thread": e.Thread, "at": "", "received_at": "", "text": message,
	}
	for name, at := range map[string]time.Time{"at": e.At, "received_at": e.ReceivedAt} {
		if !at.IsZero() {
			fields[name] = at.UTC().Format(time.RFC3339)
		}
	}
	for name, v := range fields {
		fields[name] = t.clean(v)
	}
	if err := clone.Funcs(x.functions()).Execute(&b, fields); err != nil {
		if errors.Is(err, errTooLong) {
			return "", 0, errTooLong
		}
		return "", 0, plainError(err)
	}
	words := WordsOfEvent
	switch {
	case t.fixed:
		words = WordsFixed
	case x.searched, t.tells && !solely:
		words = WordsUnknown
	}
	return b.text.String(), words, nil
}

// fieldNames are the fields of an event that a template may use.
var fieldNames = []string{".source", ".id", ".type", ".subtype", ".team", ".channel", ".user", ".thread", ".at", ".received_at", ".text"}

// An execution fills a template for one event. It has the rules' own functions, and in
// place of those of text/template that can make a large text of a small one, functions
// that are bounded.
type execution struct {
	event *event.Event
	clean func(string) string
	made  int // the bytes that functions have returned
	// searched reports that the template took something of the body by its path.
	searched bool
}

func (x *execution) functions() template.FuncMap {
	return template.FuncMap{
		"get":      x.get,
		"default":  func(standIn, v string) string { return cmp.Or(v, standIn) },
		"truncate": truncate,
		"print":    x.bounded(fmt.Sprint),
		"println":  x.bounded(fmt.Sprintln),
		"printf":   x.printf,
		"html":     x.bounded(template.HTMLEscaper),
		"js":       x.bounded(template.JSEscaper),
		"urlquery": x.bounded(template.URLQueryEscaper),
	}
}

// get returns the text at a path of the event's body; what is not there is empty.
func (x *execution) get(path string) (string, error) {
	x.searched = true
	l, err := newLocator(path)
	if err != nil {
		return "", err
	}
	v, _ := l.find(x.event)
	return x.count(x.clean(v))
}

// bounded returns a function that calls fn, and fails when the arguments or the result are
// too large.
func (x *execution) bounded(fn func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		size := 0
		for _, a := range args {
			size += sizeOf(a)
		}
		if size > maxValue {
			return "", errTooLarge
		}
		return x.count(fn(args...))
	}
}

// printf calls fmt.Sprintf. checkTree has bounded the widths of its format; printf bounds
// the result by assuming that each verb shows the longest argument.
func (x *execution) printf(format string, args ...any) (string, error) {
	longest := 0
	for _, a := range args {
		longest = max(longest, sizeOf(a))
	}
	if len(format)+strings.Count(format, "%")*longest > maxValue {
		return "", errTooLarge
	}
	return x.count(fmt.Sprintf(format, args...))
}

var (
	errTooLarge = fmt.Errorf("it makes more than %d bytes", maxValue)
	errTooMuch  = fmt.Errorf("the template's functions make more than %d bytes", maxMade)
)

// count adds the result of a function to what was made, and returns it.
func (x *execution) count(s string) (string, error) {
	x.made += len(s)
	switch {
	case len(s) > maxValue:
		return "", errTooLarge
	case x.made > maxMade:
		return "", errTooMuch
	}
	return s, nil
}

// sizeOf estimates how many bytes the text of a value has.
func sizeOf(v any) int {
	const number = 32
	switch v := v.(type) {
	case string:
		return len(v)
	case map[string]string:
		n := 0
		for name, s := range v {
			n += len(name) + len(s)
		}
		return n
	}
	return number
}

// truncate cuts a text after n bytes at most, between characters and not within an
// entity, and says so.
func truncate(n int, s string) string {
	if n < 0 || len(s) <= n {
		return s
	}
	cut := n
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	if amp := strings.LastIndexByte(s[:cut], '&'); amp >= 0 && cut < amp+len(entity.FindString(s[amp:])) {
		cut = amp
	}
	// A backslash alone would escape what follows it in JSON.
	if slashes := cut - len(strings.TrimRight(s[:cut], `\`)); slashes%2 == 1 {
		cut--
	}
	return s[:cut] + "…"
}

// jsonEscapes are what may not stand in a JSON string as it is. All have two characters.
var jsonEscapes = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)

// inJSON makes a text that others wrote harmless within the quotes of a JSON string.
func inJSON(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, jsonEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD")))
}

// inBlocks is inJSON for a text of Block Kit in Slack's markup.
func inBlocks(s string) string { return inJSON(escape(s)) }

// checkJSON tries a template of JSON on an event that has nothing.
func checkJSON(text string) error {
	made, err := tryTemplate(text, inJSON)
	if err == nil && !json.Valid([]byte(made)) {
		err = errors.New("of an event that has nothing it makes no JSON: stand texts in quotes, and give a number that may be missing a default")
	}
	return err
}

// checkBlocks tries a template of blocks on an event that has nothing.
func checkBlocks(text string) error {
	made, err := tryTemplate(text, inBlocks)
	if err == nil {
		err = blocksFit(made)
	}
	return err
}

// blocksFit refuses what is no array of blocks; what else they hold is for Slack to judge.
func blocksFit(text string) error {
	var list []struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 || len(list) > maxBlocks {
		return fmt.Errorf("the template makes no array of 1 to %d blocks: stand texts in quotes", maxBlocks)
	}
	for i, b := range list {
		if b.Type == "" {
			return fmt.Errorf("block %d has no type", i+1)
		}
	}
	return nil
}

// maxBlocks is how many blocks a message has at most.
const maxBlocks = 50

// A boundedText holds at most maxText bytes.
type boundedText struct{ text strings.Builder } // not embedded: it has other ways in

// Write takes bytes as long as they fit.
func (b *boundedText) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxText {
		return 0, errTooLong
	}
	return b.text.Write(p)
}

// entity matches an ampersand and the rest of an entity of Slack's, which stands for &, <
// or >. An ampersand that begins an entity is not escaped again.
var entity = regexp.MustCompile(`&(amp;|lt;|gt;)?`)

// escape makes a text that others wrote harmless in Slack's markup: it can mention no
// user, link to nothing, and call no channel
// (docs.slack.dev/messaging/formatting-message-text).
func escape(s string) string {
	s = entity.ReplaceAllStringFunc(strings.ToValidUTF8(s, "\uFFFD"), func(m string) string {
		if m == "&" {
			return "&amp;"
		}
		return m
	})
	return strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(s)
}

// mass matches a mass mention in Slack's markup: of a channel, of all its members or of a
// user group, with or without a label.
var mass = regexp.MustCompile(`(?i)<!(channel|here|everyone|group|subteam\^[^>|]*)(\|[^>]*)?>`)

// withoutMassMentions replaces the mass mentions of a message by plain text, unless there
// are at most n, which are those of the template itself.
func withoutMassMentions(s string, n int) string {
	if n > 0 && len(mass.FindAllString(s, n+1)) <= n {
		return s
	}
	return mass.ReplaceAllStringFunc(s, func(m string) string {
		word, _, _ := strings.Cut(strings.ToLower(mass.FindStringSubmatch(m)[1]), "^")
		return "@" + word
	})
}

// maxSteps bounds how many nodes of its tree one execution of a template may evaluate.
const maxSteps = 10_000

// goFunctions are the functions of text/template that a template may call unchanged: their
// result is never larger than their arguments.
var goFunctions = map[string]bool{
	"and": true, "or": true, "not": true, "len": true, "index": true, "slice": true,
	"eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true,
}

// checkTree refuses what would let a small template take much time or memory: loops over
// anything but the fields, templates that call templates, functions that are not known
// to be bounded, and formats that pad. It reports whether the template may hold what a message
// says.
func checkTree(t *template.Template, functions template.FuncMap) (tells bool, err error) {
	for _, other := range t.Templates() {
		if other.Name() != t.Name() {
			return false, fmt.Errorf("a template cannot define another (%q): write its text where it is used", other.Name())
		}
	}
	if t.Tree == nil {
		return false, nil // it is empty, but for comments
	}
	c := &treeCheck{tree: t.Tree, functions: functions}
	err = c.node(t.Root, scope{times: 1, dotIsFields: true})
	return c.tells, err
}

// A treeCheck walks the tree of one template.
type treeCheck struct {
	tree      *parse.Tree
	functions template.FuncMap
	steps     int  // the nodes that an execution evaluates at most
	tells     bool // a node is the field of a message's words, or may be all fields
}

// A scope describes a place in a tree.
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
	case *parse.DotNode, *parse.FieldNode, *parse.VariableNode:
		c.tells = c.tells || tells(n)
	case *parse.IdentifierNode:
		if !goFunctions[n.Ident] && c.functions[n.Ident] == nil {
			return c.problem(n, "the function "+n.Ident+" cannot be called in a rule; docs/rules.md has the list of those that can")
		}
	}
	return nil
}

// tells reports a node that is what a message says, or may be all fields.
func tells(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.FieldNode:
		return n.Ident[0] == placeText
	case *parse.VariableNode:
		return len(n.Ident) == 1 || n.Ident[1] == placeText
	}
	return true
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

// checkFormat checks the arguments of printf: the format has to be a literal, and its
// widths and precisions are bounded.
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

// problem returns an error with the place of a node in the template.
func (c *treeCheck) problem(n parse.Node, what string) error {
	where, context := c.tree.ErrorContext(n)
	return fmt.Errorf("%s: at <%s>: %s", where, context, what)
}
