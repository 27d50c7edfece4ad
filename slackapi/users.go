package slackapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// An Identity is who a token is.
type Identity struct {
	URL          string `json:"url"` // of the workspace
	Team         string `json:"team"`
	TeamID       string `json:"team_id"`
	EnterpriseID string `json:"enterprise_id,omitempty"`
	User         string `json:"user"`
	UserID       string `json:"user_id"`
	BotID        string `json:"bot_id,omitempty"`
	AppID        string `json:"app_id,omitempty"`
	// EnterpriseInstall says that the app is installed for a whole organization.
	EnterpriseInstall bool     `json:"is_enterprise_install,omitempty"`
	Scopes            []string `json:"scopes"` // from X-OAuth-Scopes
}

// Has reports whether the token has a scope.
func (i Identity) Has(scope string) bool {
	return slices.Contains(i.Scopes, scope)
}

// AuthTest asks who the client's token is, and which scopes it has.
func (c *Client) AuthTest(ctx context.Context) (Identity, error) {
	resp, err := c.http.Do(c.form(ctx, "auth.test"))
	who, err := reply[Identity](resp, err)
	if err != nil {
		return Identity{}, err
	}
	who.Scopes = scopes(resp.Header)
	if c == c.bot && c.person == nil {
		c.pace.settle(who.TeamID)
	}
	return who, nil
}

func scopes(h http.Header) []string { return splitScopes(h.Get("X-OAuth-Scopes")) }

func splitScopes(list string) []string {
	found := []string{}
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			found = append(found, s)
		}
	}
	return found
}

// OpenConnection asks Slack for the address of one Socket Mode connection, which is to
// be dialled soon and works once. It needs [Options.AppToken] with the scope
// connections:write. The address is a secret: a program that has it receives the app's events.
func (c *Client) OpenConnection(ctx context.Context) (string, error) {
	_, address, err := c.app.slack.StartSocketModeContext(ctx)
	if err != nil {
		return "", failure("apps.connections.open", err)
	}
	if !c.dialable(address) {
		return "", &Error{Method: "apps.connections.open", Code: CodeRefusedHost, Kind: Internal, err: errors.New("the connection's address is not of Slack's")}
	}
	return address, nil
}

// dialable reports whether a WebSocket address may be dialled: one that HTTP may reach.
func (c *Client) dialable(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "wss":
		u.Scheme = "https"
	case "ws":
		u.Scheme = "http"
	default:
		return false
	}
	call, _ := c.reach(u)
	return call
}

// A User is a person or a bot of the workspace, or a member of another organisation in a shared channel.
// Names, titles and status are what people wrote: untrusted.
type User struct {
	ID                string  `json:"id"`
	TeamID            string  `json:"team_id,omitempty"`
	Name              string  `json:"name"`
	RealName          string  `json:"real_name,omitempty"`
	Deleted           bool    `json:"deleted"`
	IsBot             bool    `json:"is_bot"`
	IsAppUser         bool    `json:"is_app_user,omitempty"`
	IsAdmin           bool    `json:"is_admin,omitempty"`
	IsOwner           bool    `json:"is_owner,omitempty"`
	IsPrimaryOwner    bool    `json:"is_primary_owner,omitempty"`
	IsRestricted      bool    `json:"is_restricted,omitempty"`       // a guest
	IsUltraRestricted bool    `json:"is_ultra_restricted,omitempty"` // a guest of one channel
	IsStranger        bool    `json:"is_stranger,omitempty"`         // of another workspace, no shared channel
	IsInvitedUser     bool    `json:"is_invited_user,omitempty"`
	TZ                string  `json:"tz,omitempty"`
	TZLabel           string  `json:"tz_label,omitempty"`
	TZOffset          int     `json:"tz_offset,omitempty"` // seconds east of UTC
	Locale            string  `json:"locale,omitempty"`
	Updated           int64   `json:"updated,omitempty"` // Unix seconds
	Profile           Profile `json:"profile"`
	// EnterpriseUser is set of the people of an Enterprise organisation.
	EnterpriseUser EnterpriseUser `json:"enterprise_user,omitzero"`
}

// An EnterpriseUser says of which organisation a user is.
type EnterpriseUser struct {
	EnterpriseID string `json:"enterprise_id"`
	// Teams are the workspaces that they are in.
	Teams []string `json:"teams,omitempty"`
}

