package view

import "sync"

// keptPosts bounds how many of our own messages are remembered.
const keptPosts = 20_000

// Posts remembers who wrote our own messages: which principal called the tool that posted one,
// or that this server composed it from fixed words. What it does not remember is some
// assistant's. It is safe for concurrent use; a nil one is empty.
type Posts struct {
	mu    sync.Mutex
	by    map[string]post
	order []string // a ring, once it is full
	next  int
}

// A post is who wrote a message of ours.
type post struct {
	principal string
	fixed     bool // the words are this server's own
	changed   bool // another one wrote it before
}

// NewPosts returns an empty memory.
func NewPosts() *Posts { return &Posts{by: map[string]post{}} }

// The keys of what is not a message, but a property of a conversation.
const (
	KeyName    = "name"
	KeyTopic   = "topic"
	KeyPurpose = "purpose"
)

// Wrote notes that a principal posted or changed the message of a conversation that has this ts,
// or the property of this key. Without a conversation it is a file, a bookmark or a scheduled
// message, by its id.
func (p *Posts) Wrote(channel, id, principal string) { p.add(channel, id, post{principal: principal}) }

// Fixed notes a message that this server composed from its own words.
func (p *Posts) Fixed(channel, ts string) { p.add(channel, ts, post{fixed: true}) }

func (p *Posts) add(channel, id string, of post) {
	if p == nil || id == "" || of.principal == "" && !of.fixed {
		return
	}
	key := channel + "/" + id
	p.mu.Lock()
	defer p.mu.Unlock()
	old, known := p.by[key]
	of.changed = known && (old.changed || old.principal != of.principal || old.fixed != of.fixed)
	p.by[key] = of
	switch {
	case known:
	case len(p.order) < keptPosts:
		p.order = append(p.order, key)
	default:
		delete(p.by, p.order[p.next])
		p.order[p.next] = key
		p.next = (p.next + 1) % keptPosts
	}
}

// passes reports whether a principal may read a message of ours: its own words, and fixed ones.
// What a message said before passes only where nobody else wrote it.
func (p *Posts) passes(s *scene, ts, principal string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	of, ok := p.by[s.channel+"/"+ts]
	if s.former && of.changed {
		return false
	}
	return ok && (of.fixed || of.principal == principal)
}
