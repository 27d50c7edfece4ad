package eventtest

import (
	"context"
	"sync"

	"slackmcp/mcp/access"
	"slackmcp/mcp/visibility"
	"slackmcp/webhook/event"
)

// Members is a judge of what people see, for tests: who is in which conversation. What happened in none is seen
// by all; in a conversation without members, by nobody. It is safe for concurrent use.
type Members struct {
	// Answer is called by Await, when something is unknown: it may add members. nil is not called.
	Answer func()

	mu      sync.Mutex
	in      map[[2]string]bool // user and conversation
	unknown map[string]bool    // conversations
	asked   map[string]int     // users
}

// Put lets users see a conversation.
func (m *Members) Put(channel string, users ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.in == nil {
		m.in, m.unknown, m.asked = map[[2]string]bool{}, map[string]bool{}, map[string]int{}
	}
	delete(m.unknown, channel)
	for _, u := range users {
		m.in[[2]string{u, channel}] = true
	}
}

// Remove lets a user not see a conversation any more.
func (m *Members) Remove(channel, user string) {
	m.Put(channel)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.in, [2]string{user, channel})
}

// Forget makes it unknown who sees a conversation, until it gets a member.
func (m *Members) Forget(channel string) {
	m.Put(channel)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unknown[channel] = true
}

// Asked is how often something was judged for a user since anybody was put anywhere.
func (m *Members) Asked(user string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[user]
}

// See implements sight.Judge.
func (m *Members) See(p access.Person, e *event.Event) visibility.Verdict {
	if e.Channel == "" {
		return visibility.Visible
	}
	return m.SeeConversation(p, e.Channel)
}

// SeeConversation implements sight.Judge.
func (m *Members) SeeConversation(p access.Person, channel string) visibility.Verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked != nil {
		m.asked[p.User]++
	}
	switch {
	case m.unknown[channel]:
		return visibility.Unknown
	case m.in[[2]string{p.User, channel}]:
		return visibility.Visible
	}
	return visibility.Hidden
}

// Audience implements sight.Judge.
func (m *Members) Audience(e *event.Event, most int) (users []string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Channel == "" || m.unknown[e.Channel] {
		return nil, false
	}
	for in := range m.in {
		if in[1] == e.Channel {
			users = append(users, in[0])
		}
	}
	return users, len(users) <= most
}

// Conversations implements sight.Judge.
func (m *Members) Conversations(p access.Person) (hidden, others []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for in := range m.in {
		if m.unknown[in[1]] || m.in[[2]string{p.User, in[1]}] {
			others = append(others, in[1])
		} else {
			hidden = append(hidden, in[1])
		}
	}
	return hidden, others
}

// Learn implements sight.Judge: it asks for nothing.
func (m *Members) Learn(access.Person, string) bool { return false }

// Await implements sight.Judge.
func (m *Members) Await(ctx context.Context, _ access.Person) bool {
	if m.Answer != nil {
		m.Answer()
	}
	return ctx.Err() == nil
}
