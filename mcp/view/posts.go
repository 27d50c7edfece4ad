package view

import (
	"sync"

	"slackmcp/webhook/event"
)

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
	// author, in its scene, is of whose event the words hold fields.
	author  *author
	scene   *scene
	changed bool // another one wrote it before
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

// Told notes a message that holds fields of an event of Slack's: it is of the event's author.
func (p *Posts) Told(channel, ts string, e *event.Event) {
	if e.Source == event.SourceSlack {
		_, a, s := open(e).subject(e)
		p.add(channel, ts, post{author: &a, scene: &s})
	}
}

func (p *Posts) add(channel, id string, of post) {
	if p == nil || id == "" || of.principal == "" && !of.fixed && of.author == nil {
		return
	}
	key := channel + "/" + id
	p.mu.Lock()
	defer p.mu.Unlock()
	old, known := p.by[key]
	of.changed = known && (old.changed || old.principal == "" || old.principal != of.principal)
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

// of returns who wrote a message of ours.
func (p *Posts) of(channel, ts string) (post, bool) {
	if p == nil {
		return post{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	of, ok := p.by[channel+"/"+ts]
	return of, ok
}

// ours reports whether a message of ours passes: fixed words, the reader's own, and what holds
// fields of an event whose author passes. What a message said before passes only where no other one wrote
// it.
func (r *Reading) ours(s *scene, ts string) bool {
	of, ok := r.judge.posts.of(s.channel, ts)
	switch {
	case !ok || s.former && of.changed:
		return false
	case of.author == nil:
		return of.fixed || of.principal == r.principal
	case of.author.self, r.isSelf(of.author, of.scene):
		return false // a rule that answers our own posts: whose words those were is not known
	}
	_, passes := r.author(*of.author, of.scene)
	return passes
}
