package view

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// Lockdown says whose words are withheld from assistants.
type Lockdown uint8

const (
	// Off withholds nothing.
	Off Lockdown = iota
	// Guests lets the words of full members and guests of our workspace or organisation through.
	Guests
	// Members lets those of full members alone through.
	Members
)

// People finds out who an author is; *names.Resolver has it.
type People interface {
	// Self is who our own app is.
	Self(ctx context.Context) (slackapi.Identity, error)
	// Users returns what is known of some users; of those that are not known it asks Slack for at
	// most ask.
	Users(ctx context.Context, ids []string, ask int) map[string]names.User
	// Learn makes many users known by few calls, as far as ctx allows.
	Learn(ctx context.Context) error
	// KnownChannel returns what is known of a conversation without asking.
	KnownChannel(id string) (names.Channel, bool)
	// KnownUser and KnownGroup do so of a user and a user group.
	KnownUser(id string) (names.User, bool)
	KnownGroup(id string) (slackapi.UserGroup, bool)
	// KnownHandle returns the one user who has a handle, without asking.
	KnownHandle(handle string) (names.User, bool)
	// Look asks for names that are not known, within bounds of its own, and returns how many it had
	// no time for.
	Look(ctx context.Context, w names.Wanted) (late int)
}

// JudgeOptions configure a [Judge].
type JudgeOptions struct {
	Lockdown Lockdown
	// Apps are the ids of apps, such as A0123456789, whose messages lockdown lets through.
	Apps []string
	// People finds authors, and who we are; with nil lockdown lets nobody's words through.
	People People
	// Posts are our own messages, and who wrote them; nil knows of none.
	Posts *Posts
	// Zone is the time zone in which times are shown; nil is UTC. It must not block.
	Zone func() *time.Location
}

// A Judge decides whose words an assistant is shown. An author is inside, outside or unknown,
// and under lockdown only the words of those inside pass. It is safe for concurrent use.
type Judge struct {
	level  Lockdown
	apps   map[string]bool
	people People
	posts  *Posts
	zone   func() *time.Location
}

// NewJudge returns a judge.
func NewJudge(o JudgeOptions) *Judge {
	j := &Judge{level: o.Lockdown, apps: map[string]bool{}, people: o.People, posts: o.Posts, zone: o.Zone}
	for _, app := range o.Apps {
		j.apps[app] = true
	}
	return j
}

// For returns the judge of a person, by what they see of others, in their own time zone. What lockdown
// withholds is the same.
func (j *Judge) For(people People, zone *time.Location) *Judge {
	person := *j
	person.people, person.zone = people, func() *time.Location { return zone }
	return &person
}

// Lockdown reports whether words are withheld.
func (j *Judge) Lockdown() bool { return j.level != Off }

// Zone is the time zone in which times are shown, and in which a time without a zone is meant.
func (j *Judge) Zone() *time.Location {
	if j.zone == nil {
		return time.UTC
	}
	return j.zone()
}

// Bounds of what one reading asks Slack for.
const (
	lookUps        = 50
	fewLookUps     = 5 // one by one; then the list of users is read
	maxMissing     = 1000
	maxPosts       = 1000 // whose authors are looked up
	lookUpPatience = 3 * time.Second
)

// A Reading makes the views of one answer. It remembers the authors whom it has met. It asks
// Slack about 50 of them at most, under lockdown also for the list of users where there are more than
// a few, within 3 seconds; the others stay unknown. It is used by one
// goroutine, and ends with the context that it was made with.
type Reading struct {
	judge     *Judge
	principal string // who reads
	// find and who ask within the context of the call.
	find  func(id string, ask int) (names.User, bool)
	who   func() (slackapi.Identity, error)
	row   func(channel, id string) post
	learn func()
	posts map[string]post // an empty one is not known
	users map[string]names.User
	asked map[string]bool
	left  int       // look-ups
	until time.Time // when they end; set by the first
	self  *slackapi.Identity
	// deferred reports that nothing may be asked now; missing are those of whom it would have been.
	deferred     bool
	missing      []string
	missingPosts [][2]string // conversation and id

	naming naming
	sought map[string]bool               // ids that were wanted, once
	wanted names.Wanted                  // ids whose names a deferred reading did not know
	late   int                           // of them, those for whom there was no time
	seek   func(names.Wanted) (late int) // asks within the context of the call
	looked bool                          // names were asked for: their deadline is set
	year   int                           // of the first time that was shown
}

