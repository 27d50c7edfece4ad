package names

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"slackmcp/slackapi"
)

// Bounds of [Resolver.Look].
const (
	// lookAtOnce is how many look-ups run at once, of all callers together.
	lookAtOnce = 20
	// lookPatience is how long one caller waits for all its names.
	lookPatience = 2 * time.Second
	// lookPause is how long nothing is asked for after a look-up that came to nothing.
	lookPause = 10 * time.Second
	maxGroups = 10_000
	// groupList is the key of the look-up of all user groups.
	groupList = "usergroups"
)

// Wanted are the ids whose names a result needs.
type Wanted struct{ Users, Channels, Groups []string }

// IsEmpty reports that no name is needed.
func (w *Wanted) IsEmpty() bool { return len(w.Users)+len(w.Channels)+len(w.Groups) == 0 }

// Look makes what it can of some ids known: afterwards [Resolver.KnownUser],
// [Resolver.KnownChannel] and [Resolver.KnownGroup] answer without asking. Of users, channels and
// groups that are not known, or were looked up more than an hour ago, it asks Slack, 20 at
// once and within 2 seconds; where more than 20 users are unknown it reads the list of users before,
// for up to half of that time: a call of it names a thousand, and one for each would use up Slack's
// rate limit. Calls that want the same at the same time share one look-up. What Slack does not find,
// or does not let the bot see, is not asked for again within five minutes. Where Slack answered
// nothing that a call asked, as while it is out of reach, nothing is asked for ten seconds, so that
// not every call waits. It returns how many are not known because the time was up, Slack was away,
// or its rate limit was reached: a later call goes on with them.
func (r *Resolver) Look(ctx context.Context, w Wanted) (late int) {
	users, channels, groups := r.unknownUsers(w.Users), r.unknownChannels(w.Channels), r.unknownGroups(w.Groups)
	asked := len(users) + len(channels) + len(groups)
	if asked > 0 && r.now().UnixNano() >= r.pausedUntil.Load() {
		r.lookFor(ctx, users, channels, groups)
		users, channels, groups = r.unknownUsers(users), r.unknownChannels(channels), r.unknownGroups(groups)
		if len(users)+len(channels)+len(groups) == asked && ctx.Err() == nil {
			r.pausedUntil.Store(r.now().Add(lookPause).UnixNano())
		}
	}
	return without(users, r.KnownUser) + without(channels, r.KnownChannel) + without(groups, r.KnownGroup)
}

// lookFor asks Slack for ids, within the bounds of Look.
func (r *Resolver) lookFor(ctx context.Context, users, channels, groups []string) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		if len(users) > lookAtOnce {
			listing, stop := context.WithTimeout(ctx, lookPatience/2)
			_, _ = r.roster.until(listing, r.now, func() bool { return len(r.unknownUsers(users)) == 0 })
			stop()
		}
		r.lookEach(ctx, r.unknownUsers(users), r.lookUser)
	})
	all.Go(func() { r.lookEach(ctx, channels, r.lookChannel) })
	if len(groups) > 0 {
		all.Go(func() { _ = r.share(ctx, groupList, r.listGroups) })
	}
	all.Wait()
}

// without counts the ids of which nothing is known, not even what may have changed since.
func without[T any](ids []string, known func(id string) (T, bool)) (n int) {
	for _, id := range ids {
		if _, ok := known(id); !ok {
			n++
		}
	}
	return n
}

// lookEach looks ids up, as many at once as Look allows, until ctx ends or Slack's rate limit is
// reached. What fails stays unknown.
func (r *Resolver) lookEach(ctx context.Context, ids []string, look func(ctx context.Context, id string) error) {
	var g errgroup.Group
	var limited atomic.Bool
	g.SetLimit(lookAtOnce)
	for _, id := range ids {
		if ctx.Err() != nil || limited.Load() {
			break
		}
		g.Go(func() error {
			err := r.share(ctx, id, func(ctx context.Context) error { return look(ctx, id) })
			if e, ok := errors.AsType[*slackapi.Error](err); ok && e.Kind == slackapi.RateLimited {
				limited.Store(true) // the next would be refused as well
			}
			return nil
		})
	}
	_ = g.Wait()
}

