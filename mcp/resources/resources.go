// Package resources is what an assistant can read by address and follow: received
// events, by all, by conversation, by thread and by sender; and what is in Slack:
// channels, users, user groups, emoji, threads.
//
// It promises that each resource is JSON of bounded size, cleaned and marked as
// untrusted by package view; that a resource is neither listed for, read by nor
// followed by a caller who lacks its scope; and that [Changed] names each resource
// that an event changes.
package resources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/yosida95/uritemplate/v3"

	"slackmcp/mcp/access"
	"slackmcp/mcp/names"
	"slackmcp/mcp/sight"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// Options configure the resources.
type Options struct {
	// Events is the log of received events; nil leaves its resources out.
	Events *sight.Events
	// Tools are those by which Slack is read; what has no tool is no resource.
	Tools []toolset.Tool
	// Granted reports whether what Slack gave is enough for the caller of a tool: if not, what is
	// read by it is hidden. Nil is always, and for people never.
	Granted func(context.Context, *toolset.Tool) bool
	// Gaps reads the times in which events may have been missed, as the caller may know them; nil leaves
	// them out.
	Gaps func(ctx context.Context) (any, error)
	// Judge returns who decides whose words the caller is shown; nil withholds none.
	Judge func(context.Context) (*view.Judge, error)
}

// New returns the resources that can be read with what the options hold.
func New(o Options) (*Set, error) {
	var all []Resource
	if o.Judge == nil {
		judge := view.NewJudge(view.JudgeOptions{})
		o.Judge = func(context.Context) (*view.Judge, error) { return judge, nil }
	}
	if o.Events != nil {
		all = append(all, (&eventReader{events: o.Events, judgeOf: o.Judge}).resources()...)
	}
	if o.Gaps != nil {
		all = append(all, gapsResource(o.Gaps, (&eventReader{events: o.Events}).sees))
	}
	r := &toolReader{tools: map[string]toolset.Tool{}, granted: o.Granted}
	for _, t := range o.Tools {
		r.tools[t.Name] = t
	}
	return newSet(append(all, r.resources()...))
}

// Describe returns every resource that there is with those tools, to be described and
// not to be read.
func Describe(tools []toolset.Tool) (*Set, error) {
	r := &toolReader{tools: map[string]toolset.Tool{}}
	for _, t := range tools {
		r.tools[t.Name] = t
	}
	all := append((&eventReader{}).resources(), gapsResource(nil, nil))
	return newSet(append(all, r.resources()...))
}

const mimeType = "application/json"

// A Resource is the description of one resource, or of a family of them, and the way
// to read it.
type Resource struct {
	// URI is an address, or an RFC 6570 template of addresses.
	URI string
	// Name is unique among all: clients page by it. Title and Description are for
	// people and models.
	Name, Title, Description string
	// Scope is what a principal needs to list, read and follow it.
	Scope access.Scope

	template *uritemplate.Template // nil for a single resource
	read     func(ctx context.Context, v vars) (any, error)
	hidden   func(context.Context) bool // nil is never
	people   func(context.Context) bool // for a person who has signed in, too; nil is never
}

// open reports whether the caller may list, read and follow the resource.
func (r *Resource) open(ctx context.Context) bool {
	p := access.From(ctx)
	may := p.Has(r.Scope) || r.people != nil && p.PersonMay(r.Scope) && r.people(ctx)
	return may && (r.hidden == nil || !r.hidden(ctx))
}

// vars are the values of a template's variables, decoded.
type vars map[string]string

// A Set is the resources of a server. It is immutable.
type Set struct {
	all []Resource
}

func newSet(list []Resource) (*Set, error) {
	s := &Set{}
	seen := map[string]bool{}
	var errs []error
	for _, r := range list {
		if seen[r.Name] || seen[r.URI] {
			errs = append(errs, fmt.Errorf("resources: %s (%s) is there twice", r.Name, r.URI))
		}
		seen[r.Name], seen[r.URI] = true, true
		if strings.Contains(r.URI, "{") {
			t, err := uritemplate.New(r.URI)
			if err != nil {
				errs = append(errs, fmt.Errorf("resources: %s: %w", r.URI, err))
				continue
			}
			r.template = t
		}
		s.all = append(s.all, r)
	}
	return s, errors.Join(errs...)
}

// List returns the descriptions in order.
func (s *Set) List() []Resource { return append([]Resource(nil), s.all...) }

// IsTemplate reports whether URI is a template.
func (r *Resource) IsTemplate() bool { return r.template != nil }

