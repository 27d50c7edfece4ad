package slackapi

import (
	"context"
	"net/url"
	"strconv"

	"github.com/slack-go/slack"
)

// UserInfo returns one user.
func (c *Client) UserInfo(ctx context.Context, id string) (User, error) {
	var r struct {
		User User `json:"user"`
	}
	err := c.call(ctx, usersInfo, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetUserInfoContext(ctx, id)
		return err
	}, &r)
	return r.User, err
}

// UserList returns a page of the workspace's users; limit 0 is 200, the most is 1,000.
func (c *Client) UserList(ctx context.Context, cursorAt string, limit int) (UserPage, error) {
	var r struct {
		Members []User `json:"members"`
		cursor
	}
	values := url.Values{"limit": {strconv.Itoa(or(limit, 200))}}
	if cursorAt != "" {
		values.Set("cursor", cursorAt)
	}
	err := c.call(ctx, usersList, "", form(values), &r)
	return UserPage{Users: r.Members, NextCursor: r.next()}, err
}

// UserByEmail finds the user with an e-mail address.
func (c *Client) UserByEmail(ctx context.Context, email string) (User, error) {
	var r struct {
		User User `json:"user"`
	}
	err := c.call(ctx, usersLookupByEmail, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetUserByEmailContext(ctx, email)
		return err
	}, &r)
	return r.User, err
}

// UserProfile returns what a user tells of themselves.
func (c *Client) UserProfile(ctx context.Context, id string) (Profile, error) {
	var r struct {
		Profile Profile `json:"profile"`
	}
	err := c.call(ctx, usersProfileGet, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetUserProfileContext(ctx, &slack.GetUserProfileParameters{UserID: id})
		return err
	}, &r)
	return r.Profile, err
}

// Presence says whether a user is there: "active" or "away".
func (c *Client) Presence(ctx context.Context, id string) (string, error) {
	var r struct {
		Presence string `json:"presence"`
	}
	err := c.call(ctx, usersGetPresence, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetUserPresenceContext(ctx, id)
		return err
	}, &r)
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
	var r struct {
		Groups []UserGroup `json:"usergroups"`
	}
	err := c.call(ctx, usergroupsList, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeCount(true),
			slack.GetUserGroupsOptionIncludeUsers(members), slack.GetUserGroupsOptionIncludeDisabled(disabled))
		return err
	}, &r)
	return r.Groups, err
}

// UserGroupMembers returns the members of a user group, by their ids.
func (c *Client) UserGroupMembers(ctx context.Context, id string) ([]string, error) {
	var r struct {
		Users []string `json:"users"`
	}
	err := c.call(ctx, usergroupsUsersList, "", func(ctx context.Context, d door) error {
		_, err := d.slack.GetUserGroupMembersContext(ctx, id)
		return err
	}, &r)
	return r.Users, err
}
