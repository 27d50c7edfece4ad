// Package names turns what people write into Slack's ids, and ids into names: a
// channel by id, "#name" or permalink, a user by id, "@name" or e-mail address, a
// message by permalink.
//
// It asks Slack only for what is asked of it, keeps answers within bounds and for a
// time, lets events that were received keep them fresh, and crawls nothing on its own.
// Names are what people chose: they are matched, and shown as untrusted.
package names

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// Slack is what a [Resolver] asks Slack for; *slackapi.Client has it.
type Slack interface {
	AuthTest(ctx context.Context) (slackapi.Identity, error)
	ConversationInfo(ctx context.Context, channel string) (slackapi.Channel, error)
	ConversationList(ctx context.Context, q slackapi.ListQuery) (slackapi.ChannelPage, error)
	UserInfo(ctx context.Context, id string) (slackapi.User, error)
	UserList(ctx context.Context, cursor string, limit int) (slackapi.UserPage, error)
	UserByEmail(ctx context.Context, email string) (slackapi.User, error)
	UserGroups(ctx context.Context, members, disabled bool) ([]slackapi.UserGroup, error)
}

// What a [Resolver] answers when there is no such thing. Wrapped errors are those of
// package slackapi.
var (
	// ErrNoChannel says that no channel that the bot can see has the name.
	ErrNoChannel = errors.New("no channel of that name that the bot can see")
	// ErrNoUser says that no user has the name or address.
	ErrNoUser = errors.New("no user of that name")
	// ErrNoCursor says that what a search was to go on behind is not known any more.
	ErrNoCursor = errors.New("what the cursor stands behind is not known any more")
	// ErrUnfinished says that the time was up before a list was read to its end; asking
	// again goes on from there.
	ErrUnfinished = errors.New("the list was not read to its end")
	// ErrTooLong says that a list is longer than what is kept of it, so that a name may be that of
	// somebody, or of a channel, that is not known.
	ErrTooLong = errors.New("the list is longer than what is kept of it")
)

// Bounds are how many a [Resolver] keeps. Where Slack's lists are longer, a name that is not kept is
// said to be unknown, and never to be nobody's.
type Bounds struct {
	// Channels and Users are numbers; 0 is the default.
	Channels, Users int
}

// What zero Bounds mean.
const (
	DefaultChannels = 50_000
	DefaultUsers    = 100_000
)

const (
	pageSize = 1000 // the most that Slack gives
	// stale is how long a name is believed that no event has touched.
	stale = time.Hour
	// missed is how long a user whom Slack did not find is not asked for again by [Resolver.Users].
	missed    = 5 * time.Minute
	maxMissed = 10_000
	// maxThreads bounds the messages of which it is known in which thread they are.
	maxThreads = 20_000
	// maxNamesakes bounds the users of one name who are told of.
	maxNamesakes = 10
	// listRest is how long a list that was read to its end is not read again.
	listRest = 5 * time.Minute
)

// A Resolver answers for one workspace. It is safe for concurrent use.
type Resolver struct {
	slack    Slack
	now      func() time.Time
	bounds   Bounds
	channels *book[Channel]
	users    *book[User]
	groups   *book[slackapi.UserGroup]
	unfound  *book[struct{}] // ids of what Slack did not find, or does not show
	directs  *book[string]   // of a user's id, the direct message with them
	listing  *walk           // of the channels
	threads  *book[string]   // of a message's channel and ts, the first message of its thread
	letters  *walk           // of the direct messages
	roster   *walk           // of the users
	self     selfCache
	flights  singleflight.Group // of the look-ups that run
	looking  chan struct{}      // capacity lookAtOnce: each look-up that runs holds a token
	shared   *Resolver          // of a person's resolver the one of all; nil of that itself

	pausedUntil atomic.Int64 // Unix nanoseconds: before it Look asks nothing
}

// New returns a resolver that knows nothing yet, with the default bounds.
func New(s Slack) (*Resolver, error) { return NewBounded(s, Bounds{}) }

// NewBounded returns a resolver that knows nothing yet.
func NewBounded(s Slack, b Bounds) (*Resolver, error) { return newResolver(s, b, 1) }

