package sandbox

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
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

// sees reports whether a channel exists for the caller.
func (c *call) sees(ch *channel) bool { return c.who.user.sees(ch) }

// sees reports whether a channel exists for somebody. Guests see those that they are in.
func (u *user) sees(ch *channel) bool {
	return ch.has(u.ID) || ch.kind == public && !u.IsRestricted && !u.IsUltraRestricted && !u.IsStranger
}

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
	items, next := pageOf(c.channelCount(), from, limit, func(i int) (object, bool) {
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
	items, next := pageOf(len(ch.members), from, limit, func(i int) (string, bool) { return ch.members[i], true })
	cursor := ""
	if next >= 0 {
		cursor = encodeCursor("user", ch.members[next])
	}
	return object{"members": items, "response_metadata": object{"next_cursor": cursor}}, nil
}

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

func conversationsCreate(c *call) (object, error) {
	k := public
	if c.truth("is_private", false) {
		k = private
	}
	if err := c.familyScope(k, "write"); err != nil {
		return nil, err
	}
	name := c.params["name"]
	if err := checkName(name); err != nil {
		return nil, err
	}
	if c.nameTaken(name) {
		return nil, fail("name_taken")
	}
	ch := c.createChannel(name, k, c.who.user)
	return object{"channel": c.channelView(ch)}, nil
}

func (s *Sandbox) createChannel(name string, k kind, by *user) *channel {
	ch := newChannel(s.newID("C"), name, k)
	ch.created, ch.creator, ch.members = time.Now().Unix(), by.ID, []string{by.ID}
	ch.updated = ch.created * 1000
	s.channels.put(ch.id, ch)
	if k == public {
		s.channelEvent("channel_created", ch, object{
			"id": ch.id, "is_channel": true, "name": name, "name_normalized": name, "created": ch.created, "creator": by.ID,
			"is_shared": false, "is_org_shared": false, "context_team_id": s.team.id,
		}, nil)
	}
	s.systemMessage(ch, by, joinSubtype(k, "join"), "<@"+by.ID+"> has joined the channel", "")
	s.memberEvent("member_joined_channel", ch, by, "")
	return ch
}

func checkName(name string) error {
	switch {
	case name == "":
		return fail("invalid_name_required")
	case utf8.RuneCountInString(name) > 80:
		return fail("invalid_name_maxlength")
	case strings.Trim(name, "-_") == "":
		return fail("invalid_name_punctuation")
	case !channelName(name):
		return fail("invalid_name_specials")
	}
	return nil
}

func joinSubtype(k kind, what string) string {
	if k == private {
		return "group_" + what
	}
	return "channel_" + what
}

// systemMessage is what Slack itself says in a channel.
func (s *Sandbox) systemMessage(ch *channel, by *user, subtype, text, inviter string) *message {
	m := s.compose(actor{kind: userToken, user: by}, draft{subtype: subtype, inviter: inviter})
	m.Text = text
	ch.add(m)
	s.messageEvent(ch, m)
	return m
}

func conversationsJoin(c *call) (object, error) {
	if err := c.familyScope(public, "join"); err != nil {
		return nil, err
	}
	ch, ok := c.channel(c.params["channel"])
	switch {
	case !ok || !c.sees(ch):
		return nil, fail("channel_not_found")
	case ch.kind != public:
		return nil, fail("method_not_supported_for_channel_type")
	case ch.archived:
		return nil, fail("is_archived")
	}
	if ch.has(c.who.user.ID) {
		return object{
			"channel": c.channelView(ch), "warning": "already_in_channel",
			"response_metadata": object{"warnings": []string{"already_in_channel"}},
		}, nil
	}
	c.join(ch, c.who.user, "")
	return object{"channel": c.channelView(ch)}, nil
}

// join makes a person a member.
func (s *Sandbox) join(ch *channel, u *user, inviter string) {
	ch.members = append(ch.members, u.ID)
	if ch.kind == public || ch.kind == private {
		s.systemMessage(ch, u, joinSubtype(ch.kind, "join"), "<@"+u.ID+"> has joined the channel", inviter)
	}
	s.memberEvent("member_joined_channel", ch, u, inviter)
}

// leave ends a membership. The app hears of its own end, too.
func (s *Sandbox) leave(ch *channel, u *user) {
	s.memberEvent("member_left_channel", ch, u, "")
	s.systemMessage(ch, u, joinSubtype(ch.kind, "leave"), "<@"+u.ID+"> has left the channel", "")
	ch.members = slices.DeleteFunc(slices.Clone(ch.members), func(id string) bool { return id == u.ID })
	if u.ID == s.app.botUser {
		name := "channel_left"
		if ch.kind == private {
			name = "group_left"
		}
		s.deliver(name, ch, object{"type": name, "channel": ch.id, "actor_id": u.ID, "event_ts": s.newTS()})
	}
}

func conversationsLeave(c *call) (object, error) {
	ch, err := c.conversation("write")
	if err != nil {
		return nil, err
	}
	switch {
	case !ch.has(c.who.user.ID):
		return object{"not_in_channel": true}, nil
	case ch.general:
		return nil, fail("cant_leave_general")
	case ch.archived:
		return nil, fail("is_archived")
	case ch.kind == direct || ch.kind == group:
		return nil, fail("method_not_supported_for_channel_type")
	case ch.kind == private && len(ch.members) == 1:
		return nil, fail("last_member")
	}
	c.leave(ch, c.who.user)
	return nil, nil
}

func conversationsInvite(c *call) (object, error) {
	ch, err := c.inside("write")
	if err != nil {
		return nil, err
	}
	ids := c.list("users")
	switch {
	case ch.archived:
		return nil, fail("is_archived")
	case ch.kind == direct || ch.kind == group:
		return nil, fail("method_not_supported_for_channel_type")
	case len(ids) == 0:
		return nil, fail("no_user")
	case len(ids) > 1000:
		return nil, fail("too_many_users")
	}
	var wrong []object
	var guests []*user
	for _, id := range ids {
		u, found := c.user(id)
		code := ""
		switch {
		case !found:
			code = "user_not_found"
		case u.ID == c.who.user.ID:
			code = "cant_invite_self"
		case ch.has(u.ID):
			code = "already_in_channel"
		case u.Deleted:
			code = "user_disabled"
		case u.IsStranger && !ch.external:
			code = "user_team_not_in_channel"
		}
		if code != "" {
			wrong = append(wrong, object{"user": id, "ok": false, "error": code})
			continue
		}
		guests = append(guests, u)
	}
	if len(wrong) > 0 && !c.truth("force", false) {
		return nil, failWith(wrong[0]["error"].(string), object{"errors": wrong})
	}
	for _, u := range guests {
		c.join(ch, u, c.who.user.ID)
	}
	return object{"channel": c.channelView(ch)}, nil
}

func conversationsKick(c *call) (object, error) {
	ch, err := c.inside("write")
	if err != nil {
		return nil, err
	}
	u, err := c.person()
	if err != nil {
		return nil, err
	}
	switch {
	case u.ID == c.who.user.ID:
		return nil, fail("cant_kick_self")
	case ch.general:
		return nil, fail("cant_kick_from_general")
	case ch.kind == direct || ch.kind == group:
		return nil, fail("method_not_supported_for_channel_type")
	case !ch.has(u.ID):
		return nil, fail("not_in_channel")
	}
	c.leave(ch, u)
	return object{"errors": object{}}, nil
}

func conversationsSetTopic(c *call) (object, error)   { return c.setNote("topic") }
func conversationsSetPurpose(c *call) (object, error) { return c.setNote("purpose") }

// setNote changes a channel's topic or purpose.
func (c *call) setNote(what string) (object, error) {
	ch, err := c.inside("write")
	if err != nil {
		return nil, err
	}
	text := c.params[what]
	switch {
	case ch.archived:
		return nil, fail("is_archived")
	case utf8.RuneCountInString(text) > 250:
		return nil, fail("too_long")
	}
	n := note{Value: normalise(text), Creator: c.who.user.ID, LastSet: time.Now().Unix()}
	m := c.compose(c.who, draft{subtype: joinSubtype(ch.kind, what)})
	m.Text = "<@" + c.who.user.ID + "> set the channel " + what + ": " + n.Value
	if what == "topic" {
		ch.topic, m.Topic = n, n.Value
	} else {
		ch.purpose, m.Purpose = n, n.Value
	}
	ch.updated = time.Now().UnixMilli()
	ch.add(m)
	c.messageEvent(ch, m)
	return object{"channel": c.channelView(ch), what: n.Value}, nil
}

func conversationsRename(c *call) (object, error) {
	ch, err := c.inside("write")
	if err != nil {
		return nil, err
	}
	name := c.params["name"]
	if err := checkName(name); err != nil {
		return nil, err
	}
	switch {
	case ch.archived:
		return nil, fail("is_archived")
	case ch.kind == direct || ch.kind == group:
		return nil, fail("method_not_supported_for_channel_type")
	case ch.creator != c.who.user.ID && !c.who.user.IsAdmin:
		return nil, fail("not_authorized")
	case c.nameTaken(name):
		return nil, fail("name_taken")
	}
	c.rename(ch, name, c.who)
	return object{"channel": c.channelView(ch)}, nil
}

func (s *Sandbox) rename(ch *channel, name string, who actor) {
	old := ch.name
	ch.previousNames = append(ch.previousNames, old)
	ch.name, ch.updated = name, time.Now().UnixMilli()
	m := s.compose(who, draft{subtype: joinSubtype(ch.kind, "name"), name: name, oldName: old})
	m.Text = "<@" + who.user.ID + "> has renamed the channel from \"" + old + "\" to \"" + name + "\""
	ch.add(m)
	s.messageEvent(ch, m)
	s.channelEvent("channel_rename", ch, object{
		"id": ch.id, "is_channel": ch.kind == public, "is_mpim": false, "name": name, "name_normalized": name, "created": ch.created,
	}, nil)
}

func conversationsArchive(c *call) (object, error) {
	ch, err := c.inside("write")
	if err != nil {
		return nil, err
	}
	switch {
	case ch.archived:
		return nil, fail("already_archived")
	case ch.general:
		return nil, fail("cant_archive_general")
	case ch.kind == direct || ch.kind == group:
		return nil, fail("method_not_supported_for_channel_type")
	}
	c.archive(ch, true, c.who)
	return nil, nil
}

func conversationsUnarchive(c *call) (object, error) {
	ch, err := c.conversation("write")
	if err != nil {
		return nil, err
	}
	if !ch.archived {
		return nil, fail("not_archived")
	}
	c.archive(ch, false, c.who)
	return nil, nil
}

// archive closes a channel, or opens it again.
func (s *Sandbox) archive(ch *channel, closed bool, who actor) {
	verb := "archive"
	if !closed {
		verb = "unarchive"
		ch.archived = false
	}
	m := s.compose(who, draft{subtype: joinSubtype(ch.kind, verb)})
	m.Text = "<@" + who.user.ID + "> has " + verb + "d the channel"
	ch.add(m)
	s.messageEvent(ch, m)
	ch.archived, ch.updated = closed, time.Now().UnixMilli()
	s.channelEvent("channel_"+verb, ch, ch.id, who.user)
}
