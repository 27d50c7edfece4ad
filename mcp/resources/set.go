package resources

import (
	"context"

	"slackmcp/mcp/toolset"
	"slackmcp/webhook/event"
)

// Options configure the resources.
type Options struct {
	// Events is the log of received events; nil leaves its resources out.
	Events event.Log
	// Tools are those by which Slack is read; what has no tool is no resource.
	Tools []toolset.Tool
	// Granted reports whether the Slack tokens are enough for a tool: if not, what is
	// read by it is hidden. Nil is always.
	Granted func(*toolset.Tool) bool
	// Gaps reads the times in which events may have been missed; nil leaves them out.
	Gaps func(ctx context.Context) (any, error)
	// Lockdown withholds the words of authors who are not known to be of the workspace.
	Lockdown bool
}

// New returns the resources that can be read with what the options hold.
func New(o Options) (*Set, error) {
	var all []Resource
	if o.Events != nil {
		all = append(all, (&eventReader{log: o.Events, lockdown: o.Lockdown}).resources()...)
	}
	if o.Gaps != nil {
		all = append(all, gapsResource(o.Gaps))
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
	all := append((&eventReader{}).resources(), gapsResource(nil))
	return newSet(append(all, r.resources()...))
}
