package sandbox

import (
	"slices"
	"strings"
)

// conversation finds the channel of a call that its token can see, and checks the
// scope of a family such as "history" for the channel's kind.
func (c *call) conversation(family string) (*channel, error) {
	id := c.params["channel"]
	ch, ok := c.channel(id)
	if id == "" || !ok {
		return nil, fail("channel_not_found")
	}
	if err := c.familyScope(ch.kind, family); err != nil {
		return nil, err
	}
	if !c.sees(ch) {
		return nil, fail("channel_not_found")
	}
	return ch, nil
}

// familyScope checks a scope that depends on the conversation's kind. What writes to
// channels is channels:manage for bots and channels:write for people, who need it for
// joining as well.
func (c *call) familyScope(k kind, family string) error {
	if family == "" {
		return nil
	}
	scope := k.scope(family)
	switch {
	case family == "join" && !c.who.bot():
		scope = "channels:write"
	case family == "write" && k == public && c.who.bot():
		scope = "channels:manage"
	}
	if c.who.has(scope) {
		return nil
	}
	return missingScope(scope, strings.Join(c.who.scopes, ","))
}

// sees reports whether a channel exists as far as the caller can tell.
func (c *call) sees(ch *channel) bool { return ch.kind == public || ch.has(c.who.user.ID) }

// inside finds the channel of a call in which the caller is a member.
func (c *call) inside(family string) (*channel, error) {
	ch, err := c.conversation(family)
	if err != nil {
		return nil, err
	}
	if !ch.has(c.who.user.ID) {
		return nil, fail("not_in_channel")
	}
	return ch, nil
}

func conversationsInfo(c *call) (object, error) {
	ch, err := c.conversation("read")
	if err != nil {
		return nil, err
	}
	view := c.channelView(ch)
	if c.truth("include_num_members", false) {
		view["num_members"] = len(ch.members)
	}
	if c.truth("include_locale", false) {
		view["locale"] = "en-US"
	}
	if ch.has(c.who.user.ID) {
		view["last_read"] = or(ch.lastRead[c.who.user.ID], "0000000000.000000")
		if ch.kind == direct && !c.who.bot() {
			n := unread(ch, c.who.user.ID)
			view["unread_count"], view["unread_count_display"] = n, n
		}
		if n := len(ch.log); n > 0 && (ch.kind == direct || ch.kind == group) {
			view["latest"] = c.view(ch.log[n-1], c.who)
		}
	}
	return object{"channel": view}, nil
}

func unread(ch *channel, user string) int {
	n := 0
	for _, m := range ch.log {
		if m.TS > ch.lastRead[user] && m.User != user {
			n++
		}
	}
	return n
}

func conversationsList(c *call) (object, error) {
	return c.listChannels(func(ch *channel) bool { return c.sees(ch) })
}

func usersConversations(c *call) (object, error) {
	u := c.who.user
	if id := c.params["user"]; id != "" {
		found, ok := c.user(id)
		if !ok {
			return nil, fail("user_not_found")
		}
		u = found
	}
	return c.listChannels(func(ch *channel) bool { return ch.has(u.ID) && c.sees(ch) })
}

// listChannels is a page of the conversations of the types that the call names.
func (c *call) listChannels(want func(*channel) bool) (object, error) {
	types, err := c.listTypes()
	if err != nil {
		return nil, err
	}
	limit, err := c.limit(100, 1000)
	if err != nil {
		return nil, err
	}
	from := 0
	if cursor := c.params["cursor"]; cursor != "" {
		if from, err = c.position("team", cursor, c.channelIndex); err != nil {
			return nil, err
		}
	}
	items, next := page(c.channelCount(), from, limit, func(i int) (object, bool) {
		ch := c.channelAt(i)
		if !slices.Contains(types, ch.kind.listType()) || !want(ch) || ch.archived && c.truth("exclude_archived", false) {
			return nil, false
		}
		view := c.channelView(ch)
		if ch.kind != direct {
			view["num_members"] = len(ch.members)
		}
		return view, true
	})
	cursor := ""
	if next >= 0 {
		cursor = encodeCursor("team", c.channelAt(next).id)
	}
	return object{"channels": items, "response_metadata": object{"next_cursor": cursor}}, nil
}

