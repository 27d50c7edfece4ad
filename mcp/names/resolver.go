package names

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"slackmcp/slackapi"
)

// Slack is what a [Resolver] asks Slack for; *slackapi.Client has it.
type Slack interface {
	AuthTest(ctx context.Context) (slackapi.Identity, error)
	ConversationInfo(ctx context.Context, channel string) (slackapi.Channel, error)
	ConversationList(ctx context.Context, q slackapi.ListQuery) (slackapi.ChannelPage, error)
	UserInfo(ctx context.Context, id string) (slackapi.User, error)
}

// What a [Resolver] answers when there is no such thing. Wrapped errors are those of
// package slackapi.
var (
	// ErrNoChannel says that no channel that the bot can see has the name.
	ErrNoChannel = errors.New("no channel of that name that the bot can see")
	// ErrNoUser says that nobody has the name or address.
	ErrNoUser = errors.New("no user of that name")
	// ErrUnfinished says that the time was up before a list was read to its end; asking
	// again goes on from there.
	ErrUnfinished = errors.New("the list was not read to its end")
)

const (
	maxChannels = 50_000
	maxUsers    = 100_000
	pageSize    = 1000 // the most that Slack gives
	// stale is how long a name is believed that no event has touched.
	stale = time.Hour
	// listRest is how long a list that was read to its end is not read again.
	listRest = 5 * time.Minute
)

// A Channel is what is kept of a conversation.
type Channel struct {
	ID, Name string
	Shared   bool // with another organisation
	Private  bool
}

// A User is what is kept of a person or bot.
type User struct {
	ID, Handle, Display, Real string
	Team                      string
	Bot, Stranger, Guest      bool
	Deleted                   bool
}

// Name is what people call the user.
func (u User) Name() string {
	return cmp.Or(u.Display, u.Real, u.Handle, u.ID)
}

// A Resolver answers for one workspace. It is safe for concurrent use.
type Resolver struct {
	slack    Slack
	now      func() time.Time
	channels *book[Channel]
	users    *book[User]
	listing  *walk // of the channels
	self     selfCache
}

// New returns a resolver that knows nothing yet.
func New(s Slack) (*Resolver, error) {
	if s == nil {
		return nil, errors.New("names: Slack is required")
	}
	r := &Resolver{
		slack:    s,
		now:      time.Now,
		channels: newBook(maxChannels, func(c Channel) string { return strings.ToLower(c.Name) }),
		users:    newBook(maxUsers, func(u User) string { return strings.ToLower(u.Handle) }),
	}
	r.self = newSelfCache()
	r.listing = newWalk(listRest, r.channelPage)
	return r, nil
}

// ChannelID returns the id of a channel's name, without "#".
func (r *Resolver) ChannelID(ctx context.Context, name string) (string, error) {
	name = strings.ToLower(strings.TrimPrefix(name, "#"))
	if id, age, ok := r.channels.find(name, r.now()); ok {
		if age < stale {
			return id, nil
		}
		if c, err := r.fetchChannel(ctx, id); err == nil && strings.EqualFold(c.Name, name) {
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
	now := r.now()
	for i := range page.Channels {
		r.keepChannel(&page.Channels[i], now)
	}
	return page.NextCursor, nil
}

func (r *Resolver) keepChannel(c *slackapi.Channel, at time.Time) Channel {
	kept := Channel{ID: c.ID, Name: c.Name, Shared: c.IsExtShared || c.IsPendingExtShared, Private: c.IsPrivate || c.IsIM || c.IsMPIM}
	r.channels.put(c.ID, kept, at)
	return kept
}

func (r *Resolver) fetchChannel(ctx context.Context, id string) (Channel, error) {
	c, err := r.slack.ConversationInfo(ctx, id)
	if err != nil {
		return Channel{}, err
	}
	return r.keepChannel(&c, r.now()), nil
}

// Channel returns what is known of a channel, asking Slack when nothing is.
func (r *Resolver) Channel(ctx context.Context, id string) (Channel, error) {
	if c, age, ok := r.channels.get(id, r.now()); ok && age < stale {
		return c, nil
	}
	return r.fetchChannel(ctx, id)
}

// KnownChannel returns what is known without asking.
func (r *Resolver) KnownChannel(id string) (Channel, bool) {
	c, _, ok := r.channels.get(id, r.now())
	return c, ok
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
	kept := User{
		ID: u.ID, Handle: u.Name, Display: u.Profile.DisplayName, Real: cmp.Or(u.RealName, u.Profile.RealName),
		Team: u.TeamID, Bot: u.IsBot, Stranger: u.IsStranger, Guest: u.IsRestricted || u.IsUltraRestricted, Deleted: u.Deleted,
	}
	r.users.put(u.ID, kept, r.now())
	return kept
}

// KnownUser returns what is known without asking.
func (r *Resolver) KnownUser(id string) (User, bool) {
	u, _, ok := r.users.get(id, r.now())
	return u, ok
}

// Users returns what is known of several users. Of those that are not known it asks
// Slack for at most ask, and goes without the rest and without what fails.
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
		ask--
		if u, err := r.User(ctx, id); err == nil {
			found[id] = u
		}
	}
	return found
}
