package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Saying is how a person says something; the zero value is a plain message.
type Saying struct {
	ThreadTS  string
	Broadcast bool
	Blocks    []byte // JSON
	// Attachments are a list in JSON.
	Attachments []byte
}

// PostAs lets a person, by id or name, say something in a channel, by id or #name,
// and returns the message's ts. The app's own bot can speak as well.
func (s *Sandbox) PostAs(person, channel, text string, how Saying) (ts string, err error) {
	err = s.act(person, channel, func(who actor, ch *channelRef) error {
		d := draft{text: text, threadTS: how.ThreadTS, broadcast: how.Broadcast, blocks: how.Blocks, attachments: how.Attachments, clientMsgID: !who.user.IsBot}
		if err := checkBlocks(d.blocks); err != nil {
			return err
		}
		if d.attachments != nil && !json.Valid(d.attachments) {
			return fail("invalid_attachments")
		}
		if err := d.check(); err != nil {
			return err
		}
		m, err := s.post(ch.channel, who, d)
		if err == nil {
			ts = m.TS
		}
		return err
	})
	return ts, err
}

// ReactAs lets a person put an emoji on a message.
func (s *Sandbox) ReactAs(person, channel, ts, emoji string) error {
	return s.act(person, channel, func(who actor, ch *channelRef) error {
		m := ch.byTS[ts]
		if m == nil {
			return fail("message_not_found")
		}
		return s.react(ch.channel, m, strings.Trim(emoji, ":"), who.user)
	})
}

// UnreactAs lets a person take their emoji off a message.
func (s *Sandbox) UnreactAs(person, channel, ts, emoji string) error {
	return s.act(person, channel, func(who actor, ch *channelRef) error {
		m := ch.byTS[ts]
		if m == nil {
			return fail("message_not_found")
		}
		return s.unreact(ch.channel, m, strings.Trim(emoji, ":"), who.user)
	})
}

// A channelRef is a channel that a person acts in.
type channelRef struct{ *channel }

// act runs what a person does in a channel, with the workspace locked. Errors are
// Slack's codes with their context.
func (s *Sandbox) act(person, channel string, do func(actor, *channelRef) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due()
	u := s.personNamed(person)
	if u == nil {
		return fmt.Errorf("sandbox: person %q: %w", person, fail("user_not_found"))
	}
	who := actor{kind: userToken, user: u, scopes: allUserScopes}
	if u.ID == s.app.botUser {
		who.kind = botToken
	}
	ch := s.named(channel)
	if ch == nil {
		if to := s.personNamed(channel); to != nil && to.ID != u.ID {
			ch = s.openDirect(u, []*user{to})
		}
	}
	if ch == nil {
		return fmt.Errorf("sandbox: channel %q: %w", channel, fail("channel_not_found"))
	}
	if err := do(who, &channelRef{ch}); err != nil {
		return fmt.Errorf("sandbox: %s in %s: %w", person, channel, err)
	}
	s.watch.live.Changed(changedConversations)
	return nil
}

// personNamed finds a person by id, or by name with or without @.
func (s *Sandbox) personNamed(name string) *user {
	if u, ok := s.user(name); ok {
		return u
	}
	name = strings.TrimPrefix(name, "@")
	for _, u := range s.users.byID {
		if u.Name == name {
			return u
		}
	}
	return nil
}

// Code returns Slack's error code in an error of this package; empty without one.
func Code(err error) string {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f.code
	}
	return ""
}

// openDirect finds or makes the conversation of a person and others.
func (s *Sandbox) openDirect(who *user, others []*user) *channel {
	ids := []string{who.ID}
	names := []string{who.Name}
	for _, o := range others {
		if !slices.Contains(ids, o.ID) {
			ids, names = append(ids, o.ID), append(names, o.Name)
		}
	}
	k := direct
	if len(ids) > 2 {
		k = group
	}
	for _, ch := range s.channels.byID {
		if ch.kind == k && len(ch.members) == len(ids) && subset(ids, ch.members) {
			return ch
		}
	}
	prefix, name := "D", ""
	if k == group {
		prefix, name = "G", "mpdm-"+strings.Join(names, "--")+"-1"
	}
	ch := newChannel(s.newID(prefix), name, k)
	ch.created, ch.members = time.Now().Unix(), ids
	ch.updated = ch.created * 1000
	if k == group {
		ch.creator = who.ID
		ch.purpose.Value = "Group messaging with: @" + strings.Join(names, " @")
	}
	s.channels.put(ch.id, ch)
	if k == direct {
		s.emit("im_created", ch, object{"type": "im_created", "user": who.ID, "channel": s.viewChannel(ch, s.app.botUser), "event_ts": s.newTS()})
	}
	return ch
}

