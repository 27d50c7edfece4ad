package toolset

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"slackmcp/mcp/access"
)

// A Registry gives chosen tools to an MCP server and decides, for each list and each
// call, which of them the caller may use. It is safe for concurrent use.
type Registry struct {
	tools  []Tool
	byName map[string]*Tool
	theirs map[string]mcp.Tool // as people are shown them
	opt    RegistryOptions
	grant  atomic.Pointer[granted]

	mu    sync.Mutex
	found map[access.Person]string // the scopes that a person's grant had last; guarded by mu
}

// granted is a Grant with what follows from it.
type granted struct {
	Grant
	missing map[string][]string // hidden tool -> the Slack scopes that it lacks
}

// An Outcome is how a call ended.
type Outcome struct {
	Tool      string
	Principal string
	// Scope is what the tool asks for.
	Scope    access.Scope
	ReadOnly bool
	Duration time.Duration
	Err      error // nil for a success
}

// RegistryOptions configure a [Registry].
type RegistryOptions struct {
	// Fault turns a handler's error into words for the model of whoever calls. Required.
	Fault func(*access.Principal, error) string
	// Granted returns the scopes of Slack that the grant of a person has; nil where no tool serves
	// people. It is asked for each list and each call.
	Granted func(ctx context.Context, who access.SignIn) ([]string, error)
	// OnRegranted is called when the grant of a person is found to have other scopes than before; nil is
	// not called.
	OnRegranted func(access.Person)
	// Catalog is all tools that there are, for what is said of those that are not offered.
	// Nil knows the registry's own.
	Catalog *Catalog
	// ReadOnly reports that writing tools were left out on purpose.
	ReadOnly bool
	// OnBegin returns the context of a call that is about to begin; nil keeps the request's.
	OnBegin func(ctx context.Context, tool string) context.Context
	// OnEnd is called after each call, by the goroutine that made it, with the context of
	// OnBegin; nil calls nothing.
	OnEnd func(ctx context.Context, o Outcome)
}

// NewRegistry returns a registry of the tools.
func NewRegistry(tools []Tool, o RegistryOptions) (*Registry, error) {
	if o.Fault == nil {
		return nil, errors.New("toolset: Fault is required")
	}
	r := &Registry{tools: tools, byName: map[string]*Tool{}, theirs: map[string]mcp.Tool{}, found: map[access.Person]string{}, opt: o}
	for i := range tools {
		r.byName[tools[i].Name] = &tools[i]
		r.theirs[tools[i].Name] = tools[i].forPerson()
	}
	r.SetGrant(Grant{})
	return r, nil
}

// SetGrant says what Slack gave to the tokens. It reports whether other tools are
// visible now than before.
func (r *Registry) SetGrant(g Grant) (changed bool) {
	next := &granted{Grant: g, missing: map[string][]string{}}
	for i := range r.tools {
		if missing := g.Missing(&r.tools[i]); missing != nil {
			next.missing[r.tools[i].Name] = missing
		}
	}
	old := r.grant.Swap(next)
	return old != nil && !maps.EqualFunc(old.missing, next.missing, func(_, _ []string) bool { return true })
}

// Granted reports whether what Slack gave is enough for a tool, chosen or not: to the server's tokens, or to the
// person who calls. A tool that serves no people is none of theirs.
func (r *Registry) Granted(ctx context.Context, t *Tool) bool {
	p := access.From(ctx)
	if who, person := p.SignIn(); person {
		return r.person(ctx, p, who)(t) == nil
	}
	return r.grant.Load().Missing(t) == nil
}

// Hidden lists the tools that are chosen but hidden, with the Slack scopes that are
// missing, in order.
func (r *Registry) Hidden() []Hidden {
	var list []Hidden
	missing := r.grant.Load().missing
	for i := range r.tools {
		if m := missing[r.tools[i].Name]; m != nil {
			list = append(list, Hidden{Tool: r.tools[i].Name, Missing: m})
		}
	}
	return list
}

// maxName is the most of a name that is compared with those of tools, in bytes.
const maxName = 64

