package visibility

import (
	"cmp"
	"strings"

	"slackmcp/mcp/access"
	"slackmcp/webhook/event"
)

// Audience returns the ids of the users of whom [Judge.See] may say more than Hidden of an event, each once, as far as
// the conversation, or who did it, tells. Whoever is not among them does not see it; whoever is has to be judged. ok is
// false where it may be anybody, or more than most users. It asks Slack nothing.
func (j *Judge) Audience(e *event.Event, most int) (users []string, ok bool) {
	f := read(e)
	self, known := j.opt.Self()
	j.mu.RLock()
	defer j.mu.RUnlock()
	b := bench{Judge: j, self: self, known: known, now: j.opt.Now()}
	switch {
	case !b.known || !b.ready || b.ahead(e), e.Source == event.SourceGaps && e.Kind.Type == event.KindGap:
		return nil, false
	case e.Source != event.SourceSlack:
		return b.shown(e.Source)
	}
	switch class := classes[e.Kind.Type]; {
	case class == ofLife:
		return nil, true
	case class == ofActor, class == onMessage && !f.forAll:
		return []string{e.User}, true
	case class == onMessage, class == onFile && e.Channel == "", class == ofWorkspace && e.Channel == "":
		return nil, false
	case e.Channel == "":
		return nil, true
	}
	return b.inside(e.Channel, most)
}

// Conversations returns those of whose events a person sees none, as of now, but what they did themselves, and all
// others that are known: what is unknown has to be judged, or it would never be looked up. It asks Slack nothing.
func (j *Judge) Conversations(p access.Person) (hidden, others []string) {
	self, known := j.opt.Self()
	j.mu.RLock()
	defer j.mu.RUnlock()
	b := bench{Judge: j, self: self, known: known, now: j.opt.Now()}
	u, _ := b.person(p, cmp.Or(self.Team, p.Team))
	if !b.ready || u == nil {
		return nil, nil
	}
	for id, c := range j.convs {
		// The team of an event of an organization may be known, and decides of a public channel.
		if c.kind == public && !u.guest || b.place(p, u, self.Team, id).verdict != Hidden {
			others = append(others, id)
		} else {
			hidden = append(hidden, id)
		}
	}
	return hidden, others
}

// shown returns those whom the operator shows the events of a sender other than Slack.
func (b *bench) shown(source string) (users []string, ok bool) {
	rule := b.sources[source]
	if rule.All {
		return nil, false
	}
	met := map[string]bool{}
	for _, id := range rule.List {
		_, user, whole := strings.Cut(id, "/")
		if !whole {
			user = id
		}
		if !met[user] {
			met[user] = true
			users = append(users, user)
		}
	}
	return users, true
}

// inside returns those who may see what is said in a conversation, where membership decides it.
func (b *bench) inside(id string, most int) (users []string, ok bool) {
	c := b.convs[id]
	switch {
	case c == nil || !b.typed(c):
		return nil, false
	case c.kind == direct:
		return []string{b.byIndex[c.other].id}, true
	case c.kind != private && c.kind != group || !b.fresh(c.listedAt, c.counts()) || len(c.members)+len(c.marks) > most:
		return nil, false
	}
	users = make([]string, 0, len(c.members)+len(c.marks))
	for _, i := range c.members {
		users = append(users, b.byIndex[i].id)
	}
	for i := range c.marks {
		if u := b.byIndex[i]; !c.has(u) {
			users = append(users, u.id)
		}
	}
	return users, true
}