// newResolver returns one that keeps a share of what one resolver may.
func newResolver(s Slack, b Bounds, share int) (*Resolver, error) {
	if s == nil {
		return nil, errors.New("names: Slack is required")
	}
	b.Channels, b.Users = cmp.Or(b.Channels, DefaultChannels), cmp.Or(b.Users, DefaultUsers)
	maxChannels, maxUsers := max(b.Channels/share, 1), max(b.Users/share, 1)
	r := &Resolver{
		slack:    s,
		now:      time.Now,
		bounds:   b,
		channels: newBook(maxChannels, func(c Channel) string { return key(c.Name) }),
		users:    newBook(maxUsers, func(u User) string { return key(u.Handle) }),
	}
	r.looking = make(chan struct{}, lookAtOnce)
	r.groups = newBook(maxGroups/share, groupKey)
	r.unfound = newBook(maxMissed/share, func(struct{}) string { return "" })
	r.directs = newBook(maxUsers, func(string) string { return "" })
	r.threads = newBook(maxThreads/share, func(string) string { return "" })
	r.letters = newWalk(r.directs, r.directPage)
	r.self.turn = make(chan struct{}, 1)
	r.listing = newWalk(r.channels, r.channelPage)
	r.roster = newWalk(r.users, r.userPage)
	return r, nil
}

// A Channel is what is kept of a conversation.
type Channel struct {
	ID, Name       string
	Topic, Purpose string
	Members        int
	Shared         bool // with another organisation
	Private        bool
	Archived       bool
	Member         bool // the bot is one
	Group          bool // a direct message of several
	// Partial reports that no more is known than an event told: the name, and perhaps who made it.
	Partial bool
	// Creator, TopicBy and PurposeBy are the ids of the users who made the channel and set its
	// topic and purpose; empty where Slack does not say.
	Creator, TopicBy, PurposeBy string
	// User is whose direct message it is; empty where it is none.
	User string
}

// ChannelID returns the id of a channel's name, with or without "#". Upper and lower case are the same,
// and so are composed and decomposed letters. Of the channels that are archived it knows those only that
// it has met.
func (r *Resolver) ChannelID(ctx context.Context, name string) (string, error) {
	name = key(strings.TrimPrefix(name, "#"))
	if id, age, ok := r.channels.find(name, r.now()); ok {
		if age < stale {
			return id, nil
		}
		if c, err := r.fetchChannel(ctx, id); err == nil && key(c.Name) == name {
			return id, nil
		}
	}
	var id string
	found, err := r.listing.until(ctx, r.now, func() bool {
		var age time.Duration
		var ok bool
		id, age, ok = r.channels.find(name, r.now())
		return ok && age < stale
	})
	switch {
	case found:
		return id, nil
	case err != nil:
		return "", unfinished(err)
	}
	return "", ErrNoChannel
}

// DirectMessage returns the id of the bot's direct message with a user. It opens none:
// without one the error is ErrNoChannel.
func (r *Resolver) DirectMessage(ctx context.Context, user string) (string, error) {
	var id string
	found, err := r.letters.until(ctx, r.now, func() (ok bool) {
		id, ok = r.KnownDirectMessage(user)
		return ok
	})
	switch {
	case found:
		return id, nil
	case err != nil:
		return "", unfinished(err)
	}
	return "", ErrNoChannel
}

// KnownDirectMessage is [Resolver.DirectMessage] without asking.
func (r *Resolver) KnownDirectMessage(user string) (string, bool) {
	id, _, ok := r.directs.get(user, r.now())
	return id, ok
}

// KeepDirectMessage keeps which conversation is the direct message with a user.
func (r *Resolver) KeepDirectMessage(user, id string) {
	r.directs.put(user, id, r.now())
	if _, known := r.KnownChannel(id); !known {
		r.channels.put(id, Channel{ID: id, User: user, Private: true}, r.now())
	}
}

// KeepThread keeps in which thread a message is: root is the ts of its first message, which may be the
// message itself.
func (r *Resolver) KeepThread(channel, ts, root string) {
	r.threads.put(channel+" "+ts, root, r.now())
}

// KnownThread returns the ts of the first message of a message's thread, as far as it is known
// without asking. A message stays in its thread.
func (r *Resolver) KnownThread(channel, ts string) (root string, known bool) {
	root, _, known = r.threads.get(channel+" "+ts, r.now())
	return root, known
}