func subset(all, of []string) bool {
	for _, a := range all {
		if !slices.Contains(of, a) {
			return false
		}
	}
	return true
}

// EditAs lets a person give a message of theirs another text.
func (s *Sandbox) EditAs(person, channel, ts, text string) error {
	return s.act(person, channel, func(who actor, ch *channelRef) error {
		m, err := ownMessage(who, ch, ts, "cant_update_message")
		if err != nil {
			return err
		}
		d := draft{text: text, keepAttachments: true}
		if err := d.check(); err != nil {
			return err
		}
		s.edit(ch.channel, m, d, who.user)
		return nil
	})
}

// DeleteAs lets a person delete a message of theirs.
func (s *Sandbox) DeleteAs(person, channel, ts string) error {
	return s.act(person, channel, func(who actor, ch *channelRef) error {
		m, err := ownMessage(who, ch, ts, "cant_delete_message")
		if err != nil {
			return err
		}
		s.erase(ch.channel, m)
		return nil
	})
}

func ownMessage(who actor, ch *channelRef, ts, code string) (*message, error) {
	m := ch.byTS[ts]
	switch {
	case m == nil:
		return nil, fail("message_not_found")
	case m.User != who.user.ID:
		return nil, fail(code)
	}
	return m, nil
}

// JoinAs makes a person a member of a public channel, or, where a member invites them,
// of any.
func (s *Sandbox) JoinAs(person, channel, inviter string) error {
	return s.act(person, channel, func(who actor, ch *channelRef) error {
		by := ""
		if inviter != "" {
			u := s.personNamed(inviter)
			if u == nil || !ch.has(u.ID) {
				return fail("cant_invite")
			}
			by = u.ID
		}
		switch {
		case ch.has(who.user.ID):
			return fail("already_in_channel")
		case ch.archived:
			return fail("is_archived")
		case ch.kind != public && by == "":
			return fail("channel_not_found")
		}
		s.join(ch.channel, who.user, by)
		return nil
	})
}

// LeaveAs ends a person's membership.
func (s *Sandbox) LeaveAs(person, channel string) error {
	return s.act(person, channel, func(who actor, ch *channelRef) error {
		switch {
		case !ch.has(who.user.ID):
			return fail("not_in_channel")
		case ch.general:
			return fail("cant_leave_general")
		}
		s.leave(ch.channel, who.user)
		return nil
	})
}

// PinAs lets a person pin a message.
func (s *Sandbox) PinAs(person, channel, ts string) error {
	return s.asCall(person, pinsAdd, params{"channel": channel, "timestamp": ts})
}

// ArchiveAs lets a person archive a channel.
func (s *Sandbox) ArchiveAs(person, channel string) error {
	return s.asCall(person, conversationsArchive, params{"channel": channel})
}

// MakePrivateAs lets an admin, who has to be a member, make a public channel private, as Slack's own clients do. There
// is no method of the Web API for it here: Slack's wants a token of an organization's admin.
func (s *Sandbox) MakePrivateAs(person, channel string) error {
	return s.act(person, channel, func(who actor, ch *channelRef) error {
		switch {
		case ch.kind != public || ch.general:
			return fail("channel_type_not_supported")
		case !ch.has(who.user.ID):
			return fail("not_in_channel")
		case !who.user.IsAdmin:
			return fail("restricted_action")
		case ch.archived || ch.external:
			return fail("could_not_convert_channel")
		}
		ch.kind, ch.updated = private, time.Now().UnixMilli()
		s.systemMessage(ch.channel, who.user, "channel_convert_to_private", "made this channel *private*. Now, it can only be viewed or joined by invitation.", "")
		return nil
	})
}

// RenameAs lets a person, its creator or an admin, rename a channel.
func (s *Sandbox) RenameAs(person, channel, name string) error {
	return s.asCall(person, conversationsRename, params{"channel": channel, "name": name})
}

// TopicAs lets a person set a channel's topic.
func (s *Sandbox) TopicAs(person, channel, topic string) error {
	return s.asCall(person, conversationsSetTopic, params{"channel": channel, "topic": topic})
}

