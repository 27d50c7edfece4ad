package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// postMessage is chat.postMessage.
func postMessage(c *call) (object, error) {
	ch, err := c.destination()
	if err != nil {
		return nil, err
	}
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	m, err := c.post(ch, c.who, d)
	if err != nil {
		return nil, err
	}
	return object{"channel": ch.id, "ts": m.TS, "message": c.view(m, c.who)}, nil
}

// A draft is what is to be said.
type draft struct {
	text                string
	blocks, attachments json.RawMessage
	metadata            json.RawMessage
	threadTS            string
	broadcast           bool
	username            string
	iconEmoji, iconURL  string
	files               []string
	subtype, inviter    string
	topic, purpose      string
	name, oldName       string
	clientMsgID         bool // typed by a person
}

// draft reads a message from the arguments of a call.
func (c *call) draft() (draft, error) {
	d := draft{
		text: c.params["text"], threadTS: c.params["thread_ts"], broadcast: c.truth("reply_broadcast", false),
		username: c.params["username"], iconEmoji: c.params["icon_emoji"], iconURL: c.params["icon_url"],
	}
	var err error
	if d.blocks, err = c.array("blocks", "invalid_blocks_format"); err != nil {
		return d, err
	}
	if err := checkBlocks(d.blocks); err != nil {
		return d, err
	}
	if d.attachments, err = c.array("attachments", "invalid_attachments"); err != nil {
		return d, err
	}
	if markdown := c.params["markdown_text"]; markdown != "" {
		if d.text != "" || d.blocks != nil {
			return d, fail("markdown_text_conflict")
		}
		if utf8.RuneCountInString(markdown) > 12_000 {
			return d, fail("msg_too_long")
		}
		d.text = markdown
	}
	if raw := c.params["metadata"]; raw != "" {
		if !json.Valid([]byte(raw)) {
			return d, fail("invalid_metadata_format")
		}
		d.metadata = json.RawMessage(raw)
	}
	if d.username+d.iconEmoji+d.iconURL != "" && c.who.bot() && !c.who.has("chat:write.customize") {
		return d, missingScope("chat:write.customize", strings.Join(c.who.scopes, ","))
	}
	return d, d.check()
}

func (d draft) check() error {
	switch {
	case d.text == "" && d.blocks == nil && d.attachments == nil && len(d.files) == 0:
		return fail("no_text")
	case utf8.RuneCountInString(d.text) > maxText:
		return fail("msg_too_long")
	}
	return nil
}

// checkBlocks refuses what is no list of at most 50 blocks with types.
func checkBlocks(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var blocks []struct {
		Type string          `json:"type"`
		Text json.RawMessage `json:"text"`
	}
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return fail("invalid_blocks_format")
	}
	if len(blocks) > 50 {
		return failWith("invalid_blocks", object{"response_metadata": object{"messages": []string{"[ERROR] no more than 50 items allowed [json-pointer:/blocks]"}}})
	}
	for i, b := range blocks {
		if b.Type == "" {
			return failWith("invalid_blocks", object{"response_metadata": object{"messages": []string{
				"[ERROR] missing required field: type [json-pointer:/blocks/" + strconv.Itoa(i) + "/type]",
			}}})
		}
	}
	return nil
}

// destination is where a post goes: a channel by id or name, or a person.
func (c *call) destination() (*channel, error) {
	id, err := c.need("channel")
	if err != nil {
		return nil, fail("channel_not_found")
	}
	if u, ok := c.user(id); ok {
		if u.ID == c.who.user.ID {
			return nil, fail("channel_not_found")
		}
		return c.openDirect(c.who.user, []*user{u}), nil
	}
	ch := c.named(id)
	if ch == nil || ch.kind != public && !ch.has(c.who.user.ID) {
		return nil, fail("channel_not_found")
	}
	return ch, nil
}

// named finds a channel by its id, or by its name with or without #.
func (s *Sandbox) named(id string) *channel {
	if ch, ok := s.channel(id); ok {
		return ch
	}
	name := strings.TrimPrefix(id, "#")
	for i := range s.channelCount() {
		if ch := s.channelAt(i); ch.name == name && name != "" {
			s.keep(ch)
			return ch
		}
	}
	return nil
}