// A Profile is what a user tells of themselves.
type Profile struct {
	RealName              string `json:"real_name,omitempty"`
	RealNameNormalized    string `json:"real_name_normalized,omitempty"`
	DisplayName           string `json:"display_name,omitempty"`
	DisplayNameNormalized string `json:"display_name_normalized,omitempty"`
	FirstName             string `json:"first_name,omitempty"`
	LastName              string `json:"last_name,omitempty"`
	Title                 string `json:"title,omitempty"`
	Email                 string `json:"email,omitempty"` // needs users:read.email
	Phone                 string `json:"phone,omitempty"`
	Pronouns              string `json:"pronouns,omitempty"`
	StatusText            string `json:"status_text,omitempty"`
	StatusEmoji           string `json:"status_emoji,omitempty"`
	StatusExpiration      int64  `json:"status_expiration,omitempty"` // Unix seconds, 0 never
	Image72               string `json:"image_72,omitempty"`
	Team                  string `json:"team,omitempty"`
	BotID                 string `json:"bot_id,omitempty"`
	APIAppID              string `json:"api_app_id,omitempty"`
}

// A UserPage is a part of the list of users.
type UserPage struct {
	Users      []User `json:"users"`
	NextCursor string `json:"next_cursor,omitempty"`
}

type userReply struct {
	User User `json:"user"`
}

// UserInfo returns one user.
func (c *Client) UserInfo(ctx context.Context, id string) (User, error) {
	r, err := reply[userReply](c.http.Do(c.form(ctx, "users.info", "user", id, "include_locale", "true")))
	return r.User, err
}

// UserList returns a page of the users of the workspace, or of those of an organization; limit 0 is 200, the most
// is 1,000.
func (c *Client) UserList(ctx context.Context, cursorAt string, limit int) (page UserPage, err error) {
	at, err := c.placeOf(ctx, cursorAt)
	if err != nil || at.over() {
		return page, err
	}
	for {
		r, err := reply[struct {
			Members []User `json:"members"`
			cursor
		}](c.http.Do(c.form(ctx, "users.list", "limit", strconv.Itoa(cmp.Or(limit, 200)), "cursor", at.cursor, "team_id", at.team)))
		if !at.again(ctx, &err) {
			return UserPage{Users: r.Members, NextCursor: at.next(r.next())}, err
		}
	}
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
	ID     string `json:"id"`
	TeamID string `json:"team_id,omitempty"`
	// EnterpriseID is the organisation's; Slack leaves it out of groups of some workspaces.
	EnterpriseID string   `json:"enterprise_id,omitempty"`
	Name         string   `json:"name"`
	Handle       string   `json:"handle"`
	Description  string   `json:"description,omitempty"`
	IsExternal   bool     `json:"is_external"`
	Created      int64    `json:"date_create,omitempty"` // Unix seconds
	Updated      int64    `json:"date_update,omitempty"` // Unix seconds
	Deleted      int64    `json:"date_delete,omitempty"` // Unix seconds; 0 is not disabled
	UserCount    int      `json:"user_count"`
	Users        []string `json:"users,omitempty"`
	// CreatedBy and UpdatedBy are the ids of users.
	CreatedBy string `json:"created_by,omitempty"`
	UpdatedBy string `json:"updated_by,omitempty"`
}

// UserGroups returns the user groups of the workspace, or of those of an organization, with their members where asked.
func (c *Client) UserGroups(ctx context.Context, members, disabled bool) (all []UserGroup, err error) {
	at, err := c.placeOf(ctx, "")
	for more := err == nil; more; {
		var r struct {
			Groups []UserGroup `json:"usergroups"`
		}
		r, err = reply[struct {
			Groups []UserGroup `json:"usergroups"`
		}](c.http.Do(c.form(ctx, "usergroups.list", "include_count", "true", "include_users", when(members, "true"), "include_disabled", when(disabled, "true"), "team_id", at.team)))
		all = append(all, r.Groups...)
		if more = at.again(ctx, &err); !more && err == nil {
			at.team = at.behind()
			more = at.team != ""
		}
	}
	return all, err
}

// UserGroupMembers returns the members of a user group, by their ids.
func (c *Client) UserGroupMembers(ctx context.Context, id string) ([]string, error) {
	const method = "usergroups.users.list"
	at, err := c.placeOf(ctx, "")
	missing := &Error{Method: method, Code: "no_such_subteam", Kind: NotFound}
	for err == nil {
		var r struct {
			Users []string `json:"users"`
		}
		r, err = reply[struct {
			Users []string `json:"users"`
		}](c.http.Do(c.form(ctx, method, "usergroup", id, "team_id", at.team)))
		switch e, failed := errors.AsType[*Error](err); {
		case at.again(ctx, &err):
		case err == nil && at.over(): // access to the last workspace has ended
			err = missing
		case failed && e.Code == missing.Code && at.behind() != "":
			at.team, err = at.behind(), nil
		default:
			return r.Users, err
		}
	}
	return nil, err
}
