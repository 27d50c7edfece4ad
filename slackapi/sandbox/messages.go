package sandbox

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// own finds the message of a call that the caller may change. A person may change
// their own messages, an app its own.
func (c *call) own(code string) (*channel, *message, error) {
	ch, ok := c.channel(c.params["channel"])
	if !ok || !c.sees(ch) {
		return nil, nil, fail("channel_not_found")
	}
	m := ch.byTS[c.params["ts"]]
	switch {
	case m == nil:
		return nil, nil, fail("message_not_found")
	case ch.archived:
		return nil, nil, fail("is_archived")
	case c.who.bot() && m.BotID != c.app.botID, !c.who.bot() && m.User != c.who.user.ID, m.Subtype == "tombstone":
		return nil, nil, fail(code)
	}
	return ch, m, nil
}

func chatUpdate(c *call) (object, error) {
	ch, m, err := c.own("cant_update_message")
	if err != nil {
		return nil, err
	}
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	c.edit(ch, m, d, c.who.user)
	return object{"channel": ch.id, "ts": m.TS, "text": m.Text, "message": c.view(m, c.who)}, nil
}

// edit gives a message another text.
func (s *Sandbox) edit(ch *channel, m *message, d draft, by *user) {
	before := m.copy()
	m.Text, m.Attachments = normalise(d.text), d.attachments
	if m.Blocks = d.blocks; m.Blocks == nil {
		m.Blocks = richText(m.Text, m.TS)
	}
	if d.metadata != nil {
		m.Metadata = d.metadata
	}
	m.Edited = &edited{User: by.ID, TS: formatTS(s.nowMicro() / 1e6 * 1e6)}
	s.changedEvent(ch, m, before)
}

func chatDelete(c *call) (object, error) {
	ch, m, err := c.own("cant_delete_message")
	if err != nil {
		return nil, err
	}
	c.erase(ch, m)
	return object{"channel": ch.id, "ts": m.TS}, nil
}

// erase takes a message away. The root of a thread leaves a tombstone for its replies.
func (s *Sandbox) erase(ch *channel, m *message) {
	before := m.copy()
	s.unpin(ch, m)
	if m.ReplyCount > 0 {
		*m = message{
			Type: "message", Subtype: "tombstone", User: "USLACKBOT", Text: "This message was deleted.", TS: m.TS, ThreadTS: m.TS,
			ReplyCount: m.ReplyCount, ReplyUsersCount: m.ReplyUsersCount, ReplyUsers: m.ReplyUsers, LatestReply: m.LatestReply,
			IsLocked: new(false),
		}
		s.changedEvent(ch, m, before)
		return
	}
	ch.remove(m)
	if root := ch.byTS[m.ThreadTS]; root != nil && m.reply() {
		s.recount(ch, root)
	}
	s.deletedEvent(ch, before)
}

// recount makes a root agree with its replies.
func (s *Sandbox) recount(ch *channel, root *message) {
	root.ReplyUsers, root.LatestReply = nil, ""
	for _, r := range ch.threads[root.TS] {
		root.LatestReply = r.TS
		if author := or(r.User, r.BotID); !slices.Contains(root.ReplyUsers, author) {
			root.ReplyUsers = append(root.ReplyUsers, author)
		}
	}
	root.ReplyCount, root.ReplyUsersCount = len(ch.threads[root.TS]), len(root.ReplyUsers)
	if root.ReplyCount == 0 {
		root.ThreadTS, root.IsLocked = "", nil
	}
}

func chatGetPermalink(c *call) (object, error) {
	ch, ok := c.channel(c.params["channel"])
	if !ok || !c.sees(ch) {
		return nil, fail("channel_not_found")
	}
	m := ch.byTS[c.params["message_ts"]]
	if m == nil {
		return nil, fail("message_not_found")
	}
	return object{"channel": ch.id, "permalink": c.permalink(ch, m)}, nil
}

// An Ephemeral is a message that one person alone saw.
type Ephemeral struct {
	Channel, User, Text, TS string
}

const maxEphemerals = 1000

func chatPostEphemeral(c *call) (object, error) {
	ch, err := c.destination()
	if err != nil {
		return nil, err
	}
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	id := c.params["user"]
	switch {
	case ch.archived:
		return nil, fail("is_archived")
	case !ch.has(c.who.user.ID):
		return nil, fail("not_in_channel")
	case !ch.has(id):
		return nil, fail("user_not_in_channel")
	}
	e := Ephemeral{Channel: ch.id, User: id, Text: normalise(d.text), TS: c.newTS()}
	c.whisper(e)
	return object{"message_ts": e.TS}, nil
}

// Ephemerals are the newest 1,000 messages that one person alone saw, oldest first.
func (s *Sandbox) Ephemerals() []Ephemeral {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ephemerals)
}

func chatMeMessage(c *call) (object, error) {
	ch, err := c.destination()
	if err != nil {
		return nil, err
	}
	if c.params["text"] == "" {
		return nil, fail("no_text")
	}
	if utf8.RuneCountInString(c.params["text"]) > maxText {
		return nil, fail("msg_too_long")
	}
	m, err := c.post(ch, c.who, draft{text: c.params["text"], subtype: "me_message"})
	if err != nil {
		return nil, err
	}
	return object{"channel": ch.id, "ts": m.TS}, nil
}

// nameOf is a person's name, for the texts of the workspace itself.
func (s *Sandbox) nameOf(id string) string {
	if u, ok := s.user(id); ok {
		return u.Name
	}
	return strings.ToLower(id)
}
