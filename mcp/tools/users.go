package tools

import (
	"context"
	"errors"
	"strings"

	"slackmcp/mcp/access"
	"slackmcp/mcp/names"
	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
	"slackmcp/slackapi"
)

const (
	setUsers   = "users"
	scopeUsers = "users:read"
)

func userTools(ks *kits) []toolset.Tool {
	return []toolset.Tool{
		define(ks, toolset.Tool{
			Name: "slack_list_users", Title: "List users", Set: setUsers, Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeUsers},
			Description: "List all members of the workspace, bots and former members too. To find somebody: slack_search_users.",
		}, (*kit).listUsers),
		define(ks, toolset.Tool{
			Name: "slack_search_users", Title: "Search users", Set: setUsers, Default: true, Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeUsers},
			Description: "Find people by words of their name or title, or by e-mail. Other tools take @name or e-mail at once.",
		}, (*kit).searchUsers),
		define(ks, toolset.Tool{
			Name: "slack_get_user_profiles", Title: "Get user profiles", Set: setUsers, Default: true, Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeUsers},
			Description: "Get users' profiles: names, title, e-mail, time zone, status, whether they are guests or of another organisation.",
		}, (*kit).userProfiles),
		define(ks, toolset.Tool{
			Name: "slack_get_user_presence", Title: "Get a user's presence", Set: setUsers, Scope: access.Read, For: toolset.AsPerson, Needs: []string{scopeUsers},
			Description: "See whether a user is active or away just now.",
		}, (*kit).presence),
		define(ks, toolset.Tool{
			Name: "slack_list_user_groups", Title: "List user groups", Set: setUsers, Scope: access.Read, For: toolset.AsPerson, Needs: []string{"usergroups:read"},
			Description: "List the workspace's user groups (such as @support), with their ids and sizes. Members: slack_list_user_group_members. Mention one in a text as <!subteam^ID>.",
		}, (*kit).userGroups),
		define(ks, toolset.Tool{
			Name: "slack_list_user_group_members", Title: "List a user group's members", Set: setUsers, Scope: access.Read, For: toolset.AsPerson, Needs: []string{"usergroups:read"},
			Description: "List who is in a user group, with names where they are known.",
		}, (*kit).userGroupMembers),
	}
}

