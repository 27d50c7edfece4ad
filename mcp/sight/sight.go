// Package sight decides what of the received events a caller reads: nothing may be read for an assistant
// but by a [Viewer], who is made from an authenticated principal.
//
// [Events] is the whole log in a wrapping that hands out one thing: a [Log] that is bound to a viewer.
// What reads for assistants holds these and never an event.Log, which a test in internal/arch sees to; the
// zero value of each of them sees nothing.
//
// It promises that an event which a person may not see is as one that does not exist: it is in no page,
// takes none of a page's room, is told apart by no error and wakes nobody; and that an event is judged when
// it is read, not when its reader began.
package sight

import (
	"context"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/cursor"
	"slackmcp/mcp/visibility"
	"slackmcp/webhook/event"
)

// A reach is how much of the log a viewer may see.
type reach uint8

const (
	nothing reach = iota
	judged
	everything
)

// A Viewer is for whom events are read. The zero value sees nothing.
type Viewer struct {
	reach reach
	// Where events are judged:
	person access.Person
	signIn string // its id
}

// Of returns the viewer of a principal's calls: a service with the scope events sees everything, a person
// who gave that scope to their client what they may see in Slack. Everybody else, and nil, sees nothing.
func Of(p *access.Principal) Viewer {
	if p.Has(access.Events) {
		return Viewer{reach: everything}
	}
	if who, person := p.SignIn(); person && p.PersonMay(access.Events) && who.Person.Valid() {
		return Viewer{reach: judged, person: who.Person, signIn: who.ID}
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

// A Judge says what a person may see now. It is a *[visibility.Judge].
type Judge interface {
	// See decides at once, and begins to ask for what it does not know.
	See(p access.Person, e *event.Event) visibility.Verdict
	// Audience returns the users of whom See may say more than Hidden of an event, at most so many; without ok it may
	// be anybody.
	Audience(e *event.Event, most int) (users []string, ok bool)
	// SeeConversation decides at once on a conversation, and asks for nothing.
	SeeConversation(p access.Person, channel string) visibility.Verdict
	// Conversations returns those of whose events the person sees none but what they did themselves, and all others that
	// are known.
	Conversations(p access.Person) (hidden, others []string)
	// Learn begins to ask for what is not known of a conversation, if it is to be asked for, and reports
	// whether it did.
	Learn(p access.Person, channel string) bool
	// Await waits until what was asked for is answered, or ctx ends.
	Await(ctx context.Context, p access.Person) bool
}

// Options say how the events of people are judged and shown. The zero value shows people nothing.
type Options struct {
	// Judge decides which events they see; nil is none.
	Judge Judge
	// Show returns what is shown of an event that a person may see. sees reports whether they may see a
	// conversation that it names. Nil shows no event.
	Show func(p access.Person, sees func(channel string) bool, e *event.Event) event.Event
	// Cursors seals where their readers stand; nil lets none read.
	Cursors cursor.Sealer
	// Look bounds how long a page is filled from behind what is hidden, and then how long more is looked for behind
	// it; 0 is 250 ms each.
	Look time.Duration
}

func (o *Options) complete() bool { return o.Judge != nil && o.Show != nil && o.Cursors != nil }

// Events is the received events, of which nobody sees any but as a viewer. Nil has none.
type Events struct {
	log event.Log
	opt Options
}

// Over returns the events of a log; of none it is nil.
func Over(log event.Log, o Options) *Events {
	if log == nil {
		return nil
	}
	return &Events{log: log, opt: o}
}

// Audience returns the ids of the Slack users of whom a [Log.Verdict] on an event may be more than Hidden, if they are
// at most so many; without ok it may be anybody's. Others need not be asked.
func (e *Events) Audience(of *event.Event, most int) (users []string, ok bool) {
	if e == nil || !e.opt.complete() {
		return nil, false
	}
	return e.opt.Judge.Audience(of, most)
}

// For returns the events as a viewer sees them.
func (e *Events) For(v Viewer) Log {
	if e == nil {
		return Log{}
	}
	return Log{log: e.log, opt: &e.opt, viewer: v}
}

// A Log is the events as one viewer sees them. It has the contract of event.Log. The zero value is empty.
type Log struct {
	log    event.Log // nil has no events
	opt    *Options
	viewer Viewer
	// follows is that a page of the oldest events first ends before what is not known yet; see [Log.Following].
	follows bool
}

var _ event.Log = Log{}

// blind reports that the viewer sees nothing.
func (l Log) blind() bool {
	return l.log == nil || l.viewer.reach == nothing || l.viewer.reach == judged && !l.opt.complete()
}

// followHold is how old an event of which it is unknown whether its reader may see it is before one who follows the
// log goes on behind it.
const followHold = time.Minute

// Following returns the events for one who reads on from where each page ended, and does not come back: a page, oldest
// first, ends before an event of the last minute of which it is not known whether they may see it. It says that it is
// not judged then, and the next one may have more.
func (l Log) Following() Log {
	l.follows = true
	return l
}

// Sees reports whether there may be anything that the viewer sees.
func (l Log) Sees() bool { return !l.blind() }

// Cursor writes and reads where the viewer's readers stand, for one question.
func (l Log) Cursor(question ...string) cursor.Codec {
	if l.viewer.reach != judged || l.blind() {
		return cursor.Codec{}
	}
	return cursor.For(l.opt.Cursors, l.viewer.signIn, question...)
}

// Query implements event.Log.
func (l Log) Query(ctx context.Context, q event.Query, use func(event.Page) error) error {
	switch {
	case l.blind():
		return use(event.Page{})
	case l.viewer.reach == everything:
		return l.log.Query(ctx, q, use)
	}
	return l.query(ctx, q, use)
}

// Get implements event.Log.
func (l Log) Get(ctx context.Context, source, id string, use func(*event.Event) error) error {
	switch {
	case l.blind():
		return event.ErrNotFound
	case l.viewer.reach == everything:
		return l.log.Get(ctx, source, id, use)
	}
	return l.get(ctx, source, id, use)
}

// Watch implements event.Log.
func (l Log) Watch(f event.Filter) (changed <-chan struct{}, stop func()) {
	switch {
	case l.blind():
		return nil, func() {}
	case l.viewer.reach == judged:
		// What is unknown is waited for when it is read.
		f.Sight = l.sight(func(e *event.Event) bool { return l.see(e) != visibility.Hidden })
	}
	return l.log.Watch(f)
}

// Verdict decides whether the viewer may see an event of the log, as of now. It does not wait.
func (l Log) Verdict(e *event.Event) visibility.Verdict {
	switch {
	case l.blind():
		return visibility.Hidden
	case l.viewer.reach == everything:
		return visibility.Visible
	}
	return l.see(e)
}

// Newest implements event.Log.
func (l Log) Newest() event.Position {
	if l.blind() {
		return ""
	}
	return l.log.Newest()
}