// Absent says why a tool that was called is not offered to the caller, and who can change
// that. The name comes from the caller: it is repeated only where it is a tool's.
func (r *Registry) Absent(ctx context.Context, name string) string {
	if t := r.byName[name]; t != nil {
		return r.withheld(access.From(ctx), t)
	}
	var all []Tool
	if r.opt.Catalog != nil {
		all = r.opt.Catalog.tools
	}
	for i := range all {
		if all[i].Name == name {
			return r.left(access.From(ctx), &all[i])
		}
	}
	var names []string
	for i := range r.tools {
		names = append(names, r.tools[i].Name)
	}
	if near := nearest(name[:min(len(name), maxName)], names); near != "" {
		return "there is no such tool: did you mean " + near + "?"
	}
	return "there is no such tool: take one of tools/list"
}

// withheld says what keeps a chosen tool from a caller.
func (r *Registry) withheld(p *access.Principal, t *Tool) string {
	for _, need := range []access.Scope{t.Scope, t.And} {
		if need != "" && !p.Has(need) {
			return t.Name + " needs the scope " + string(need) + ", which your token for this server does not have: tell the user"
		}
	}
	return t.Name + " is hidden, because the Slack app lacks " + strings.Join(r.grant.Load().missing[t.Name], ", ") +
		": tell the user to add it to the app and to install the app again"
}

// left says to a caller why a tool was not chosen.
func (r *Registry) left(p *access.Principal, t *Tool) string {
	if _, person := p.SignIn(); person && t.For == ServiceOnly {
		return strings.TrimSuffix(t.NotForPeople().Error(), ".") // no setting changes that
	}
	if r.opt.ReadOnly && !t.Effect.ReadOnly() {
		return t.Name + " changes something, and this server only reads (READ_ONLY): tell the user"
	}
	return t.Name + " is of the toolset " + t.Set + ", which this server does not offer: tell the user to add " + t.Set + " to the server's TOOLSETS"
}

// Hidden is a tool that the tokens are not enough for.
type Hidden struct {
	Tool    string
	Missing []string
}

// Filter leaves the tools out that the caller may not use. mcp-go applies it to lists
// and to calls; pass it with server.WithToolFilter. A person who calls, and does not list, is told by the
// call itself what they may not.
func (r *Registry) Filter(ctx context.Context, all []mcp.Tool, calls bool) []mcp.Tool {
	p := access.From(ctx)
	if who, person := p.SignIn(); person {
		if calls {
			return all
		}
		return r.forPerson(all, r.person(ctx, p, who))
	}
	grant := r.grant.Load()
	kept := make([]mcp.Tool, 0, len(all))
	for _, shown := range all {
		t := r.byName[shown.Name]
		if t != nil && p.Has(t.Scope) && (t.And == "" || p.Has(t.And)) && grant.missing[t.Name] == nil {
			if grant.Alone {
				shown = r.theirs[t.Name]
			}
			kept = append(kept, shown)
		}
	}
	return kept
}

// forPerson leaves the tools that a person may use, described as theirs.
func (r *Registry) forPerson(all []mcp.Tool, refused func(*Tool) error) []mcp.Tool {
	kept := make([]mcp.Tool, 0, len(all))
	for _, shown := range all {
		if t := r.byName[shown.Name]; t != nil && refused(t) == nil {
			kept = append(kept, r.theirs[shown.Name])
		}
	}
	return kept
}

// person returns what refuses tools to a person. Where it is not known what Slack granted them no tool is
// refused for that: each says what is wrong when it is called.
func (r *Registry) person(ctx context.Context, p *access.Principal, who access.SignIn) (refused func(*Tool) error) {
	if r.opt.Granted == nil {
		return (*Tool).NotForPeople
	}
	granted, err := r.opt.Granted(ctx, who)
	known := err == nil
	if known {
		r.note(who.Person, granted)
	}
	return func(t *Tool) error {
		if t.For == ServiceOnly {
			return t.NotForPeople()
		}
		if scope := t.NotGiven(p); scope != "" {
			return t.notGiven(scope)
		}
		if missing := without(t.personNeeds(), granted); known && len(missing) > 0 {
			return t.notGranted(missing)
		}
		return nil
	}
}

// maxFound bounds the people of whose grants the scopes are remembered.
const maxFound = 10_000