type listUsersIn struct {
	Limit  int    `json:"limit,omitempty" min:"1" max:"200" default:"100" doc:"Most users"`
	Cursor string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

func (k *kit) listUsers(ctx context.Context, _ *toolset.Call, in listUsersIn) (usersOut, error) {
	at, err := spotOf(in.Cursor)
	if err != nil {
		return usersOut{}, err
	}
	page, err := k.Slack.UserList(ctx, at.cursor, in.Limit+at.skip)
	if err != nil {
		return usersOut{}, err
	}
	out, r := usersOut{}, k.Judge.Reading(ctx)
	shown, cut := fit(view.NewBudget(), behind(at, page.Users), func(full *slackapi.User) view.Person {
		u := k.Names.KeepUser(full)
		v := r.Person(&u)
		v.Brief()
		return v
	})
	out.Users = shown
	out.page(at.next(len(shown), cut, page.NextCursor), cut)
	return out, nil
}

type searchUsersIn struct {
	Query  string `json:"query" max:"200" doc:"Words of name or title, or an e-mail"`
	Limit  int    `json:"limit,omitempty" min:"1" max:"100" default:"20" doc:"Most users"`
	Cursor string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

func (k *kit) searchUsers(ctx context.Context, _ *toolset.Call, in searchUsersIn) (usersOut, error) {
	after, err := openCursor(in.Cursor)
	if err != nil {
		return usersOut{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, searchPatience)
	defer cancel()
	r := k.Judge.Reading(ctx)
	if ref, err := names.ParseUser(in.Query); err == nil && ref.Email != "" {
		return k.userByEmail(ctx, ref, r)
	}
	found, err := k.Names.SearchUsers(ctx, strings.TrimPrefix(in.Query, "@"), after, in.Limit, r.Seen())
	if err != nil {
		return usersOut{}, k.unresolved(ctx, err)
	}
	var out usersOut
	shown, cut := fit(view.NewBudget(), found.Items, r.Person)
	if cut {
		found.Next = shown[len(shown)-1].ID
	}
	out.Users = shown
	out.page(sealCursor(found.Next), cut)
	switch {
	case found.TooLong:
		out.Note = noteTooLong
	case !found.Complete:
		out.HasMore, out.Note = true, noteUnfinished
	}
	return out, nil
}

func (k *kit) userByEmail(ctx context.Context, ref names.UserRef, r *view.Reading) (usersOut, error) {
	out := usersOut{Users: []view.Person{}}
	id, err := k.Names.UserLike(ctx, ref)
	if errors.Is(err, names.ErrNoUser) {
		return out, nil
	}
	if err != nil {
		return usersOut{}, err
	}
	u, err := k.Names.User(ctx, id)
	if err != nil {
		return usersOut{}, err
	}
	if r.Seen()(u) == u { // an address is not to be tried on those who are withheld
		out.Users = append(out.Users, r.Person(&u))
	}
	return out, nil
}

type profilesIn struct {
	Users []string `json:"users" alias:"user,user_id,user_ids" split:"," max:"30" doc:"ids, @names or e-mails"`
}

// profile is one user, or why there is none.
type profile struct {
	OK    bool       `json:"ok"`
	User  *view.User `json:"user,omitempty"`
	Error string     `json:"error,omitempty"`
}

type profilesOut struct {
	view.Mark
	Profiles []profile `json:"profiles" doc:"one for each user, in order"`
}

// errFilled says that a profile was left out to keep the result readable.
var errFilled error = fault("no_room: the profiles before this one fill the result. Ask for this user in another call.")

func (k *kit) userProfiles(ctx context.Context, _ *toolset.Call, in profilesIn) (profilesOut, error) {
	out := profilesOut{Profiles: []profile{}}
	r, budget := k.Judge.Reading(ctx), view.NewBudget()
	var first error
	found := 0
	for _, s := range in.Users {
		p, err := k.profile(ctx, s, r)
		if err == nil && !budget.Takes(p) {
			p, err = profile{}, errFilled
		}
		if err != nil {
			p.Error = k.fault(err)
			if first == nil {
				first = err
			}
		} else {
			found++
		}
		out.Profiles = append(out.Profiles, p)
	}
	if found == 0 {
		return out, first
	}
	return out, nil
}

func (k *kit) profile(ctx context.Context, s string, r *view.Reading) (profile, error) {
	id, err := k.user(ctx, s)
	if err != nil {
		return profile{}, err
	}
	u, err := k.Slack.UserInfo(ctx, id)
	if err != nil {
		return profile{}, err
	}
	k.Names.KeepUser(&u)
	return profile{OK: true, User: new(r.User(&u))}, nil
}

type userIn struct {
	User string `json:"user" alias:"user_id" doc:"id, @name or e-mail"`
}

type presenceOut struct {
	OK       bool   `json:"ok"`
	User     string `json:"user"`
	Presence string `json:"presence" enum:"active,away"`
}

func (k *kit) presence(ctx context.Context, _ *toolset.Call, in userIn) (presenceOut, error) {
	id, err := k.user(ctx, in.User)
	if err != nil {
		return presenceOut{}, err
	}
	presence, err := k.Slack.Presence(ctx, id)
	if presence != "active" {
		presence = "away"
	}
	return presenceOut{OK: true, User: id, Presence: presence}, err
}

type userGroupsIn struct {
	IncludeDisabled bool   `json:"include_disabled,omitempty" doc:"Also those that were switched off"`
	Cursor          string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
}

type userGroupsOut struct {
	view.Mark
	UserGroups []view.UserGroup `json:"user_groups"`
	paging
}

func (k *kit) userGroups(ctx context.Context, _ *toolset.Call, in userGroupsIn) (userGroupsOut, error) {
	at, err := spotOf(in.Cursor)
	if err != nil {
		return userGroupsOut{}, err
	}
	groups, err := k.Slack.UserGroups(ctx, false, in.IncludeDisabled)
	if err != nil {
		return userGroupsOut{}, err
	}
	var out userGroupsOut
	shown, cut := fit(view.NewBudget(), behind(at, groups), k.Judge.Reading(ctx).UserGroup)
	out.UserGroups = shown
	out.page(at.next(len(shown), cut, ""), cut)
	return out, nil
}

type userGroupMembersIn struct {
	UserGroup      string `json:"user_group" alias:"usergroup,id,usergroup_id" doc:"User group id (S…) or @handle"`
	Cursor         string `json:"cursor,omitempty" doc:"next_cursor of the last call"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: names are looked up"`
}

func (k *kit) userGroupMembers(ctx context.Context, _ *toolset.Call, in userGroupMembersIn) (usersOut, error) {
	at, err := spotOf(in.Cursor)
	if err != nil {
		return usersOut{}, err
	}
	id, err := k.userGroup(ctx, in.UserGroup)
	if err != nil {
		return usersOut{}, err
	}
	ids, err := k.Slack.UserGroupMembers(ctx, id)
	if err != nil {
		return usersOut{}, err
	}
	return k.members(ctx, at, ids, "", in.ResponseFormat), nil
}

func (k *kit) userGroup(ctx context.Context, s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "<!subteam^"), ">")
	if strings.HasPrefix(s, "S") && strings.ToUpper(s) == s && len(s) > 2 {
		return s, nil
	}
	groups, err := k.Slack.UserGroups(ctx, false, false)
	if err != nil {
		return "", err
	}
	handle := strings.TrimPrefix(s, "@")
	for _, g := range groups {
		if names.Same(g.Handle, handle) || names.Same(g.Name, handle) {
			return g.ID, nil
		}
	}
	return "", fault("user_group_not_found: there is no user group of that id or handle. See slack_list_user_groups.")
}
