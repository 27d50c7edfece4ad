package names

import (
	"context"
	"slices"
	"strings"

	"slackmcp/slackapi"
)

// Namesakes are those who have a name.
type Namesakes struct {
	// Users are active users of our own workspace or organisation, at most ten, by their ids.
	Users []User
	// Groups are active user groups of ours, at most ten, by their ids.
	Groups []slackapi.UserGroup
}

// Named returns who has each of some names: users by handle, display name or full name, groups by
// handle or name; upper and lower case are the same. The keys are the names as they were given; a
// name that nobody has is no key. Where Slack's list of users was not read to its end within ctx, nor
// within the last hour, whole is false: then users are those alone whose handle it is, and there may
// be more who are called so. Groups are left out where Slack does not list them.
func (r *Resolver) Named(ctx context.Context, wanted []string) (found map[string]Namesakes, whole bool, err error) {
	self, err := r.Self(ctx)
	if err != nil {
		return nil, false, unfinished(err)
	}
	whole = r.Learn(ctx) == nil || r.roster.within(stale, r.now()) // events have told what changed since
	byName := map[string]*Namesakes{}
	for _, name := range wanted {
		byName[key(name)] = &Namesakes{}
	}
	r.users.each(r.now(), func(_ string, u User) bool {
		if !u.Deleted && u.of(self) {
			u.enter(byName, whole)
		}
		return true
	})
	if !r.missing(groupList) {
		_ = r.share(ctx, groupList, r.listGroups) // without usergroups:read there are none
	}
	r.groups.each(r.now(), func(_ string, g slackapi.UserGroup) bool {
		if g.Deleted == 0 && !g.IsExternal {
			enterGroup(byName, g)
		}
		return true
	})
	found = map[string]Namesakes{}
	for _, name := range wanted {
		n := byName[key(name)]
		if len(n.Users)+len(n.Groups) == 0 {
			continue
		}
		slices.SortFunc(n.Users, func(a, b User) int { return strings.Compare(a.ID, b.ID) })
		slices.SortFunc(n.Groups, func(a, b slackapi.UserGroup) int { return strings.Compare(a.ID, b.ID) })
		found[name] = *n
	}
	return found, whole, nil
}

// enter notes a user under their handle and, where whole, under their other names.
func (u User) enter(byName map[string]*Namesakes, whole bool) {
	called := []string{key(u.Handle)}
	if whole {
		called = append(called, key(u.Display), key(u.Real))
	}
	for i, name := range called {
		if n := byName[name]; n != nil && !slices.Contains(called[:i], name) && len(n.Users) < maxNamesakes {
			n.Users = append(n.Users, u)
		}
	}
}

// enterGroup notes a group under its handle and its name.
func enterGroup(byName map[string]*Namesakes, g slackapi.UserGroup) {
	handle, name := key(g.Handle), key(g.Name)
	for i, called := range []string{handle, name} {
		if n := byName[called]; n != nil && (i == 0 || name != handle) && len(n.Groups) < maxNamesakes {
			n.Groups = append(n.Groups, g)
		}
	}
}