// Reading begins an answer to the principal of ctx.
func (j *Judge) Reading(ctx context.Context) *Reading {
	r := &Reading{judge: j, users: map[string]names.User{}, asked: map[string]bool{}, left: lookUps, posts: map[string]post{}, naming: newNaming(), sought: map[string]bool{}}
	if p := access.From(ctx); p != nil {
		r.principal = p.Name
	}
	r.find = func(id string, ask int) (names.User, bool) {
		ctx, cancel := context.WithDeadline(ctx, r.deadline())
		defer cancel()
		u, ok := j.people.Users(ctx, []string{id}, ask)[id]
		return u, ok
	}
	r.who = func() (slackapi.Identity, error) {
		ctx, cancel := context.WithDeadline(ctx, r.deadline())
		defer cancel()
		return j.people.Self(ctx)
	}
	r.learn = sync.OnceFunc(func() {
		ctx, cancel := context.WithDeadline(ctx, r.deadline())
		defer cancel()
		_ = j.people.Learn(ctx) // who is not known then is asked for
	})
	r.seek = func(w names.Wanted) int {
		ctx, cancel := context.WithDeadline(ctx, r.deadline())
		defer cancel()
		return j.people.Look(ctx, w)
	}
	r.row = func(channel, id string) post {
		ctx, cancel := context.WithDeadline(ctx, r.deadline())
		defer cancel()
		of, _ := j.posts.row(ctx, channel, id) // what cannot be read is not known
		return of
	}
	return r
}

// Read calls use with a reading that asks Slack for nothing, because what it reads must not be
// held while Slack is asked. Where people turned out to be unknown, whose names are to be shown or on
// whom it depends what is shown, they are asked for afterwards, within the bounds of a [Reading], and
// use is called once more: it has to begin anew then. Under lockdown that may happen twice, because a
// text that passes mentions others.
func (j *Judge) Read(ctx context.Context, use func(*Reading) error) error {
	r := j.Reading(ctx)
	if j.people == nil {
		return use(r)
	}
	if r.Lockdown() {
		r.Self()
	}
	r.deferred = true
	for range 2 {
		if err := use(r); err != nil {
			return err
		}
		if !r.lookUp() {
			return nil
		}
		r.Afresh()
	}
	return use(r)
}

// lookUp finds those whom a deferred reading met and did not know. It reports whether the views have
// to be made anew.
func (r *Reading) lookUp() (again bool) {
	r.deferred = false
	if !r.looked {
		r.until = time.Time{} // the reading took its own time
	}
	r.looked = true
	again = r.look()
	for _, id := range r.missing {
		_, ok := r.user(id, true)
		again = again || ok
	}
	for _, p := range r.missingPosts {
		_, ok := r.post(p[0], p[1])
		again = again || ok
	}
	r.missing, r.missingPosts = nil, nil
	r.deferred = true
	return again
}

// deadline is when the look-ups end.
func (r *Reading) deadline() time.Time {
	if r.until.IsZero() {
		r.until = time.Now().Add(lookUpPatience)
	}
	return r.until
}

// Lockdown reports whether words are withheld.
func (r *Reading) Lockdown() bool { return r.judge.Lockdown() }

// Self is who our own app is, or the zero value when that cannot be found out: then nothing is
// ours, which is the careful side.
func (r *Reading) Self() slackapi.Identity {
	if r.self == nil {
		r.self = &slackapi.Identity{}
		if r.judge.people != nil {
			if self, err := r.who(); err == nil {
				r.self = &self
			}
		}
	}
	return *r.self
}

// home is what our own workspace and organisation are by our token.
func (r *Reading) home() home {
	self := r.Self()
	return newHome(self.EnterpriseID, self.TeamID)
}

// user returns what is known of a user. With ask Slack is asked, within the reading's bounds.
func (r *Reading) user(id string, ask bool) (names.User, bool) {
	if u, ok := r.users[id]; ok {
		return u, true
	}
	if id == "" || r.judge.people == nil || r.asked[id] {
		return names.User{}, false
	}
	u, ok := r.find(id, 0)
	switch {
	case ok || !ask:
	case !r.deferred:
		u, ok = r.ask(id)
	case len(r.missing) < maxMissing && !slices.Contains(r.missing, id):
		r.missing = append(r.missing, id)
	}
	if ok {
		r.users[id] = u
	}
	return u, ok
}

// ask asks Slack for a user: for a few one by one, and then for the list of users first.
func (r *Reading) ask(id string) (u names.User, ok bool) {
	if r.Lockdown() && r.left <= lookUps-fewLookUps {
		r.learn()
		u, ok = r.find(id, 0)
	}
	if !ok && r.left > 0 {
		r.left--
		u, ok = r.find(id, 1)
	}
	r.asked[id] = !ok
	return u, ok
}

// A side is where an author stands.
type side uint8

const (
	unknown side = iota
	inside
	outside
)

// sideOf judges a user by what users.info says.
func sideOf(u *names.User, own home) side {
	switch {
	case own.has(u.Team), own.has(u.Organisation):
		return inside // Slack sets is_stranger of people of our organisation's other workspaces, too
	case u.Stranger:
		return outside
	case u.Team == "" && u.Organisation == "", own.isZero():
		return unknown
	case u.Organisation == "" && own.organisation != "":
		return unknown // perhaps another workspace of our organisation
	}
	return outside
}

