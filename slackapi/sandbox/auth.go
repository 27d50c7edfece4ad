package sandbox

func authTest(c *call) (object, error) {
	reply := object{
		"url": "https://" + c.team.domain + ".slack.com/", "team": c.team.name, "team_id": c.team.id,
		"user": c.who.user.Name, "user_id": c.who.user.ID, "is_enterprise_install": false,
	}
	if c.who.bot() {
		reply["bot_id"] = c.app.botID
	}
	return reply, nil
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
	if id := c.params["bot"]; id != "" && id != c.app.botID {
		return nil, fail("bot_not_found")
	}
	return object{"bot": object{
		"id": c.app.botID, "deleted": false, "name": c.app.name, "updated": crowdEpoch, "app_id": c.app.id,
		"user_id": c.app.botUser, "icons": c.botProfile().Icons,
	}}, nil
}