// note remembers what the grant of a person has, and tells when that is something else than before.
func (r *Registry) note(person access.Person, granted []string) {
	granted = slices.Clone(granted)
	slices.Sort(granted)
	has := strings.Join(granted, " ")
	r.mu.Lock()
	had, known := r.found[person]
	if !known && len(r.found) >= maxFound {
		clear(r.found)
	}
	r.found[person] = has
	r.mu.Unlock()
	if known && had != has && r.opt.OnRegranted != nil {
		r.opt.OnRegranted(person)
	}
}

// NeedsScope returns the scope that a person has to give before they may call a tool, "" where that would
// not help, or the caller is nobody who could.
func (r *Registry) NeedsScope(ctx context.Context, name string) access.Scope {
	p, t := access.From(ctx), r.byName[name]
	_, person := p.SignIn()
	if !person || t == nil || t.For == ServiceOnly || r.opt.Granted == nil {
		return ""
	}
	return t.NotGiven(p)
}

// Register adds the tools to s.
func (r *Registry) Register(s *server.MCPServer) {
	for i := range r.tools {
		t := &r.tools[i]
		s.AddTool(t.protocol(), func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return r.call(ctx, s, t, req), nil
		})
	}
}

// protocol is the tool as tools/list shows it.
func (t *Tool) protocol() mcp.Tool {
	return mcp.Tool{
		Name:            t.Name,
		Title:           t.Title,
		Description:     t.Description,
		RawInputSchema:  t.InputSchema,
		RawOutputSchema: t.OutputSchema,
		Annotations: mcp.ToolAnnotation{
			ReadOnlyHint:    new(t.Effect.ReadOnly()),
			DestructiveHint: new(t.Effect.Destructive()),
			IdempotentHint:  new(t.Effect.Idempotent()),
			OpenWorldHint:   new(true), // what people on Slack write comes from outside
		},
	}
}

func (r *Registry) call(ctx context.Context, s *server.MCPServer, t *Tool, req mcp.CallToolRequest) *mcp.CallToolResult {
	c := &Call{Tool: t.Name, Principal: access.From(ctx), Progress: func(float64, float64, string) {}}
	if meta := req.Params.Meta; meta != nil && meta.ProgressToken != nil {
		c.Progress = progress(ctx, s, meta.ProgressToken)
	}
	raw := req.Params.RawArguments
	if len(raw) == 0 {
		raw, _ = json.Marshal(req.Params.Arguments) // they were read from JSON
	}
	if r.opt.OnBegin != nil {
		ctx = r.opt.OnBegin(ctx, t.Name)
	}
	began := time.Now()
	var out Result
	err := r.refuses(ctx, c.Principal, t)
	if err == nil {
		out, err = t.run(ctx, c, raw)
	}
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), access.ErrRevoked) {
		err = errors.Join(access.ErrRevoked, err)
	}
	if r.opt.OnEnd != nil {
		r.opt.OnEnd(ctx, Outcome{Tool: t.Name, Principal: c.Principal.Name, Scope: t.Scope, ReadOnly: t.Effect.ReadOnly(), Duration: time.Since(began), Err: err})
	}
	if err != nil {
		return mcp.NewToolResultError(r.opt.Fault(c.Principal, err))
	}
	res := mcp.NewToolResultStructured(out.Structured, string(out.Structured))
	for i := range out.Media {
		res.Content = append(res.Content, out.Media[i].content())
	}
	return res
}

// refuses returns the error that ends a call before it begins, or nil. For people the filter, which mcp-go
// asks first, is not relied on.
func (r *Registry) refuses(ctx context.Context, p *access.Principal, t *Tool) error {
	if who, person := p.SignIn(); person {
		return r.person(ctx, p, who)(t)
	}
	return r.grant.Load().Refuses(t)
}

// progress returns the function that sends a client how far its call has come.
func progress(ctx context.Context, s *server.MCPServer, token mcp.ProgressToken) func(done, total float64, message string) {
	return func(done, total float64, message string) {
		// A client that takes no progress still gets its result.
		_ = s.SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress), map[string]any{
			"progressToken": token, "progress": done, "total": total, "message": message,
		})
	}
}
