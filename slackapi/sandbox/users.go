package sandbox

import (
	"slices"
	"strings"
)

// userView is a user as the caller may see it.
func (c *call) userView(u *user) *user {
	v := *u
	if !c.who.has("users:read.email") {
		v.Profile.Email = ""
	}
	if c.truth("include_locale", false) {
		v.Locale = "en-US"
	}
	return &v
}

// person finds the user that a call names.
func (c *call) person() (*user, error) {
	id := c.params["user"]
	if id == "" {
		return nil, badArgument("missing required field: user")
	}
	if u, ok := c.user(id); ok {
		return u, nil
	}
	return nil, fail("user_not_found")
}

func usersInfo(c *call) (object, error) {
	u, err := c.person()
	if err != nil {
		return nil, err
	}
	return object{"user": c.userView(u)}, nil
}

func usersList(c *call) (object, error) {
	limit, err := c.limit(1000, 1000)
	if err != nil {
		return nil, err
	}
	if c.params["limit"] == "" && c.userCount() > limit {
		return nil, fail("limit_required")
	}
	from := 0
	if cursor := c.params["cursor"]; cursor != "" {
		if from, err = c.position("user", cursor, c.userIndex); err != nil {
			return nil, err
		}
	}
	items, next := pageOf(c.userCount(), from, limit, func(i int) (*user, bool) {
		u := c.userAt(i)
		return c.userView(u), !u.IsStranger
	})
	cursor := ""
	if next >= 0 {
		cursor = encodeCursor("user", c.userAt(next).ID)
	}
	return object{"members": items, "cache_ts": c.opt.Now.Unix(), "response_metadata": object{"next_cursor": cursor}}, nil
}

func usersLookupByEmail(c *call) (object, error) {
	email, err := c.need("email")
	if err != nil {
		return nil, err
	}
	for i := range c.userCount() {
		if u := c.userAt(i); strings.EqualFold(u.Profile.Email, email) && !u.Deleted {
			return object{"user": c.userView(u)}, nil
		}
	}
	return nil, fail("users_not_found")
}

func usersProfileGet(c *call) (object, error) {
	u := c.who.user
	if c.params["user"] != "" {
		var err error
		if u, err = c.person(); err != nil {
			return nil, err
		}
	}
	return object{"profile": c.userView(u).Profile}, nil
}

func usersGetPresence(c *call) (object, error) {
	u := c.who.user
	if c.params["user"] != "" {
		var err error
		if u, err = c.person(); err != nil {
			return nil, err
		}
	}
	presence := "active"
	if u.away {
		presence = "away"
	}
	reply := object{"presence": presence}
	if u.ID == c.who.user.ID && !c.who.bot() {
		reply["online"], reply["auto_away"], reply["manual_away"] = !u.away, false, u.away
		reply["connection_count"], reply["last_activity"] = 1, c.opt.Now.Unix()
	}
	return reply, nil
}

// A userGroup is people who can be mentioned together.
type userGroup struct {
	id, handle, name, description string
	users                         []string
	created                       int64
	disabled                      bool
}

func (s *Sandbox) populateGroups() {
	s.groups = []*userGroup{
		{id: "S0ONCALL001", handle: "oncall", name: "On call", description: "Who is awake", users: []string{Farid, Bob}, created: crowdEpoch},
		{id: "S0SUPPORT01", handle: "support-team", name: "Support", description: "Who answers customers", users: []string{Carla, Henrik}, created: crowdEpoch},
		{id: "S0OLDTEAM01", handle: "old-team", name: "Old team", users: []string{Jonas}, created: crowdEpoch, disabled: true},
	}
}

func (s *Sandbox) groupView(g *userGroup, users, count bool) object {
	deletedAt, deletedBy := int64(0), any(nil)
	if g.disabled {
		deletedAt, deletedBy = g.created+1, s.app.installer
	}
	view := object{
		"id": g.id, "team_id": s.team.id, "is_usergroup": true, "is_subteam": true, "name": g.name, "description": g.description,
		"handle": g.handle, "is_external": false, "date_create": g.created, "date_update": g.created, "date_delete": deletedAt,
		"auto_type": nil, "auto_provision": false, "enterprise_subteam_id": "", "created_by": s.app.installer, "updated_by": s.app.installer,
		"deleted_by": deletedBy, "prefs": object{"channels": []string{}, "groups": []string{}}, "channel_count": 0,
	}
	if users {
		view["users"] = g.users
	}
	if count {
		view["user_count"] = len(g.users)
	}
	return view
}

func usergroupsList(c *call) (object, error) {
	views := []object{}
	for _, g := range c.groups {
		if !g.disabled || c.truth("include_disabled", false) {
			views = append(views, c.groupView(g, c.truth("include_users", false), c.truth("include_count", false)))
		}
	}
	return object{"usergroups": views}, nil
}

func usergroupsUsersList(c *call) (object, error) {
	for _, g := range c.groups {
		if g.id == c.params["usergroup"] && (!g.disabled || c.truth("include_disabled", false)) {
			return object{"users": g.users}, nil
		}
	}
	return nil, fail("no_such_subteam")
}

func authTest(c *call) (object, error) {
	reply := object{
		"url": "https://" + c.team.domain + ".slack.com/", "team": c.team.name, "team_id": c.team.id,
		"user": c.who.user.Name, "user_id": c.who.user.ID, "is_enterprise_install": c.opt.Organization != "",
	}
	if c.opt.Organization != "" {
		reply["enterprise_id"] = c.opt.Organization
	}
	if c.who.bot() {
		reply["bot_id"] = c.app.botID
	}
	return reply, nil
}

func authTeamsList(c *call) (object, error) {
	return object{"teams": []object{{"id": c.team.id, "name": c.team.name}}}, nil
}

func apiTest(c *call) (object, error) {
	args := object{}
	for key, v := range c.params {
		args[key] = v
	}
	if code := c.params["error"]; code != "" {
		return nil, failWith(code, object{"args": args})
	}
	return object{"args": args}, nil
}

func teamInfo(c *call) (object, error) {
	return object{"team": object{
		"id": c.team.id, "name": c.team.name, "url": "https://" + c.team.domain + ".slack.com/", "domain": c.team.domain,
		"email_domain": c.team.domain + ".example", "icon": object{"image_34": c.image(34), "image_default": true},
		"avatar_base_url": "https://ca.slack-edge.com/", "is_verified": false,
	}}, nil
}

func botsInfo(c *call) (object, error) {
	id := or(c.params["bot"], c.app.botID)
	i := slices.IndexFunc(c.bots, func(b *bot) bool { return b.id == id })
	if i < 0 {
		return nil, fail("bot_not_found")
	}
	b := c.bots[i]
	view := object{
		"id": b.id, "deleted": false, "name": b.name, "updated": crowdEpoch, "app_id": b.appID, "icons": c.botProfile(b).Icons,
	}
	if b.user != "" {
		view["user_id"] = b.user
	}
	return object{"bot": view}, nil
}