// share runs fn, once for all who ask for the same at the same time, within the bound of
// look-ups at once. It outlives the caller, whom others may have joined, but not its own bound.
func (r *Resolver) share(ctx context.Context, key string, fn func(ctx context.Context) error) error {
	done := r.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookPatience)
		defer cancel()
		select {
		case r.looking <- struct{}{}:
			defer func() { <-r.looking }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		err := fn(ctx)
		if answered(err) {
			r.unfound.put(key, struct{}{}, r.now())
		}
		return nil, err
	})
	select {
	case res := <-done:
		return res.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answered reports an error that asking again soon would only repeat.
func answered(err error) bool {
	e, ok := errors.AsType[*slackapi.Error](err)
	if !ok {
		return false
	}
	switch e.Kind {
	case slackapi.RateLimited, slackapi.Canceled, slackapi.Unavailable, slackapi.Ambiguous, slackapi.Internal:
		return false
	case slackapi.Auth, slackapi.MissingScope, slackapi.NotFound, slackapi.NotInChannel, slackapi.InvalidArgument, slackapi.Forbidden,
		slackapi.Conflict, slackapi.TooLarge:
	}
	return true
}

func (r *Resolver) lookUser(ctx context.Context, id string) error {
	_, err := r.User(ctx, id) // the list of users may have named them meanwhile
	return err
}

func (r *Resolver) lookChannel(ctx context.Context, id string) error {
	_, err := r.Channel(ctx, id)
	return err
}

// missing reports that something was looked up in vain a short time ago.
func (r *Resolver) missing(key string) bool {
	_, age, ok := r.unfound.get(key, r.now())
	return ok && age < missed
}

// unknown are those of ids that can be asked for and are not known, each once, in order.
func (r *Resolver) unknown(ids []string, known func(id string) bool) (all []string) {
	for _, id := range ids {
		if !known(id) && !slices.Contains(all, id) && !r.missing(id) {
			all = append(all, id)
		}
	}
	return all
}

func (r *Resolver) unknownUsers(ids []string) []string {
	return r.unknown(ids, func(id string) bool {
		_, age, ok := r.users.get(id, r.now())
		return ok && age < stale || !userID.MatchString(id) || id[0] == 'B' // users.info knows no id of a bot
	})
}

func (r *Resolver) unknownChannels(ids []string) []string {
	return r.unknown(ids, func(id string) bool {
		_, age, ok := r.channels.get(id, r.now())
		return ok && age < stale || !channelID.MatchString(id)
	})
}

func (r *Resolver) unknownGroups(ids []string) []string {
	if r.missing(groupList) {
		return nil
	}
	return r.unknown(ids, func(id string) bool {
		_, age, ok := r.groups.get(id, r.now())
		return ok && age < stale || !groupID.MatchString(id)
	})
}

// listGroups reads the user groups, of which Slack tells all or none. A group that is not among
// them is not asked for again within five minutes.
func (r *Resolver) listGroups(ctx context.Context) error {
	ctx, done := slackapi.Reading(ctx)
	defer done()
	all, err := r.slack.UserGroups(ctx, false, true)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].Users = nil
		r.groups.put(all[i].ID, all[i], r.now())
	}
	r.unfound.put(groupList, struct{}{}, r.now())
	return nil
}

// KnownHandle returns the only user of a handle among those who are known, without asking. Other
// organisations choose handles as they like, so that there may be several.
func (r *Resolver) KnownHandle(handle string) (User, bool) {
	all := r.users.named(handle, r.now())
	if len(all) != 1 {
		return User{}, false
	}
	return all[0], true
}

// groupName is how Slack names a direct message of several: mpdm-ada--ben--cleo-1.
var groupName = regexp.MustCompile(`^mpdm-(.+)-[0-9]+$`)

// GroupHandles are the handles of those who write to each other in a direct message of several, by the
// name that Slack gave it; none for another name.
func GroupHandles(name string) []string {
	m := groupName.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	return strings.Split(m[1], "--")
}

// Meet makes the people of direct messages known, as far as two seconds allow.
func (r *Resolver) Meet(ctx context.Context, channels []slackapi.Channel) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	var w Wanted
	strangers := false
	for i := range channels {
		if channels[i].User != "" {
			w.Users = append(w.Users, channels[i].User)
		}
		for _, handle := range GroupHandles(channels[i].Name) {
			_, known := r.KnownHandle(handle)
			strangers = strangers || !known
		}
	}
	r.Look(ctx, w)
	if strangers {
		_ = r.Learn(ctx) // who is not known then is called by their handle
	}
}

// KnownGroup returns what is known of a user group without asking.
func (r *Resolver) KnownGroup(id string) (slackapi.UserGroup, bool) {
	g, _, ok := r.groups.get(id, r.now())
	return g, ok
}

// groupKey is what a group is called by.
func groupKey(g slackapi.UserGroup) string { return key(g.Handle) }
