package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/slackapi"
)

// People makes the calls of those who have signed in. It is safe for concurrent use. An error that wraps
// access.ErrRevoked says that the person has to sign in again, one that wraps access.ErrUnavailable
// that it cannot be found out now.
type People interface {
	// Slack returns who makes calls as the person, whichever of their sign-ins this is. It makes no
	// call itself.
	Slack(ctx context.Context, who access.SignIn) (*slackapi.Person, error)
	// Known returns what Slack has said of the person lately. It makes no call of Slack's.
	Known(ctx context.Context, who access.SignIn) (Known, error)
	// Granted returns the scopes of Slack that the person's grant has.
	Granted(ctx context.Context, who access.SignIn) ([]string, error)
}

// Known is what Slack has said of a person.
type Known struct {
	// Team is the workspace (T…) that Slack names for the person's token. Where it is empty nothing is
	// known, and Slack is asked.
	Team string
	// Guest says that the person is no full member of it.
	Guest bool
	// Zone is the name of their time zone.
	Zone string
}

// Bounds of the kits of people.
const (
	// maxKitBytes is how much memory the kits may take together, about: that of 6,000 people of whom little is kept,
	// or of 1,000 with 150 conversations each. Whose kit gives way has to ask Slack for the names of their
	// conversations again.
	maxKitBytes = 64 << 20
	// kitBytes is what a kit takes, and entryBytes each of the names that it keeps.
	kitBytes, entryBytes = 10 << 10, 400
	// roomEvery is how often it is looked whether there is room, and roomAfter after how many new kits: they grow.
	roomEvery = 10 * time.Second
	roomAfter = 100
	// personKitLife is how long a kit is used, and with it what it knows; personKitRest how long it is
	// kept for a person who does not call.
	personKitLife = time.Hour
	personKitRest = 10 * time.Minute
	// personPatience bounds finding out who a person is.
	personPatience = 15 * time.Second
)

// personKits makes and keeps one kit for each person who has signed in and calls. It ends with the
// person's last sign-in here. It is safe for concurrent use.
type personKits struct {
	services *kit
	people   People

	mu     sync.Mutex
	kits   map[access.Person]*personKit // guarded by mu, as are their fields but for ready
	looked time.Time                    // when it was looked whether there is room, and made how many kits were since; guarded by mu
	made   int
}

// A personKit is the kit of one person, for all their sign-ins.
type personKit struct {
	ready       chan struct{} // closed when kit or err is there
	kit         *kit
	err         error
	began, used time.Time
	end         *time.Timer
	signIns     map[string]func() // those that hold it, and what lets go of each
}

// of returns the kit of the person of a sign-in.
func (ps *personKits) of(ctx context.Context, who access.SignIn) (*kit, error) {
	p := ps.entry(ctx, who)
	select {
	case <-p.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.err != nil {
		ps.drop(who.Person, p)
		return nil, p.err
	}
	ps.hold(who, p) //nolint:contextcheck // a kit outlives the call
	return p.kit, nil
}

// entry returns what there is of a person, or begins it.
func (ps *personKits) entry(ctx context.Context, who access.SignIn) *personKit {
	now := time.Now()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.kits[who.Person]; p != nil && now.Sub(p.began) < personKitLife {
		p.used = now
		ps.makeRoom(now, who.Person)
		return p
	}
	ps.forget(who.Person)
	ps.made++
	ps.makeRoom(now, who.Person)
	p := &personKit{ready: make(chan struct{}), began: now, used: now, signIns: map[string]func(){}}
	ps.kits[who.Person] = p
	p.end = time.AfterFunc(personKitLife, func() { ps.drop(who.Person, p) })
	go func() {
		defer close(p.ready)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), personPatience) // others wait for it too
		defer cancel()
		p.kit, p.err = ps.begin(ctx, who)
	}()
	return p
}

// makeRoom ends the kits of those who have not called for a while and, where all take too much memory, those that
// were used least lately, but not that of who calls. It looks from time to time alone. It requires mu.
func (ps *personKits) makeRoom(now time.Time, caller access.Person) {
	if ps.made < roomAfter && now.Sub(ps.looked) < roomEvery {
		return
	}
	ps.looked, ps.made = now, 0
	bytes := kitBytes // that of the caller
	var others []access.Person
	for person, p := range ps.kits {
		if person != caller {
			others = append(others, person)
		}
		bytes += p.bytes()
	}
	slices.SortFunc(others, func(a, b access.Person) int { return ps.kits[a].used.Compare(ps.kits[b].used) })
	for _, person := range others {
		p := ps.kits[person]
		if bytes <= maxKitBytes && now.Sub(p.used) < personKitRest {
			return
		}
		bytes -= p.bytes()
		ps.forget(person)
	}
}

