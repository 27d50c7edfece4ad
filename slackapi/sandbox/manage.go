package sandbox

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

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

// join makes somebody a member.
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