// Register adds the resources to an MCP server, which must have been built with the
// hooks that [Set.Hooks] adds.
func (s *Set) Register(m *server.MCPServer) {
	for i := range s.all {
		r := &s.all[i]
		if r.template == nil {
			m.AddResource(mcp.NewResource(r.URI, r.Name, mcp.WithResourceTitle(r.Title),
				mcp.WithResourceDescription(r.Description), mcp.WithMIMEType(mimeType)), s.handle)
			continue
		}
		m.AddResourceTemplate(mcp.NewResourceTemplate(r.URI, r.Name, mcp.WithTemplateTitle(r.Title),
			mcp.WithTemplateDescription(r.Description), mcp.WithTemplateMIMEType(mimeType)), s.handle)
	}
}

// Hooks makes lists leave out what the caller may not read: mcp-go has no filter for
// resources.
func (s *Set) Hooks(h *server.Hooks) {
	h.AddAfterListResources(func(ctx context.Context, _ any, _ *mcp.ListResourcesRequest, res *mcp.ListResourcesResult) {
		kept := []mcp.Resource{}
		for _, r := range res.Resources {
			if s.allowed(ctx, r.Name) {
				kept = append(kept, r)
			}
		}
		res.Resources = kept
	})
	h.AddAfterListResourceTemplates(func(ctx context.Context, _ any, _ *mcp.ListResourceTemplatesRequest, res *mcp.ListResourceTemplatesResult) {
		kept := []mcp.ResourceTemplate{}
		for _, r := range res.ResourceTemplates {
			if s.allowed(ctx, r.Name) {
				kept = append(kept, r)
			}
		}
		res.ResourceTemplates = kept
	})
}

func (s *Set) allowed(ctx context.Context, name string) bool {
	for i := range s.all {
		if s.all[i].Name == name {
			return s.all[i].open(ctx)
		}
	}
	return false
}

// handle reads any resource. It looks the URI up itself, so that one rule says what an
// address means, however mcp-go came here.
func (s *Set) handle(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	text, err := s.Read(ctx, req.Params.URI)
	if err != nil {
		return nil, err
	}
	return []mcp.ResourceContents{mcp.TextResourceContents{URI: req.Params.URI, MIMEType: mimeType, Text: text}}, nil
}

// Read returns a resource as JSON. What is not there, or not for the caller, is
// mcp-go's ErrResourceNotFound.
func (s *Set) Read(ctx context.Context, uri string) (string, error) {
	r, v, ok := s.find(uri)
	if !ok || !r.open(ctx) {
		return "", server.ErrResourceNotFound
	}
	value, err := r.read(ctx, v)
	var slack *slackapi.Error
	if errors.As(err, &slack) && slack.Kind == slackapi.NotFound || notThere(err) {
		return "", server.ErrResourceNotFound
	}
	if slack != nil {
		// The client gets the kind of Slack's error, which is enough.
		return "", fmt.Errorf("read %s: slack: %s", r.Name, slack.Kind)
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", r.Name, err)
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "", fmt.Errorf("encode %s: %w", r.Name, err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// notThere reports an error which says that an address names nothing, also one that is malformed:
// what stands in the place of an id is then no name of anything either.
func notThere(err error) bool {
	var argument *toolset.ArgumentError
	return errors.Is(err, event.ErrNotFound) || errors.Is(err, names.ErrNoChannel) || errors.Is(err, names.ErrNoUser) ||
		errors.As(err, &argument) || names.IsAmbiguous(err)
}

// Subscribable is nil for a URI that the caller may follow, whether or not anything is
// there yet; otherwise mcp-go's ErrResourceNotFound.
func (s *Set) Subscribable(ctx context.Context, uri string) error {
	if r, _, ok := s.find(uri); !ok || !r.open(ctx) {
		return server.ErrResourceNotFound
	}
	return nil
}

func (s *Set) find(uri string) (*Resource, vars, bool) {
	for i := range s.all {
		r := &s.all[i]
		if r.template == nil {
			if r.URI == uri {
				return r, nil, true
			}
			continue
		}
		if v := r.match(uri); v != nil {
			return r, v, true
		}
	}
	return nil, nil, false
}

// match returns the values of the template's variables; none of them may be empty.
func (r *Resource) match(uri string) vars {
	m := r.template.Match(uri)
	if m == nil {
		return nil
	}
	v := vars{}
	for name, value := range m {
		if v[name] = value.String(); v[name] == "" {
			return nil
		}
	}
	return v
}
