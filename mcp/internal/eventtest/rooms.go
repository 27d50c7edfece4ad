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
	asked   map[string]int     // users
}

// Put lets users see a conversation.
func (r *Rooms) Put(channel string, users ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in == nil {
		r.in, r.unknown, r.asked = map[[2]string]bool{}, map[string]bool{}, map[string]int{}
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

// Asked is how often something was judged for a user since anybody was put anywhere.
func (r *Rooms) Asked(user string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[user]
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
	if r.asked != nil {
		r.asked[p.User]++
	}
	switch {
	case r.unknown[channel]:
		return visibility.Unknown
	case r.in[[2]string{p.User, channel}]:
		return visibility.Visible
	}
	return visibility.Hidden
}

// Audience implements sight.Judge.
func (r *Rooms) Audience(e *event.Event, most int) (users []string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Channel == "" || r.unknown[e.Channel] {
		return nil, false
	}
	for in := range r.in {
		if in[1] == e.Channel {
			users = append(users, in[0])
		}
	}
	return users, len(users) <= most
}

// Conversations implements sight.Judge.
func (r *Rooms) Conversations(p access.Person) (hidden, others []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for in := range r.in {
		if r.unknown[in[1]] || r.in[[2]string{p.User, in[1]}] {
			others = append(others, in[1])
		} else {
			hidden = append(hidden, in[1])
		}
	}
	return hidden, others
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
