package sandbox

func conversationsOpen(c *call) (object, error) {
	if id := c.params["channel"]; id != "" {
		ch, err := c.conversation("write")
		if err != nil {
			return nil, err
		}
		if ch.kind != direct && ch.kind != group {
			return nil, fail("invalid_channel")
		}
		return c.opened(ch, true), nil
	}
	ids := c.list("users")
	switch {
	case len(ids) == 0:
		return nil, fail("users_list_not_supplied")
	case len(ids) > 8:
		return nil, fail("too_many_users")
	}
	k := direct
	if len(ids) > 1 {
		k = group
	}
	if err := c.familyScope(k, "write"); err != nil {
		return nil, err
	}
	var others []*user
	for _, id := range ids {
		u, ok := c.user(id)
		switch {
		case !ok:
			return nil, fail("user_not_found")
		case u.Deleted:
			return nil, fail("user_disabled")
		case u.IsBot && u.ID != c.who.user.ID && c.who.bot():
			return nil, fail("cannot_dm_bot")
		}
		others = append(others, u)
	}
	before := len(c.channels.order)
	ch := c.openDirect(c.who.user, others)
	return c.opened(ch, len(c.channels.order) == before), nil
}

func (c *call) opened(ch *channel, already bool) object {
	reply := object{"channel": object{"id": ch.id}}
	if c.truth("return_im", false) {
		reply["channel"] = c.channelView(ch)
	}
	if already {
		reply["no_op"], reply["already_open"] = true, true
	}
	return reply
}

func conversationsClose(c *call) (object, error) {
	ch, err := c.conversation("write")
	if err != nil {
		return nil, err
	}
	if ch.kind != direct && ch.kind != group {
		return nil, fail("method_not_supported_for_channel_type")
	}
	return nil, nil
}

func conversationsMark(c *call) (object, error) {
	ch, err := c.inside("write")
	if err != nil {
		return nil, err
	}
	if _, ok := parseTS(c.params["ts"]); !ok {
		return nil, fail("invalid_timestamp")
	}
	ch.lastRead[c.who.user.ID] = c.params["ts"]
	return nil, nil
}