// directPage reads one page of the direct messages.
func (r *Resolver) directPage(ctx context.Context, cursor string) (string, error) {
	ctx, done := slackapi.Reading(ctx) // of a page little is kept, so its memory is free before the call ends
	defer done()
	page, err := r.slack.ConversationList(ctx, slackapi.ListQuery{Types: []string{"im"}, Limit: pageSize, Cursor: cursor})
	if err != nil {
		return "", err
	}
	for i := range page.Channels {
		if c := r.KeepChannel(&page.Channels[i]); c.User != "" {
			r.directs.put(c.User, c.ID, r.now())
		}
	}
	return page.NextCursor, nil
}

// unfinished marks the errors after which asking again goes on.
func unfinished(err error) error {
	var e *slackapi.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && (e.Kind == slackapi.RateLimited || e.Kind == slackapi.Canceled) {
		return errors.Join(ErrUnfinished, err)
	}
	return err
}

// channelPage reads one page of the channels. An app that may only list public ones is
// given those.
func (r *Resolver) channelPage(ctx context.Context, cursor string) (string, error) {
	ctx, done := slackapi.Reading(ctx) // of a page little is kept, so its memory is free before the call ends
	defer done()
	q := slackapi.ListQuery{Types: []string{"public_channel", "private_channel"}, ExcludeArchived: true, Limit: pageSize, Cursor: cursor}
	page, err := r.slack.ConversationList(ctx, q)
	var e *slackapi.Error
	if errors.As(err, &e) && e.Kind == slackapi.MissingScope {
		q.Types = q.Types[:1]
		page, err = r.slack.ConversationList(ctx, q)
	}
	if err != nil {
		return "", err
	}
	for i := range page.Channels {
		r.KeepChannel(&page.Channels[i])
	}
	return page.NextCursor, nil
}

// KeepChannel keeps what Slack said of a channel.
func (r *Resolver) KeepChannel(c *slackapi.Channel) Channel {
	kept := ChannelOf(c)
	r.channels.put(c.ID, kept, r.now())
	r.unfound.remove(c.ID)
	return kept
}

// ChannelOf returns what is kept of a channel.
func ChannelOf(c *slackapi.Channel) Channel {
	return Channel{
		ID: c.ID, Name: c.Name, Topic: c.Topic.Value, Purpose: c.Purpose.Value, Members: c.NumMembers,
		Shared: c.IsExtShared || c.IsPendingExtShared, Private: c.IsPrivate || c.IsIM || c.IsMPIM,
		Archived: c.IsArchived, Member: c.IsMember, Group: c.IsMPIM,
		Creator: c.Creator, TopicBy: c.Topic.Creator, PurposeBy: c.Purpose.Creator, User: c.User,
	}
}

func (r *Resolver) fetchChannel(ctx context.Context, id string) (Channel, error) {
	c, err := r.slack.ConversationInfo(ctx, id)
	if err != nil {
		return Channel{}, err
	}
	return r.KeepChannel(&c), nil
}

// Channel returns what is known of a channel, asking Slack when nothing is.
func (r *Resolver) Channel(ctx context.Context, id string) (Channel, error) {
	if c, age, ok := r.channels.get(id, r.now()); ok && age < stale && !c.Partial {
		return c, nil
	}
	return r.fetchChannel(ctx, id)
}

// KnownChannel returns what is known without asking.
func (r *Resolver) KnownChannel(id string) (Channel, bool) {
	c, _, ok := r.channels.get(id, r.now())
	return c, ok
}

// A User is what is kept of a person or bot.
type User struct {
	ID, Handle, Display, Real string
	Title, Team               string
	Bot, Stranger, Guest      bool
	Deleted                   bool
	// Organisation is the id of the Enterprise organisation that the user is of; App of the app
	// whose bot it is.
	Organisation, App string
}

// Name is what people call the user.
func (u User) Name() string { return cmp.Or(u.Display, u.Real, u.Handle, u.ID) }

// An AmbiguousError says that several users have a name.
type AmbiguousError struct{ Users []User }

// Error lists the ids alone.
func (e *AmbiguousError) Error() string {
	return "several users have that name: " + strings.Join(e.IDs(), ", ")
}

// IDs are the users' ids.
func (e *AmbiguousError) IDs() []string {
	ids := make([]string, len(e.Users))
	for i := range e.Users {
		ids[i] = e.Users[i].ID
	}
	return ids
}

