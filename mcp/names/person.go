package names

import (
	"context"
	"time"

	"slackmcp/slackapi"
)

// personShare is which part of the bounds of a resolver a person's has: there are many of them.
const personShare = 10

// ForPerson returns the resolver of one person, who asks Slack by s, with their own token. What it
// learns no other one sees. A full member of the bot's workspace also sees what r, the resolver of all,
// knows of people, user groups and public conversations: all members may. Of private conversations, and of
// direct messages, a person's resolver knows what Slack told this person. team is the workspace that Slack
// names for the person's token: one of another workspace, or whose workspace or the bot's is not known,
// sees nothing of r.
func (r *Resolver) ForPerson(ctx context.Context, s Slack, team string, member bool) (*Resolver, error) {
	p, err := newResolver(s, r.bounds, personShare)
	if err != nil {
		return nil, err
	}
	p.now, p.shared = r.now, r
	if bot, err := r.Self(ctx); member && err == nil && team != "" && team == bot.TeamID {
		p.users.loan = loan[User]{from: r.users, lend: r.lendUser}
		p.groups.loan = loan[slackapi.UserGroup]{from: r.groups, lend: lendGroup}
		p.channels.loan = loan[Channel]{from: r.channels, lend: lendPublic}
		p.roster.known = func(now time.Time) bool { return r.roster.within(stale, now) }
	}
	return p, nil
}

// Kept is how many entries the resolver keeps itself, of some 400 bytes each; what it is lent does not count.
func (r *Resolver) Kept() int {
	return r.channels.size() + r.users.size() + r.groups.size() + r.unfound.size() + r.directs.size() + r.threads.size()
}

// lendUser lends those of the own workspace and organisation: whom of others the bot sees, in a channel
// that is shared with them, is nothing that all members may know.
func (r *Resolver) lendUser(u User, _ time.Duration) (User, bool) {
	self, known := r.knownSelf()
	return u, known && u.of(self)
}

func lendGroup(g slackapi.UserGroup, _ time.Duration) (slackapi.UserGroup, bool) {
	return g, !g.IsExternal
}

// lendFor is how long a conversation is taken for public since Slack said so.
const lendFor = 15 * time.Minute

// lendPublic lends what is known for certain, and lately, to be public. That the bot is a member is not
// told.
func lendPublic(c Channel, age time.Duration) (Channel, bool) {
	c.Member = false
	return c, age < lendFor && !c.Private && !c.Partial && !c.Group && c.User == "" && c.ID != "" && c.ID[0] == 'C'
}
