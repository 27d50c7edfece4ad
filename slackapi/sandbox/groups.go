package sandbox

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
		deletedAt, deletedBy = g.created+1, Alice
	}
	view := object{
		"id": g.id, "team_id": s.team.id, "is_usergroup": true, "is_subteam": true, "name": g.name, "description": g.description,
		"handle": g.handle, "is_external": false, "date_create": g.created, "date_update": g.created, "date_delete": deletedAt,
		"auto_type": nil, "auto_provision": false, "enterprise_subteam_id": "", "created_by": Alice, "updated_by": Alice,
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