// List is the users as a caller can tell them apart: "U1 (@ada, Ada Abbot), U2 (@ada.b)".
// People choose their names: one that is no plain name is left out.
func (e *AmbiguousError) List() string {
	var all []string
	for _, u := range e.Users {
		var called []string
		if plainName.MatchString(u.Handle) {
			called = append(called, "@"+u.Handle)
		}
		if name := cmp.Or(u.Real, u.Display); plainName.MatchString(name) && name != u.Handle {
			called = append(called, name)
		}
		one := u.ID
		if len(called) > 0 {
			one += " (" + strings.Join(called, ", ") + ")"
		}
		all = append(all, one)
	}
	return strings.Join(all, ", ")
}

// plainName is one to four words of letters.
var plainName = regexp.MustCompile(`^[\p{L}\p{M}\p{N}.'’_-]{1,30}( [\p{L}\p{M}\p{N}.'’_-]{1,30}){0,3}$`)

// UserID returns the id of a user as a caller wrote it. A handle is found as soon as
// the list of users is read as far as that; a display name or a full name when it is
// read whole. Names are those of our own workspace and organisation, and must be only one user's:
// other organisations choose theirs as they like, so that their users are found by id or address alone.
func (r *Resolver) UserID(ctx context.Context, ref UserRef) (string, error) {
	switch {
	case ref.ID != "":
		return ref.ID, nil
	case ref.Email != "":
		return r.userByEmail(ctx, ref.Email)
	}
	self, err := r.Self(ctx)
	if err != nil {
		return "", unfinished(err)
	}
	r.renew(ctx, ref.Name)
	var handles []User
	found, err := r.roster.until(ctx, r.now, func() bool {
		handles = r.handles(ref.Name, self)
		return len(handles) > 0
	})
	switch {
	case found:
		return r.only(ctx, handles, func(u *User) bool { return key(u.Handle) == key(ref.Name) })
	case err != nil:
		return "", unfinished(err)
	}
	return r.userByName(ctx, ref.Name, self)
}

// renew asks Slack for those of a handle who were not heard of for an hour: they may have given it up,
// or be deactivated. Who cannot be asked for now is not believed.
func (r *Resolver) renew(ctx context.Context, handle string) {
	all := r.users.named(handle, r.now())
	for _, u := range all[:min(len(all), maxNamesakes)] {
		_, _ = r.User(ctx, u.ID) // it asks only for what is old
	}
}

// handles returns our own users of a handle, as they were within the hour: those whose account is
// active, if any is.
func (r *Resolver) handles(name string, self slackapi.Identity) []User {
	all := slices.DeleteFunc(r.users.named(name, r.now()), func(u User) bool {
		_, age, ok := r.users.get(u.ID, r.now())
		return !u.of(self) || !ok || age >= stale
	})
	active := slices.DeleteFunc(slices.Clone(all), func(u User) bool { return u.Deleted })
	if len(active) == 0 {
		return all
	}
	return active
}

// of reports that a user belongs to the workspace or the organisation of our token.
func (u *User) of(self slackapi.Identity) bool {
	return u.Team != "" && (u.Team == self.TeamID || u.Team == self.EnterpriseID) ||
		u.Organisation != "" && u.Organisation == self.EnterpriseID
}

// only returns the id of the one user who has a name. Of several those are looked at again that may have
// given the name up since.
func (r *Resolver) only(ctx context.Context, users []User, has func(*User) bool) (string, error) {
	if len(users) > 1 {
		users = slices.DeleteFunc(users[:min(len(users), maxNamesakes)], func(u User) bool {
			now, err := r.User(ctx, u.ID)
			return err == nil && !has(&now)
		})
	}
	switch len(users) {
	case 0:
		return "", ErrNoUser
	case 1:
		return users[0].ID, nil
	}
	slices.SortFunc(users, func(a, b User) int { return strings.Compare(a.ID, b.ID) })
	return "", &AmbiguousError{Users: users}
}

func (r *Resolver) userByEmail(ctx context.Context, email string) (string, error) {
	u, err := r.slack.UserByEmail(ctx, email)
	var e *slackapi.Error
	if errors.As(err, &e) && e.Kind == slackapi.NotFound {
		return "", ErrNoUser
	}
	if err != nil {
		return "", err
	}
	return r.KeepUser(&u).ID, nil
}