// located is a scene in which own is what our own token says. An app may be installed in other
// workspaces, too: what the envelope of such an event says of its conversation is no evidence, and
// where it is not known who we are nothing is ours.
func (r *Reading) located(s *scene) *scene {
	if !r.Lockdown() && !s.own.isZero() {
		return s // nothing depends on it that would be worth asking for
	}
	at, mine := *s, r.home()
	organisation := mine.organisation != "" && s.own.organisation == mine.organisation
	if at.own = mine; organisation && !s.claimed {
		at.own = newHome(mine.organisation, slices.Concat(mine.teams, s.own.teams)...)
	}
	if r.Lockdown() && s.unshared() && !organisation && !slices.ContainsFunc(s.own.teams, mine.has) {
		at.shared = nil
	}
	return &at
}

// author says who wrote a text that stands in a scene, and whether it passes.
func (r *Reading) author(a author, s *scene) (p Provenance, passes bool) {
	s = r.located(s)
	assistant, mine := r.assists(&a, s)
	p = Provenance{Author: cmp.Or(a.user, a.bot), Kind: KindPerson, Verified: true}
	switch {
	case assistant:
		p.Kind = KindAssistant
		p.SameTeam, p.External = s.sidesOf(&a)
		return p, !r.Lockdown() || mine
	case r.isSelf(&a, s):
		p.Kind, p.SameTeam = KindSelf, true
		if passes = !r.Lockdown() || r.ours(s, a.ts); !passes {
			p.Kind = KindAssistant
		}
		return p, passes
	case a.user == "" && a.found && r.Lockdown() && r.ours(s, a.ts):
		p.Kind, p.SameTeam = KindSelf, true // no other message of the conversation has this ts
		return p, true
	case a.bot != "" || a.app != "" || a.subtype == botMessage || a.user == "" && a.name != "":
		p.Kind, p.Verified = KindBot, a.user+a.bot+a.app != "" // else it is a name that somebody chose
		p.SameTeam, p.External = s.sidesOf(&a)
		return p, !r.Lockdown() || r.judge.apps[a.app]
	case a.user == slackbot:
		p.Kind, p.SameTeam = KindSystem, true
		return p, !r.Lockdown() || s.unshared()
	case a.user == "":
		p.Kind = KindUnknown
		return p, !r.Lockdown()
	}
	return r.person(p, &a, s)
}

// person judges a person, or a bot that only its user's id tells of.
func (r *Reading) person(p Provenance, a *author, s *scene) (Provenance, bool) {
	// Where no other organisation takes part the one who acts is a member or a guest of ours. The
	// team alone that an event or a message names is no evidence.
	evident := s.acting && s.unshared() && (a.team == "" || s.own.has(a.team))
	ask := a.found || r.Lockdown() && (r.judge.level == Members || !evident || s.claimed)
	own := s.own
	u, known := r.user(a.user, ask)
	p.SameTeam, p.External = s.sidesOf(a)
	if known {
		switch sideOf(&u, own) {
		case inside:
			p.SameTeam, p.External = true, false
		case outside:
			p.SameTeam, p.External = false, true
		case unknown:
			known = false
		}
		if p.Guest = known && u.Guest; known && u.Bot {
			p.Kind = KindBot
		}
	}
	if !r.Lockdown() {
		return p, true
	}
	if known {
		return p, r.passes(&u, own)
	}
	return p, r.judge.level == Guests && evident
}

// passes reports whether lockdown lets the words of a user through who is known.
func (r *Reading) passes(u *names.User, own home) bool {
	switch {
	case !r.Lockdown(), r.isOurBot(u.ID):
		return true
	case u.Bot && u.ID != slackbot:
		return r.judge.apps[u.App]
	}
	return sideOf(u, own) == inside && (r.judge.level == Guests || !u.Guest)
}

// isSelf reports that our own app wrote something.
func (r *Reading) isSelf(a *author, s *scene) bool {
	switch {
	case a.self, s.app != "" && a.app == s.app, s.bot != "" && a.user == s.bot:
		return true
	case r.judge.people == nil || !r.Lockdown() && s.enveloped:
		return false
	}
	self := r.Self()
	// Of what Slack announces about our bot (a join) the words are not our own. Who has no bot is a person,
	// and types, too.
	return isBot(&self) && a.user == self.UserID && (a.bot != "" || a.subtype == "" || a.subtype == botMessage) ||
		self.BotID != "" && a.bot == self.BotID || self.AppID != "" && a.app == self.AppID
}

// member judges a user of whom there is the id alone: the one who set a topic, uploaded a file,
// changed a bookmark.
// What our own app did under a key that [Posts] has, also in a person's name, is of the principal that had it
// done.
func (r *Reading) member(user, channel, key string) bool {
	switch {
	case !r.Lockdown():
		return true
	case r.isOurBot(user):
		return r.ours(&scene{channel: channel}, key)
	}
	if of, kept := r.personal(user, channel, key); kept {
		return of.Principal == r.principal
	}
	u, ok := r.user(user, true)
	return ok && r.passes(&u, r.home())
}
