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
	// Groups are active user groups of our own.
	Groups []slackapi.UserGroup
}

// Named returns who has each of some names, as handle, display name, full name or handle of a user
// group; upper and lower case are the same. The keys are the names as they were given; who has none
// has no key. Where Slack's list of users was not read to its end within ctx, whole is false: then it
// holds only users whose handle it is, and there may be more who are called so.
func (r *Resolver) Named(ctx context.Context, wanted []string) (found map[string]Namesakes, whole bool, err error) {
	self, err := r.Self(ctx)
	if err != nil {
		return nil, false, unfinished(err)
	}
	err = r.Learn(ctx)
	whole = err == nil
	byName := map[string]*Namesakes{}
	for _, name := range wanted {
		byName[strings.ToLower(name)] = &Namesakes{}
	}
	r.users.each(func(_ string, u User) bool {
		if !u.Deleted && u.of(self) {
			u.enter(byName, whole)
		}
		return true
	})
	found = map[string]Namesakes{}
	for _, name := range wanted {
		n := byName[strings.ToLower(name)]
		if len(n.Users)+len(n.Groups) == 0 {
			continue
		}
		slices.SortFunc(n.Users, func(a, b User) int { return strings.Compare(a.ID, b.ID) })
		found[name] = *n
	}
	return found, whole, nil
}

// enter notes a user under their handle and, where whole, under their other names.
func (u User) enter(byName map[string]*Namesakes, whole bool) {
	called := []string{strings.ToLower(u.Handle)}
	if whole {
		called = append(called, strings.ToLower(u.Display), strings.ToLower(u.Real))
	}
	for i, name := range called {
		if n := byName[name]; n != nil && !slices.Contains(called[:i], name) && len(n.Users) < maxNamesakes {
			n.Users = append(n.Users, u)
		}
	}
}
