package sandbox

import (
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
}

// PostAs lets a person, by id or name, say something in a channel, by id or #name,
// and returns the message's ts. The app's own bot can speak as well.
func (s *Sandbox) PostAs(person, channel, text string, how Saying) (ts string, err error) {
	err = s.act(person, channel, func(who actor, ch *channelRef) error {
		d := draft{text: text, threadTS: how.ThreadTS, broadcast: how.Broadcast, blocks: how.Blocks, clientMsgID: !who.bot()}
		if err := checkBlocks(d.blocks); err != nil {
			return err
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
	return nil
}

// personNamed finds somebody by id, or by name with or without @.
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
