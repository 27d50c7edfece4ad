package tools

import (
	"context"
	"strings"

	"slackmcp/mcp/toolset"
	"slackmcp/mcp/view"
)

type userGroupsIn struct {
	IncludeDisabled bool `json:"include_disabled,omitempty" doc:"Also those that were switched off"`
}

type userGroup struct {
	Untrusted   bool       `json:"untrusted"`
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Handle      string     `json:"handle"`
	Description string     `json:"description,omitempty"`
	UserCount   int        `json:"user_count"`
	IsExternal  bool       `json:"is_external,omitempty"`
	IsDisabled  bool       `json:"is_disabled,omitempty"`
	Flags       view.Flags `json:"flags,omitempty"`
}

type userGroupsOut struct {
	UserGroups []userGroup `json:"user_groups"`
}

func (k *kit) userGroups(ctx context.Context, _ *toolset.Call, in userGroupsIn) (userGroupsOut, error) {
	groups, err := k.Slack.UserGroups(ctx, false, in.IncludeDisabled)
	if err != nil {
		return userGroupsOut{}, err
	}
	out := userGroupsOut{UserGroups: []userGroup{}}
	for _, g := range groups {
		v := userGroup{Untrusted: true, ID: g.ID, UserCount: g.UserCount, IsExternal: g.IsExternal, IsDisabled: g.Deleted != 0}
		v.Name, v.Handle, v.Description = v.Flags.Name(g.Name), v.Flags.Name(g.Handle), v.Flags.Name(g.Description)
		out.UserGroups = append(out.UserGroups, v)
	}
	return out, nil
}

type userGroupMembersIn struct {
	UserGroup      string `json:"user_group" alias:"usergroup,id,usergroup_id" doc:"User group id (S…) or @handle"`
	ResponseFormat string `json:"response_format,omitempty" enum:"concise,detailed" default:"concise" doc:"detailed: names are looked up"`
}

func (k *kit) userGroupMembers(ctx context.Context, _ *toolset.Call, in userGroupMembersIn) (usersOut, error) {
	id, err := k.userGroup(ctx, in.UserGroup)
	if err != nil {
		return usersOut{}, err
	}
	ids, err := k.Slack.UserGroupMembers(ctx, id)
	if err != nil {
		return usersOut{}, err
	}
	return usersOut{Users: k.known(ctx, ids, in.ResponseFormat == detailed)}, nil
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
		if strings.EqualFold(g.Handle, handle) || strings.EqualFold(g.Name, handle) {
			return g.ID, nil
		}
	}
	return "", fault("user_group_not_found: there is no user group of that id or handle. See slack_list_user_groups.")
}