// CreateChannelAs lets a person make a channel, and returns its id.
func (s *Sandbox) CreateChannelAs(person, name string, isPrivate bool) (id string, err error) {
	p := params{"name": name}
	if isPrivate {
		p["is_private"] = "true"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	reply, err := s.callAs(person, conversationsCreate, p)
	if err != nil {
		return "", err
	}
	id, _ = reply["channel"].(object)["id"].(string)
	return id, nil
}

// UploadAs lets a person share a file in a channel, and returns its id and the ts of
// its message.
func (s *Sandbox) UploadAs(person, channel, name string, data []byte, comment string) (id, ts string, err error) {
	err = s.act(person, channel, func(who actor, ch *channelRef) error {
		f := s.newFile(name, "", who.user.ID)
		f.data = data
		s.admit(f)
		m, err := s.post(ch.channel, who, draft{text: comment, files: []string{f.id}, clientMsgID: true})
		if err != nil {
			return err
		}
		f.shared[ch.id] = m.TS
		id, ts = f.id, m.TS
		return nil
	})
	return id, ts, err
}

// asCall runs a method of the API as a person.
func (s *Sandbox) asCall(person string, run func(*call) (object, error), p params) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.callAs(person, run, p)
	return err
}

// callAs requires s.mu. A channel may be named.
func (s *Sandbox) callAs(person string, run func(*call) (object, error), p params) (object, error) {
	u := s.personNamed(person)
	if u == nil {
		return nil, fmt.Errorf("sandbox: person %q: %w", person, fail("user_not_found"))
	}
	if ch := s.named(p["channel"]); ch != nil {
		p["channel"] = ch.id
	}
	reply, err := run(&call{Sandbox: s, params: p, who: actor{kind: userToken, user: u, scopes: allUserScopes}})
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s: %w", person, err)
	}
	s.watch.live.Changed(changedConversations)
	return reply, nil
}

// AddUser lets a person join the workspace, and returns the person's id.
func (s *Sandbox) AddUser(name, realName string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, " @<>") {
		return "", fmt.Errorf("sandbox: user name %q must be lower-case, without spaces", name)
	}
	if s.personNamed(name) != nil {
		return "", fmt.Errorf("sandbox: user name %q: %w", name, fail("name_taken"))
	}
	u := s.newUser(s.newID("U"), name, or(realName, name))
	u.Updated = time.Now().Unix()
	s.users.put(u.ID, u)
	s.emitAll("team_join", object{"type": "team_join", "user": u, "cache_ts": u.Updated, "event_ts": s.newTS()})
	return u.ID, nil
}

// ChangeUser gives a person another display name, real name or status; what is empty
// stays. The app hears of it as user_change.
func (s *Sandbox) ChangeUser(person, displayName, realName, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.personNamed(person)
	if u == nil {
		return fmt.Errorf("sandbox: person %q: %w", person, fail("user_not_found"))
	}
	changed := *u
	p := &changed.Profile
	p.DisplayName = or(displayName, p.DisplayName)
	p.DisplayNameNormalized = p.DisplayName
	changed.RealName = or(realName, changed.RealName)
	p.RealName, p.RealNameNormalized = changed.RealName, changed.RealName
	p.StatusText = or(status, p.StatusText)
	changed.Updated = time.Now().Unix()
	s.users.put(u.ID, &changed)
	s.emitAll("user_change", object{"type": "user_change", "user": &changed, "cache_ts": changed.Updated, "event_ts": s.newTS()})
	return nil
}

// SetPresence makes a person active or away. The Events API has no event for it.
func (s *Sandbox) SetPresence(person string, active bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.personNamed(person)
	if u == nil {
		return fmt.Errorf("sandbox: person %q: %w", person, fail("user_not_found"))
	}
	changed := *u
	changed.away = !active
	s.users.put(u.ID, &changed)
	return nil
}

// AddEmoji gives the workspace an emoji.
func (s *Sandbox) AddEmoji(name, imageURL string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !emojiName.MatchString(name) {
		return fmt.Errorf("sandbox: emoji %q: %w", name, fail("invalid_name"))
	}
	s.emoji[name] = imageURL
	s.emitAll("emoji_changed", object{"type": "emoji_changed", "subtype": "add", "name": name, "value": imageURL, "event_ts": s.newTS()})
	return nil
}

// OpenHomeAs lets a person open the app's home.
func (s *Sandbox) OpenHomeAs(person string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.personNamed(person)
	if u == nil {
		return fmt.Errorf("sandbox: person %q: %w", person, fail("user_not_found"))
	}
	ch := s.openDirect(s.users.byID[s.app.botUser], []*user{u})
	s.emitAll("app_home_opened", object{"type": "app_home_opened", "user": u.ID, "channel": ch.id, "tab": "home", "event_ts": s.newTS()})
	return nil
}
