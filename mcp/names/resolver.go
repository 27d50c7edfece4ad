package names

import (
	"context"
	"errors"
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
	UserList(ctx context.Context, cursor string, limit int) (slackapi.UserPage, error)
	UserByEmail(ctx context.Context, email string) (slackapi.User, error)
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

// A Resolver answers for one workspace. It is safe for concurrent use.
type Resolver struct {
	slack    Slack
	now      func() time.Time
	channels *book[Channel]
	users    *book[User]
	listing  *walk // of the channels
	roster   *walk // of the users
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
	r.roster = newWalk(listRest, r.userPage)
	return r, nil
}