func (r *Resolver) userByName(ctx context.Context, name string, self slackapi.Identity) (string, error) {
	var found []User
	wanted := key(name)
	has := func(u *User) bool {
		return !u.Deleted && u.of(self) && (key(u.Display) == wanted || key(u.Real) == wanted)
	}
	r.users.each(r.now(), func(_ string, u User) bool {
		if has(&u) {
			found = append(found, u)
		}
		return len(found) < maxNamesakes
	})
	return r.only(ctx, found, has)
}

// names are what a user is found by.
func (u User) names() []string { return []string{u.Handle, u.Display, u.Real} }

// isLike reports a user one of whose names a reader takes for name.
func (u *User) isLike(name string) bool {
	wanted := bare(name)
	return bare(u.Handle) == wanted || bare(u.Display) == wanted || bare(u.Real) == wanted
}

// userPage reads one page of the users.
func (r *Resolver) userPage(ctx context.Context, cursor string) (string, error) {
	ctx, done := slackapi.Reading(ctx) // of a page little is kept, so its memory is free before the call ends
	defer done()
	page, err := r.slack.UserList(ctx, cursor, pageSize)
	if err != nil {
		return "", err
	}
	for i := range page.Users {
		r.KeepUser(&page.Users[i])
	}
	return page.NextCursor, nil
}

// User returns what is known of a user, asking Slack when nothing is.
func (r *Resolver) User(ctx context.Context, id string) (User, error) {
	if u, age, ok := r.users.get(id, r.now()); ok && age < stale {
		return u, nil
	}
	u, err := r.slack.UserInfo(ctx, id)
	if err != nil {
		return User{}, err
	}
	return r.KeepUser(&u), nil
}

// KeepUser keeps what Slack said of a user.
func (r *Resolver) KeepUser(u *slackapi.User) User {
	kept := UserOf(u)
	r.users.put(u.ID, kept, r.now())
	r.unfound.remove(u.ID)
	return kept
}

// UserOf returns what is kept of a user.
func UserOf(u *slackapi.User) User {
	return User{
		ID: u.ID, Handle: u.Name, Display: u.Profile.DisplayName, Real: cmp.Or(u.RealName, u.Profile.RealName),
		Title: u.Profile.Title, Team: cmp.Or(u.TeamID, u.Profile.Team), Bot: u.IsBot, Stranger: u.IsStranger,
		Guest: u.IsRestricted || u.IsUltraRestricted, Deleted: u.Deleted,
		Organisation: u.EnterpriseUser.EnterpriseID, App: u.Profile.APIAppID,
	}
}

// KnownUser returns what is known without asking.
func (r *Resolver) KnownUser(id string) (User, bool) {
	u, _, ok := r.users.get(id, r.now())
	return u, ok
}

// Users returns what is known of several users. Of those that are not known it asks
// Slack for at most ask, and goes without the rest and without what fails. Whom Slack does not
// find it is not asked for again within five minutes.
func (r *Resolver) Users(ctx context.Context, ids []string, ask int) map[string]User {
	found := map[string]User{}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if u, age, ok := r.users.get(id, r.now()); ok && age < stale {
			found[id] = u
			continue
		}
		if ask == 0 || !userID.MatchString(id) || id[0] == 'B' || ctx.Err() != nil {
			continue
		}
		if _, age, known := r.unfound.get(id, r.now()); known && age < missed {
			continue
		}
		ask--
		u, err := r.User(ctx, id)
		var e *slackapi.Error
		switch {
		case err == nil:
			found[id] = u
		case errors.As(err, &e) && e.Kind == slackapi.NotFound:
			r.unfound.put(id, struct{}{}, r.now())
		}
	}
	return found
}

// Learn reads the list of users as far as ctx allows, which makes many known by few calls; the
// next call goes on from there. A list that was read to its end is not read again for five minutes, and
// for an hour it is read anew behind the caller.
func (r *Resolver) Learn(ctx context.Context) error {
	if r.roster.last.Load() != 0 && r.roster.within(stale, r.now()) {
		r.roster.refresh(ctx, r.now)
		return nil
	}
	_, err := r.roster.until(ctx, r.now, func() bool { return false })
	return err
}

// selfCache is who the token is. It does not change while the token stays the same.
type selfCache struct {
	turn  chan struct{}                     // capacity 1: who asks Slack holds the token
	known atomic.Pointer[slackapi.Identity] // nil while it is not known
}

