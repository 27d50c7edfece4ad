package sandbox

import "strings"

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
	items, next := page(c.userCount(), from, limit, func(i int) (*user, bool) {
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
