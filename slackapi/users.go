package slackapi

import (
	"cmp"
	"context"
	"strconv"
)

type userReply struct {
	User User `json:"user"`
}

// UserInfo returns one user.
func (c *Client) UserInfo(ctx context.Context, id string) (User, error) {
	r, err := reply[userReply](c.http.Do(c.form(ctx, "users.info", "user", id, "include_locale", "true")))
	return r.User, err
}

// UserList returns a page of the workspace's users; limit 0 is 200, the most is 1,000.
func (c *Client) UserList(ctx context.Context, cursorAt string, limit int) (UserPage, error) {
	r, err := reply[struct {
		Members []User `json:"members"`
		cursor
	}](c.http.Do(c.form(ctx, "users.list", "limit", strconv.Itoa(cmp.Or(limit, 200)), "cursor", cursorAt)))
	return UserPage{Users: r.Members, NextCursor: r.next()}, err
}

// UserByEmail finds the user with an e-mail address.
func (c *Client) UserByEmail(ctx context.Context, email string) (User, error) {
	r, err := reply[userReply](c.http.Do(c.form(ctx, "users.lookupByEmail", "email", email)))
	return r.User, err
}

// UserProfile returns what a user tells of themselves.
func (c *Client) UserProfile(ctx context.Context, id string) (Profile, error) {
	r, err := reply[struct {
		Profile Profile `json:"profile"`
	}](c.http.Do(c.form(ctx, "users.profile.get", "user", id)))
	return r.Profile, err
}

// Presence says whether a user is there: "active" or "away".
func (c *Client) Presence(ctx context.Context, id string) (string, error) {
	r, err := reply[struct {
		Presence string `json:"presence"`
	}](c.http.Do(c.form(ctx, "users.getPresence", "user", id)))
	return r.Presence, err
}

// A UserGroup is users who can be mentioned together.
type UserGroup struct {
	ID          string   `json:"id"`
	TeamID      string   `json:"team_id,omitempty"`
	Name        string   `json:"name"`
	Handle      string   `json:"handle"`
	Description string   `json:"description,omitempty"`
	IsExternal  bool     `json:"is_external"`
	Created     int64    `json:"date_create,omitempty"` // Unix seconds
	Updated     int64    `json:"date_update,omitempty"` // Unix seconds
	Deleted     int64    `json:"date_delete,omitempty"` // Unix seconds; 0 is not disabled
	UserCount   int      `json:"user_count"`
	Users       []string `json:"users,omitempty"`
}

// UserGroups returns the workspace's user groups, with their members where asked.
func (c *Client) UserGroups(ctx context.Context, members, disabled bool) ([]UserGroup, error) {
	r, err := reply[struct {
		Groups []UserGroup `json:"usergroups"`
	}](c.http.Do(c.form(ctx, "usergroups.list", "include_count", "true", "include_users", when(members, "true"), "include_disabled", when(disabled, "true"))))
	return r.Groups, err
}

// UserGroupMembers returns the members of a user group, by their ids.
func (c *Client) UserGroupMembers(ctx context.Context, id string) ([]string, error) {
	ids, err := c.slack.GetUserGroupMembersContext(ctx, id)
	return ids, failure("usergroups.users.list", err)
}
