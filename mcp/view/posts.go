package view

import (
	"context"
	"encoding/json"
	"time"

	"slackmcp/store/state"
	"slackmcp/webhook/event"
)

const (
	// postsPrefix begins the keys of the rows, postsLife is how long one is kept, and postsPatience
	// how long one is waited for.
	postsPrefix   = "posts/"
	postsLife     = 30 * 24 * time.Hour
	postsPatience = 2 * time.Second
)

// Posts remembers who wrote our own messages: which principal called the tool that posted one, or
// that a rule did, and with whose words. What it does not remember, or cannot, is some
// assistant's. Processes that share a state share it, and a message is remembered for 30
// days. It is safe for concurrent use; a nil one remembers nothing.
type Posts struct {
	state state.Store
	of    Remembers
}

// Remembers says which messages are remembered.
type Remembers uint8

const (
	// OfBot are those that the bot posted, which lockdown asks for.
	OfBot Remembers = 1 << iota
	// OfPeople are those that tools posted in people's names.
	OfPeople
)

// NewPosts returns a memory of some messages that is kept in a state.
func NewPosts(s state.Store, of Remembers) *Posts { return &Posts{state: s, of: of} }

// remembers reports whether such messages are remembered.
func (p *Posts) remembers(of Remembers) bool { return p != nil && p.of&of != 0 }

// A post is who wrote a message of ours.
type post struct {
	Principal string `json:"principal,omitempty"`
	For       string `json:"for,omitempty"`     // the person in whose name it was posted; empty is the bot
	Fixed     bool   `json:"fixed,omitempty"`   // the words are this server's own
	Changed   bool   `json:"changed,omitempty"` // another one wrote it before
	// Teller is of whose event the words hold fields.
	Teller *teller `json:"teller,omitempty"`
}

// A teller is the author of an event, in its scene.
type teller struct {
	User, Bot, App, Subtype, Team    string
	Teams                            []string
	Organisation, OurApp, OurBot, In string
	Shared                           *bool
	Self, Acting, Claimed            bool
}

func newTeller(a *author, s *scene) *teller {
	return &teller{
		User: a.user, Bot: a.bot, App: a.app, Subtype: a.subtype, Team: a.team, Self: a.self,
		Teams: s.own.teams, Organisation: s.own.organisation, OurApp: s.app, OurBot: s.bot,
		In: s.channel, Shared: s.shared, Acting: s.acting, Claimed: s.claimed,
	}
}

func (t *teller) author() author {
	return author{user: t.User, bot: t.Bot, app: t.App, subtype: t.Subtype, team: t.Team, self: t.Self}
}

func (t *teller) scene() *scene {
	return &scene{
		own: newHome(t.Organisation, t.Teams...), app: t.OurApp, bot: t.OurBot, enveloped: true,
		claimed: t.Claimed, shared: t.Shared, channel: t.In, acting: t.Acting,
	}
}

// The keys of what is not a message, but a property of a conversation.
const (
	KeyName    = "name"
	KeyTopic   = "topic"
	KeyPurpose = "purpose"
)

// Wrote notes that a principal posted or changed the message of a conversation that has this ts,
// or the property of this key. Without a conversation it is a file, a bookmark or a scheduled
// message, by its id. A note that cannot be kept is left out, and the message is withheld from all.
func (p *Posts) Wrote(ctx context.Context, channel, id, principal string) {
	if principal != "" && p.remembers(OfBot) {
		p.add(ctx, channel, id, post{Principal: principal})
	}
}

// Fixed notes a message that this server composed from its own words.
func (p *Posts) Fixed(ctx context.Context, channel, ts string) {
	if p.remembers(OfBot) {
		p.add(ctx, channel, ts, post{Fixed: true})
	}
}

// Told notes a message that holds fields of an event of Slack's: it is of the event's author.
func (p *Posts) Told(ctx context.Context, channel, ts string, e *event.Event) {
	if e.Source == event.SourceSlack && p.remembers(OfBot) {
		_, a, s := open(e).subject(e)
		p.add(ctx, channel, ts, post{Teller: newTeller(&a, &s)})
	}
}

// add notes who wrote a message, and reports whether that is kept now.
func (p *Posts) add(ctx context.Context, channel, id string, of post) bool {
	if id == "" {
		return true
	}
	// What was posted was posted, also when the caller is gone meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postsPatience)
	defer cancel()
	if old, err := p.row(ctx, channel, id); err == nil {
		of.Changed = old.Changed || old.Principal == "" || old.Principal != of.Principal
	}
	raw, err := json.Marshal(of)
	if err != nil {
		return false
	}
	if _, err = p.state.Put(ctx, postKey(channel, id), raw, state.Put{TTL: postsLife}); err != nil {
		// An older note would say that it is still another's.
		_ = p.state.Delete(ctx, postKey(channel, id), "")
	}
	return err == nil
}

func postKey(channel, id string) string { return postsPrefix + channel + "/" + id }

// row returns who wrote a message of ours.
func (p *Posts) row(ctx context.Context, channel, id string) (of post, err error) {
	e, err := p.state.Get(ctx, postKey(channel, id))
	if err != nil {
		return of, err
	}
	return of, json.Unmarshal(e.Value, &of)
}

// ours reports whether a message of ours passes: fixed words, the reader's own, and what holds
// fields of an event whose author passes. What a message said before passes only where no other one
// wrote it.
func (r *Reading) ours(s *scene, id string) bool {
	of, ok := r.post(s.channel, id)
	switch {
	case !ok || s.former && of.Changed:
		return false
	case of.Teller == nil:
		return of.Fixed || of.Principal != "" && of.Principal == r.principal
	}
	a, in := of.Teller.author(), of.Teller.scene()
	if r.isSelf(&a, in) {
		return false // a rule that answers our own posts: whose words those were is not known
	}
	_, passes := r.author(a, in)
	return passes
}

// post returns who wrote a message of ours, within the reading's bounds.
func (r *Reading) post(channel, id string) (post, bool) {
	key := postKey(channel, id)
	if of, ok := r.posts[key]; ok || r.judge.posts == nil || id == "" {
		return of, ok && of != post{}
	}
	if r.deferred {
		if len(r.missingPosts) < maxPosts {
			r.missingPosts = append(r.missingPosts, [2]string{channel, id})
		}
		return post{}, false
	}
	if len(r.posts) >= maxPosts {
		return post{}, false
	}
	r.posts[key] = r.row(channel, id)
	return r.posts[key], r.posts[key] != post{}
}
