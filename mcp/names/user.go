package names

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slackmcp/slackapi"
)

// A User is what is kept of a person or bot.
type User struct {
	ID, Handle, Display, Real string
	Title, Team               string
	Bot, Stranger, Guest      bool
	Deleted                   bool
}

// Name is what people call the user.
func (u User) Name() string { return cmp.Or(u.Display, u.Real, u.Handle, u.ID) }

// An AmbiguousError says that several users have a name.
type AmbiguousError struct{ IDs []string }

// Error lists the ids.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("several users have that name: %s", strings.Join(e.IDs, ", "))
}

// UserID returns the id of a user as somebody wrote it. A handle is found as soon as
// the list of users is read as far as that; a display name or a full name when it is
// read whole, and must be only one user's.
func (r *Resolver) UserID(ctx context.Context, ref UserRef) (string, error) {
	switch {
	case ref.ID != "":
		return ref.ID, nil
	case ref.Email != "":
		return r.userByEmail(ctx, ref.Email)
	}
	var id string
	found, err := r.roster.until(ctx, r.now, func() bool {
		var ok bool
		id, _, ok = r.users.find(ref.Name, r.now())
		return ok
	})
	switch {
	case found:
		return id, nil
	case err != nil:
		return "", unfinished(err)
	}
	return r.userByName(ref.Name)
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

func (r *Resolver) userByName(name string) (string, error) {
	var ids []string
	r.users.each(func(id string, u User) bool {
		if !u.Deleted && (strings.EqualFold(u.Display, name) || strings.EqualFold(u.Real, name)) {
			ids = append(ids, id)
		}
		return len(ids) < 10
	})
	slices.Sort(ids)
	switch len(ids) {
	case 0:
		return "", ErrNoUser
	case 1:
		return ids[0], nil
	}
	return "", &AmbiguousError{IDs: ids}
}

// userPage reads one page of the users.
func (r *Resolver) userPage(ctx context.Context, cursor string) (string, error) {
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
	kept := User{
		ID: u.ID, Handle: u.Name, Display: u.Profile.DisplayName, Real: cmp.Or(u.RealName, u.Profile.RealName),
		Title: u.Profile.Title, Team: u.TeamID, Bot: u.IsBot, Stranger: u.IsStranger,
		Guest: u.IsRestricted || u.IsUltraRestricted, Deleted: u.Deleted,
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