// listTypes are the kinds of conversations that the call asks for and may see.
func (c *call) listTypes() ([]string, error) {
	types := c.list("types")
	if len(types) == 0 {
		types = []string{"public_channel"}
	}
	for _, t := range types {
		k := kindOf(t)
		if k == "" {
			return nil, fail("invalid_types")
		}
		if err := c.familyScope(k, "read"); err != nil {
			return nil, err
		}
	}
	return types, nil
}

// position is where a cursor of a kind points to, by the index of its id.
func (c *call) position(kind, cursor string, index func(string) (int, bool)) (int, error) {
	if id, ok := decodeCursor(kind, cursor); ok {
		if i, found := index(id); found {
			return i, nil
		}
	}
	return 0, fail("invalid_cursor")
}

func kindOf(listType string) kind {
	for _, k := range []kind{public, private, direct, group} {
		if k.listType() == listType {
			return k
		}
	}
	return ""
}

// channelView is a conversation as the caller sees it.
func (c *call) channelView(ch *channel) object { return c.viewChannel(ch, c.who.user.ID) }

func (s *Sandbox) viewChannel(ch *channel, viewer string) object {
	if ch.kind == direct {
		other := viewer
		for _, id := range ch.members {
			if id != viewer {
				other = id
			}
		}
		u, _ := s.user(other)
		return object{
			"id": ch.id, "created": ch.created, "updated": ch.updated, "is_archived": ch.archived, "is_im": true,
			"is_org_shared": false, "context_team_id": s.team.id, "user": other, "is_user_deleted": u != nil && u.Deleted,
			"is_open": true, "priority": 0,
		}
	}
	previous := ch.previousNames
	if previous == nil {
		previous = []string{}
	}
	view := object{
		"id": ch.id, "name": ch.name, "name_normalized": ch.name, "created": ch.created, "updated": ch.updated,
		"creator": ch.creator, "is_channel": ch.kind == public, "is_group": ch.kind == private, "is_im": false,
		"is_mpim": ch.kind == group, "is_private": ch.kind != public, "is_archived": ch.archived, "is_general": ch.general,
		"is_member": ch.has(viewer), "is_shared": ch.external, "is_ext_shared": ch.external, "is_org_shared": false,
		"is_pending_ext_shared": false, "pending_shared": []string{}, "pending_connected_team_ids": []string{},
		"context_team_id": s.team.id, "parent_conversation": nil, "unlinked": 0,
		"shared_team_ids": s.sharedTeams(ch), "topic": ch.topic, "purpose": ch.purpose, "previous_names": previous,
	}
	if ch.canvas != "" {
		view["properties"] = object{"canvas": object{"file_id": ch.canvas, "is_empty": false, "quip_thread_id": ""}}
	}
	return view
}

func (s *Sandbox) sharedTeams(ch *channel) []string {
	teams := []string{s.team.id}
	if ch.external {
		teams = append(teams, partnerTeam)
	}
	return teams
}

func conversationsMembers(c *call) (object, error) {
	ch, err := c.conversation("read")
	if err != nil {
		return nil, err
	}
	limit, err := c.limit(100, 1000)
	if err != nil {
		return nil, err
	}
	from := 0
	if cursor := c.params["cursor"]; cursor != "" {
		id, ok := decodeCursor("user", cursor)
		if from = slices.Index(ch.members, id); !ok || from < 0 {
			return nil, fail("invalid_cursor")
		}
	}
	items, next := page(len(ch.members), from, limit, func(i int) (string, bool) { return ch.members[i], true })
	cursor := ""
	if next >= 0 {
		cursor = encodeCursor("user", ch.members[next])
	}
	return object{"members": items, "response_metadata": object{"next_cursor": cursor}}, nil
}
