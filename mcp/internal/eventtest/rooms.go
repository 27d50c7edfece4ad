package eventtest

import (
	"context"
	"sync"

	"slackmcp/mcp/access"
	"slackmcp/mcp/visibility"
	"slackmcp/webhook/event"
)

// Rooms is a judge of what people see, for tests: who is in which conversation. What happened in none is seen
// by all; in one that nobody was put into, by nobody. It is safe for concurrent use.
type Rooms struct {
	// Answer is called by Await, when something is unknown: it may put people into rooms. nil is not called.
	Answer func()

	mu      sync.Mutex
	in      map[[2]string]bool // user and conversation
	unknown map[string]bool    // conversations
	asked   int
}

// Put lets users see a conversation.
func (r *Rooms) Put(channel string, users ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in == nil {
		r.in, r.unknown = map[[2]string]bool{}, map[string]bool{}
	}
	delete(r.unknown, channel)
	for _, u := range users {
		r.in[[2]string{u, channel}] = true
	}
}

// Remove lets a user not see a conversation any more.
func (r *Rooms) Remove(channel, user string) {
	r.Put(channel)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.in, [2]string{user, channel})
}

// Forget makes it unknown who sees a conversation, until somebody is put into it.
func (r *Rooms) Forget(channel string) {
	r.Put(channel)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unknown[channel] = true
}

// Asked is how often something was judged.
func (r *Rooms) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// See implements sight.Judge.
func (r *Rooms) See(p access.Person, e *event.Event) visibility.Verdict {
	if e.Channel == "" {
		return visibility.Visible
	}
	return r.SeeConversation(p, e.Channel)
}

// SeeConversation implements sight.Judge.
func (r *Rooms) SeeConversation(p access.Person, channel string) visibility.Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	switch {
	case r.unknown[channel]:
		return visibility.Unknown
	case r.in[[2]string{p.User, channel}]:
		return visibility.Visible
	}
	return visibility.Hidden
}

// Learn implements sight.Judge: it asks for nothing.
func (r *Rooms) Learn(access.Person, string) bool { return false }

// Await implements sight.Judge.
func (r *Rooms) Await(ctx context.Context, _ access.Person) bool {
	if r.Answer != nil {
		r.Answer()
	}
	return ctx.Err() == nil
}