// bytes is how much memory a kit takes, about.
func (p *personKit) bytes() int {
	select {
	case <-p.ready:
		if p.kit != nil {
			return kitBytes + entryBytes*p.kit.Names.Kept()
		}
	default: // it is being made
	}
	return kitBytes
}

// forget ends the kit of a person. It requires mu.
func (ps *personKits) forget(person access.Person) {
	p := ps.kits[person]
	if p == nil {
		return
	}
	delete(ps.kits, person)
	p.end.Stop()
	for id, release := range p.signIns {
		delete(p.signIns, id) // it is let go of once
		go release()          // it calls what ends with the sign-in, which locks mu
	}
}

// drop ends a kit, unless there is another one of the person by now.
func (ps *personKits) drop(person access.Person, p *personKit) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.kits[person] == p {
		ps.forget(person)
	}
}

// hold lets a kit live as long as a sign-in does.
func (ps *personKits) hold(who access.SignIn, p *personKit) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if _, held := p.signIns[who.ID]; held || ps.kits[who.Person] != p {
		return
	}
	ctx, release := who.Keeper.During(context.Background(), who)
	p.signIns[who.ID] = release
	context.AfterFunc(ctx, func() {
		ps.mu.Lock()
		defer ps.mu.Unlock()
		if _, held := p.signIns[who.ID]; !held {
			return
		}
		delete(p.signIns, who.ID)
		go release()
		if len(p.signIns) == 0 && ps.kits[who.Person] == p {
			ps.forget(who.Person)
		}
	})
}

// begin makes the kit of a person. It costs no call of Slack's where it is known who they are: a great many
// may begin at once, as after a restart.
func (ps *personKits) begin(ctx context.Context, who access.SignIn) (*kit, error) {
	person, err := ps.people.Slack(ctx, who)
	if err != nil {
		return nil, err
	}
	is, err := ps.people.Known(ctx, who)
	if err == nil && is.Team == "" {
		is, err = whoIs(ctx, person.Client(), who.Person)
	}
	if err != nil {
		return nil, err
	}
	return ps.services.forPerson(ctx, who.Person, person, is)
}

// whoIs asks Slack about a person. Whoever the token is of has to be the person.
func whoIs(ctx context.Context, slack *slackapi.Client, person access.Person) (Known, error) {
	is, err := slack.AuthTest(ctx)
	if err != nil {
		return Known{}, err
	}
	if is.UserID != person.User || is.TeamID != cmp.Or(person.Team, is.TeamID) || is.EnterpriseID != cmp.Or(person.Enterprise, is.EnterpriseID) {
		return Known{}, fmt.Errorf("%w: the token is not that of the person", access.ErrRevoked)
	}
	me, err := slack.UserInfo(ctx, is.UserID)
	if e, ok := errors.AsType[*slackapi.Error](err); err != nil && (!ok || e.Kind != slackapi.MissingScope) {
		return Known{}, err
	}
	guest := err != nil || me.Deleted || me.IsRestricted || me.IsUltraRestricted || me.IsStranger
	return Known{Team: is.TeamID, Guest: guest, Zone: me.TZ}, nil //nolint:nilerr // without users:read nothing is known of them
}

// forPerson returns the kit of a person. It has what is named here of that of services, and nothing else:
// no queue, and the bot for what [kit.asBot] is used for.
func (k *kit) forPerson(ctx context.Context, who access.Person, person *slackapi.Person, is Known) (*kit, error) {
	own, err := k.Names.ForPerson(ctx, person.Client(), is.Team, !is.Guest)
	if err != nil {
		return nil, err
	}
	zone := k.TimeZone
	if zone == nil {
		zone = zoneOf(is.Zone)
	}
	judge := k.Judge.For(own, zone)
	theirs := &kit{
		Options: Options{Events: k.Events, Slack: person.Client(), Names: own, Guard: k.Guard.For(own, who.Account()), Judge: judge, Posts: k.Posts},
		waits:   k.waits, own: &ownPosts{}, person: true, asked: k.asked,
		ofUser: who.User, guest: is.Guest,
		now: func() time.Time { return time.Now().In(zone) },
	}
	if !k.Slack.Personal() {
		theirs.bot, theirs.botUser, theirs.Asks, theirs.SpeakAsBot = k.Slack, k.self(ctx).UserID, k.Asks, k.SpeakAsBot
	}
	return theirs, nil
}

// zoneOf is a zone by its name, UTC where there is none of that name.
func zoneOf(name string) *time.Location {
	if zone, err := time.LoadLocation(name); err == nil && name != "Local" {
		return zone
	}
	return time.UTC
}
