// Package sight decides what of the received events a caller reads: nothing may be read for an assistant
// but by a [Viewer], who is made from an authenticated principal.
//
// [Events] is the whole log in a wrapping that hands out one thing: a [Log] that is bound to a viewer.
// What reads for assistants holds these and never an event.Log, which a test in internal/arch sees to; the
// zero value of each of them sees nothing.
package sight

import (
	"context"

	"slackmcp/mcp/access"
	"slackmcp/webhook/event"
)

// A reach is how much of the log a viewer may see.
type reach uint8

const (
	nothing reach = iota
	everything
)

// A Viewer is for whom events are read. The zero value sees nothing.
type Viewer struct {
	reach reach
}

// Of returns the viewer of a principal's calls: a service with the scope events sees everything. Everybody
// else, and nil, sees nothing.
func Of(p *access.Principal) Viewer {
	if p.Has(access.Events) {
		return Viewer{reach: everything}
	}
	return Viewer{}
}

// Aiding returns the viewer for what a tool reads of the log by the way, to serve a principal who need not
// have the scope events: what is in the log of a conversation that the tool reads in Slack, and where the
// log ends. A service sees everything, as the tool itself does; of a person it is [Of].
func Aiding(p *access.Principal) Viewer {
	if _, person := p.SignIn(); p != nil && !person {
		return Viewer{reach: everything}
	}
	return Of(p)
}

// Events is the received events, of which nobody sees any but as a viewer. Nil has none.
type Events struct {
	log event.Log
}

// Over returns the events of a log; of none it is nil.
func Over(log event.Log) *Events {
	if log == nil {
		return nil
	}
	return &Events{log: log}
}

// For returns the events as a viewer sees them.
func (e *Events) For(v Viewer) Log {
	if e == nil {
		return Log{}
	}
	return Log{log: e.log, viewer: v}
}

// A Log is the events as one viewer sees them. It has the contract of event.Log. The zero value is empty.
type Log struct {
	log    event.Log // nil has no events
	viewer Viewer
}

var _ event.Log = Log{}

// blind reports that the viewer sees nothing.
func (l Log) blind() bool { return l.log == nil || l.viewer.reach == nothing }

// Query implements event.Log.
func (l Log) Query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	if l.blind() {
		return use(event.Page{})
	}
	return l.log.Query(ctx, q, use)
}

// Get implements event.Log.
func (l Log) Get(ctx context.Context, source, id string, use func(*event.Event) error) error {
	if l.blind() {
		return event.ErrNotFound
	}
	return l.log.Get(ctx, source, id, use)
}

// Watch implements event.Log.
func (l Log) Watch(f event.Filter) (changed <-chan struct{}, stop func()) {
	if l.blind() {
		return nil, func() {}
	}
	return l.log.Watch(f)
}

// Newest implements event.Log.
func (l Log) Newest() event.Position {
	if l.blind() {
		return ""
	}
	return l.log.Newest()
}