// post puts a message into a channel and lets the workspace know.
func (s *Sandbox) post(ch *channel, who actor, d draft) (*message, error) {
	switch {
	case ch.archived:
		return nil, fail("is_archived")
	case !ch.has(who.user.ID) && (ch.kind != public || !who.bot() || !who.has("chat:write.public")):
		return nil, fail("not_in_channel")
	}
	m := s.compose(who, d)
	if d.threadTS != "" {
		root := ch.byTS[d.threadTS]
		if root == nil {
			return nil, fail("thread_not_found")
		}
		s.thread(ch, root, m, d.broadcast)
	}
	ch.add(m)
	if who.user != nil {
		ch.lastRead[who.user.ID] = m.TS
	}
	s.messageEvent(ch, m)
	return m, nil
}

// compose makes the message that an actor's draft becomes.
func (s *Sandbox) compose(who actor, d draft) *message { return s.composeAt(who, d, s.newTS()) }

func (s *Sandbox) composeAt(who actor, d draft, ts string) *message {
	m := &message{
		Type: "message", Subtype: d.subtype, User: who.user.ID, Text: normalise(d.text), TS: ts, Team: s.team.id,
		Blocks: d.blocks, Attachments: d.attachments, Metadata: d.metadata, Inviter: d.inviter,
		Topic: d.topic, Purpose: d.purpose, Name: d.name, OldName: d.oldName, files: d.files,
	}
	if home := s.teamOf(who.user); home != s.team.id {
		m.UserTeam, m.SourceTeam = home, home
	}
	if m.Blocks == nil && d.subtype == "" {
		m.Blocks = richText(m.Text, m.TS)
	}
	if d.clientMsgID {
		m.ClientMsgID = uuidOf(m.TS, m.User)
	}
	if len(d.files) > 0 {
		m.Upload, m.Subtype = new(false), "file_share"
	}
	if who.bot() {
		m.BotID, m.AppID, m.BotProfile = s.app.botID, s.app.id, s.botProfile()
		if d.username+d.iconEmoji+d.iconURL != "" {
			m.Subtype, m.User, m.Username = "bot_message", "", or(d.username, s.app.name)
			m.Icons = icons(d.iconEmoji, d.iconURL)
		}
	}
	return m
}

func icons(emoji, image string) object {
	switch {
	case emoji != "":
		return object{"emoji": emoji}
	case image != "":
		return object{"image_48": image}
	}
	return nil
}

// thread makes m a reply to root, or to the thread that root is in.
func (s *Sandbox) thread(ch *channel, root, m *message, broadcast bool) {
	if root.reply() {
		if top := ch.byTS[root.ThreadTS]; top != nil {
			root = top
		}
	}
	m.ThreadTS, m.ParentUserID = root.TS, root.User
	root.ThreadTS = root.TS
	root.ReplyCount++
	root.LatestReply = m.TS
	root.IsLocked = new(false)
	author := or(m.User, m.BotID)
	if !slices.Contains(root.ReplyUsers, author) {
		root.ReplyUsers = append(root.ReplyUsers, author)
		root.ReplyUsersCount++
	}
	if broadcast {
		m.Subtype = "thread_broadcast"
		m.Root = root.copy()
	}
}

// teamOf is the workspace of a person; a stranger has another.
func (s *Sandbox) teamOf(u *user) string { return or(u.TeamID, s.team.id) }

func (s *Sandbox) botProfile() *botProfile {
	return &botProfile{
		ID: s.app.botID, AppID: s.app.id, Name: s.app.name, TeamID: s.team.id, Updated: crowdEpoch,
		Icons: object{"image_36": s.image(36), "image_48": s.image(48), "image_72": s.image(72)},
	}
}

func (s *Sandbox) permalink(ch *channel, m *message) string {
	link := "https://" + s.team.domain + ".slack.com/archives/" + ch.id + "/p" + strings.Replace(m.TS, ".", "", 1)
	if m.reply() {
		link += "?thread_ts=" + m.ThreadTS + "&cid=" + ch.id
	}
	return link
}
