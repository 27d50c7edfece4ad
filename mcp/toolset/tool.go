package toolset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"slackmcp/mcp/access"
)

// A Tool is the description of one tool and the way to run it. Tools are made by
// [Define] and are values; their slices are not to be written to.
type Tool struct {
	// Name is what a client calls, in snake_case. Title is for people.
	Name, Title string
	// Description tells a model when to use the tool and what to call next.
	Description string
	// Set is the toolset that the tool belongs to.
	Set string
	// Default puts the tool among those that are offered when nobody chooses.
	Default bool
	// Effect is what a call does to the world.
	Effect Effect
	// Scope is what a principal needs to list and call the tool, And what it needs as
	// well; And may be empty.
	Scope, And access.Scope
	// Needs are the Slack scopes that a bot token needs, UserNeeds those with which a
	// user token can stand in for it. "a|b" means that either will do. A tool that
	// has neither calls nothing in Slack; one that has only UserNeeds takes a user token.
	Needs, UserNeeds []string

	// InputSchema and OutputSchema are set by Define.
	InputSchema, OutputSchema json.RawMessage

	run       func(ctx context.Context, c *Call, raw json.RawMessage) (Result, error)
	arguments []field
	err       error
}

// Effect is what a call does, from which a tool's annotations follow.
type Effect uint8

const (
	// Reads changes nothing.
	Reads Effect = iota
	// Adds adds something with each call.
	Adds
	// Sets brings about a state; doing it twice is doing it once.
	Sets
	// Destroys removes or overwrites something that was there.
	Destroys
)

// ReadOnly reports that a call changes nothing.
func (e Effect) ReadOnly() bool { return e == Reads }

// Destructive reports that a call may remove or overwrite something.
func (e Effect) Destructive() bool { return e == Destroys }

// Idempotent reports that a second call with the same arguments changes nothing more.
func (e Effect) Idempotent() bool { return e != Adds }

// A Call is one call as a handler sees it.
type Call struct {
	// Tool is the tool's name.
	Tool string
	// Principal is who calls; never nil.
	Principal *access.Principal
	// Progress tells the client how far the call has come, where it asked for that.
	// It is never nil and does not block.
	Progress func(done, total float64, message string)
}

// Result is what a handler returned, as it is sent.
type Result struct {
	// Structured is the JSON object that the output schema describes.
	Structured json.RawMessage
	// Media are images that go beside it.
	Media []Media
}

// Media is one image of a result.
type Media struct {
	MIMEType string
	Data     []byte
}

// Define completes the description of a tool with its handler. The schemas are those of In
// and Out, which are structs with the tags of this package. An Out that has a method
// Media() []Media sends these along. A mistake in the structs is reported by
// [NewCatalog].
func Define[In, Out any](t Tool, run func(ctx context.Context, c *Call, in In) (Out, error)) Tool {
	in, errIn := BindingOf[In]()
	var errOut error
	t.OutputSchema, errOut = SchemaOf[Out]()
	if t.err = errors.Join(errIn, errOut); t.err != nil {
		return t
	}
	t.InputSchema, t.arguments = in.Schema, in.object.fields
	t.run = func(ctx context.Context, c *Call, raw json.RawMessage) (Result, error) {
		args, err := in.Bind(raw)
		if err != nil {
			return Result{}, err
		}
		value, err := run(ctx, c, args)
		if err != nil {
			return Result{}, err
		}
		return result(value)
	}
	return t
}

func result(v any) (Result, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return Result{}, fmt.Errorf("encode result: %w", err)
	}
	r := Result{Structured: json.RawMessage(bytes.TrimRight(b.Bytes(), "\n"))}
	if m, ok := v.(interface{ Media() []Media }); ok {
		r.Media = m.Media()
	}
	return r, nil
}

// Run calls the tool's handler with a call's arguments as JSON. It does not check what
// the principal may do: a [Registry] does.
func (t *Tool) Run(ctx context.Context, c *Call, arguments json.RawMessage) (Result, error) {
	return t.run(ctx, c, arguments)
}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// check names what is missing from a description.
func (t *Tool) check() error {
	var errs []error
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if t.err != nil {
		errs = append(errs, t.err)
	}
	if !snakeCase.MatchString(t.Name) || len(t.Name) > 64 {
		say("name is not snake_case of at most 64 characters")
	}
	if t.run == nil && t.err == nil {
		say("it was not made by Define")
	}
	for what, s := range map[string]string{"title": t.Title, "description": t.Description, "set": t.Set, "scope": string(t.Scope)} {
		if strings.TrimSpace(s) == "" {
			say("%s is missing", what)
		}
	}
	if t.Scope == access.Read && !t.Effect.ReadOnly() || t.Scope == access.Write && t.Effect.ReadOnly() {
		say("scope %s and effect contradict each other", t.Scope)
	}
	for _, f := range t.arguments {
		if f.doc == "" {
			say("argument %s has no doc", f.name)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("tool %q: %w", t.Name, err)
	}
	return nil
}