// Self returns who the bot is, asked for once. Of a person's resolver it is the workspace as the
// person's token tells, with the bot as far as the resolver of all knows it.
func (r *Resolver) Self(ctx context.Context) (slackapi.Identity, error) {
	if r.shared == nil {
		return r.owner(ctx)
	}
	id, err := r.owner(ctx)
	id.UserID, id.User, id.BotID = "", "", ""
	if bot, known := r.shared.knownSelf(); known && bot.TeamID == id.TeamID {
		id.UserID, id.User, id.BotID, id.AppID = bot.UserID, bot.User, bot.BotID, bot.AppID
	}
	return id, err
}

// owner returns whose the token is.
func (r *Resolver) owner(ctx context.Context) (slackapi.Identity, error) {
	select {
	case r.self.turn <- struct{}{}:
		defer func() { <-r.self.turn }()
	case <-ctx.Done():
		return slackapi.Identity{}, ctx.Err()
	}
	if known := r.self.known.Load(); known != nil {
		return *known, nil
	}
	id, err := r.slack.AuthTest(ctx)
	if err != nil {
		return slackapi.Identity{}, err
	}
	r.self.known.Store(&id)
	return id, nil
}

// knownSelf is whose the token is, as far as that is known without asking.
func (r *Resolver) knownSelf() (_ slackapi.Identity, known bool) {
	if self := r.self.known.Load(); self != nil {
		return *self, true
	}
	return slackapi.Identity{}, false
}

// isHome reports that a workspace is that of our token, as far as it is known without asking.
func (r *Resolver) isHome(team string) bool {
	self, known := r.knownSelf()
	return known && team != "" && team == self.TeamID
}

// Observe learns from an event of Slack's what changed about channels and users, so
// that names stay right without asking.
func (r *Resolver) Observe(e *event.Event) {
	if e.Source != event.SourceSlack {
		return
	}
	switch e.Kind.Type {
	case "message":
		if e.Kind.Subtype == "channel_convert_to_private" {
			r.forgetChannel(e.Channel)
		}
	case "channel_created", "channel_rename", "group_rename", "channel_unarchive", "group_unarchive":
		r.observeChannel(e)
	case "channel_archive", "channel_deleted", "channel_left", "group_archive", "group_deleted", "group_left":
		r.channels.remove(e.Channel)
	case "subteam_created", "subteam_updated":
		in, err := event.Inner[struct {
			Group slackapi.UserGroup `json:"subteam"`
		}](e)
		if err == nil && in.Group.ID != "" && r.isHome(e.Team) {
			in.Group.Users = nil
			r.groups.put(in.Group.ID, in.Group, r.now())
		}
	case "channel_shared", "channel_unshared", "channel_id_changed", "channel_convert_to_private", "channel_converted_to_private":
		r.forgetChannel(e.Channel)
	case "member_joined_channel":
		// Should it have been the bot, a private channel has come into sight.
		r.unfound.remove(e.Channel)
		if _, known := r.KnownChannel(e.Channel); !known {
			r.listing.reset()
		}
	case "user_change", "team_join", "user_profile_changed":
		in, err := event.Inner[struct {
			User slackapi.User `json:"user"`
		}](e)
		if err == nil && in.User.ID != "" {
			r.KeepUser(&in.User)
		}
	}
}

// forgetChannel makes the next who needs a channel ask Slack.
func (r *Resolver) forgetChannel(id string) {
	r.channels.remove(id)
	r.listing.reset()
}

func (r *Resolver) observeChannel(e *event.Event) {
	in, err := event.Inner[struct {
		Channel slackapi.Channel `json:"channel"`
	}](e)
	// Another installation of the app tells of names in its own workspace.
	if err != nil || in.Channel.ID == "" || in.Channel.Name == "" || !r.isHome(e.Team) {
		r.forgetChannel(e.Channel)
		return
	}
	known, age, ok := r.channels.get(in.Channel.ID, r.now())
	if !ok {
		known = Channel{ID: in.Channel.ID, Creator: in.Channel.Creator, Partial: true}
	}
	known.Name = in.Channel.Name
	known.Private = known.Private || in.Channel.IsPrivate || strings.HasPrefix(e.Kind.Type, "group_")
	r.channels.put(known.ID, known, r.now().Add(-age)) // the event says nothing of its other properties
}
