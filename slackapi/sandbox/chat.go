package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
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
	keepBlocks          bool // of an edit: the message's own blocks stay
	keepAttachments     bool // of an edit: the message's attachments stay
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
		Type: "message", Subtype: d.subtype, User: who.user.ID, Text: storedText(normalise(d.text)), TS: ts, Team: s.team.id,
		Blocks: storedBlocks(d.blocks, ts), Attachments: storedAttachments(d.attachments, ts), Metadata: d.metadata, Inviter: d.inviter,
		Topic: d.topic, Purpose: d.purpose, Name: d.name, OldName: d.oldName, files: d.files,
	}
	if home := s.teamOf(who.user); home != s.team.id {
		m.UserTeam, m.SourceTeam = home, home
	}
	if m.ownBlocks = d.blocks != nil; !m.ownBlocks && d.subtype == "" {
		m.Blocks = richText(m.Text, m.TS)
	}
	if d.clientMsgID {
		m.ClientMsgID = uuidOf(m.TS, m.User)
	}
	if len(d.files) > 0 {
		m.Upload, m.Subtype = new(false), "file_share"
	}
	b := s.botOf(who.user.ID)
	if b == nil && who.app && !s.opt.Unstamped {
		// Slack names the app of what is posted with a person's token, too; the person remains its author
		// (github.com/anneschuth/claude-threads/issues/526).
		b = s.botOf(s.app.botUser)
	}
	if b != nil {
		m.BotID, m.AppID, m.BotProfile = b.id, b.appID, s.botProfile(b)
	}
	if who.bot() && d.username+d.iconEmoji+d.iconURL != "" {
		m.Subtype, m.User, m.Username = "bot_message", "", or(d.username, s.app.name)
		m.Icons = icons(d.iconEmoji, d.iconURL)
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

// thread makes m a reply to root, or to the thread that root is in. A thread_ts that is a reply's own is
// no error: what is posted with it then stands in the channel, too, for everybody to see
// (github.com/slackapi/python-slack-sdk/issues/1116 and bolt-js/issues/769).
func (s *Sandbox) thread(ch *channel, root, m *message, broadcast bool) {
	if root.reply() {
		if top := ch.byTS[root.ThreadTS]; top != nil {
			root, broadcast = top, true
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

// teamOf returns the workspace of a person; a person of another organization has another.
func (s *Sandbox) teamOf(u *user) string { return or(u.TeamID, s.team.id) }

func (s *Sandbox) botProfile(b *bot) *botProfile {
	return &botProfile{
		ID: b.id, AppID: b.appID, Name: b.name, TeamID: s.team.id, Updated: crowdEpoch,
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
	case c.who.bot() && !c.byBot(m), !c.who.bot() && m.User != c.who.user.ID, m.Subtype == "tombstone":
		return nil, nil, fail(code)
	}
	return ch, m, nil
}

// maxUpdate is the most characters of the text of a message that is changed; Slack's page of
// chat.update says so.
const maxUpdate = 4_000

func chatUpdate(c *call) (object, error) {
	ch, m, err := c.own("cant_update_message")
	if err != nil {
		return nil, err
	}
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(c.params["text"]) > maxUpdate {
		return nil, fail("msg_too_long")
	}
	// What a call does not say stays as it was; an empty list removes it. Markdown is made
	// into blocks, in place of those that were there.
	d.keepBlocks = c.params["blocks"] == "" && c.params["markdown_text"] == ""
	d.keepAttachments = c.params["attachments"] == ""
	c.edit(ch, m, d, c.who.user)
	return object{"channel": ch.id, "ts": m.TS, "text": m.Text, "message": c.view(m, c.who)}, nil
}

// edit gives a message another text. Blocks that Slack made of the old text go with it.
func (s *Sandbox) edit(ch *channel, m *message, d draft, by *user) {
	before := m.copy()
	m.Text = storedText(normalise(d.text))
	if !d.keepAttachments {
		m.Attachments = storedAttachments(d.attachments, m.TS)
	}
	if !d.keepBlocks || !m.ownBlocks {
		m.ownBlocks = d.blocks != nil
		if m.Blocks = storedBlocks(d.blocks, m.TS); m.Blocks == nil {
			m.Blocks = richText(m.Text, m.TS)
		}
	}
	switch string(d.metadata) {
	case "":
	case "{}":
		m.Metadata = nil
	default:
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

const maxAhead = 120 * 24 * time.Hour

// A scheduled message becomes a message at its time.
type scheduled struct {
	id, channel string
	at, created int64 // Unix seconds
	who         actor
	draft       draft
}

func chatScheduleMessage(c *call) (object, error) {
	ch, err := c.destination()
	if err != nil {
		return nil, err
	}
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	at, err := strconv.ParseInt(c.params["post_at"], 10, 64)
	now := time.Now()
	switch {
	case err != nil:
		return nil, fail("invalid_time")
	case at <= now.Unix():
		return nil, fail("time_in_past")
	case at > now.Add(maxAhead).Unix():
		return nil, fail("time_too_far")
	case ch.archived:
		return nil, fail("is_archived")
	case !ch.has(c.who.user.ID):
		return nil, fail("not_in_channel")
	}
	m := &scheduled{id: c.newID("Q"), channel: ch.id, at: at, created: now.Unix(), who: c.who, draft: d}
	c.scheduled = append(c.scheduled, m)
	slices.SortStableFunc(c.scheduled, func(a, b *scheduled) int { return int(a.at - b.at) })
	c.poke()
	blocks := storedBlocks(d.blocks, m.id)
	if blocks == nil {
		blocks = richText(normalise(d.text), m.id)
	}
	reply := object{"type": "delayed_message", "text": normalise(d.text), "user": c.who.user.ID, "team": c.team.id, "blocks": blocks}
	if c.who.bot() {
		reply["bot_id"], reply["app_id"], reply["bot_profile"] = c.app.botID, c.app.id, c.botProfile(c.botOf(c.app.botUser))
	}
	return object{"channel": ch.id, "scheduled_message_id": m.id, "post_at": at, "message": reply}, nil
}

func chatScheduledMessagesList(c *call) (object, error) {
	limit, err := c.limit(100, 100)
	if err != nil {
		return nil, err
	}
	if id := c.params["channel"]; id != "" {
		if ch, ok := c.channel(id); !ok || !c.sees(ch) {
			return nil, fail("invalid_channel")
		}
	}
	from := 0
	if cursor := c.params["cursor"]; cursor != "" {
		id, ok := decodeCursor("next_id", cursor)
		from = slices.IndexFunc(c.scheduled, func(m *scheduled) bool { return m.id == id })
		if !ok || from < 0 {
			return nil, fail("invalid_cursor")
		}
	}
	oldest, latest := c.seconds("oldest", 0), c.seconds("latest", 1<<62)
	items, next := pageOf(len(c.scheduled), from, limit, func(i int) (object, bool) {
		m := c.scheduled[i]
		if m.who.user.ID != c.who.user.ID || c.params["channel"] != "" && m.channel != c.params["channel"] || m.at < oldest || m.at > latest {
			return nil, false
		}
		return object{"id": m.id, "channel_id": m.channel, "post_at": m.at, "date_created": m.created, "text": normalise(m.draft.text)}, true
	})
	cursor := ""
	if next >= 0 {
		cursor = encodeCursor("next_id", c.scheduled[next].id)
	}
	return object{"scheduled_messages": items, "response_metadata": object{"next_cursor": cursor}}, nil
}

func (c *call) seconds(name string, otherwise int64) int64 {
	if micro, ok := parseTS(c.params[name]); ok {
		return micro / 1e6
	}
	return otherwise
}

func chatDeleteScheduledMessage(c *call) (object, error) {
	i := slices.IndexFunc(c.scheduled, func(m *scheduled) bool {
		return m.id == c.params["scheduled_message_id"] && m.channel == c.params["channel"] && m.who.user.ID == c.who.user.ID
	})
	if i < 0 {
		return nil, fail("invalid_scheduled_message_id")
	}
	c.scheduled = slices.Delete(c.scheduled, i, i+1)
	return nil, nil
}

// due posts what was scheduled for now or before. What cannot be posted any more is
// dropped, as Slack does. It requires s.mu.
func (s *Sandbox) due() {
	now := time.Now().Unix()
	for len(s.scheduled) > 0 && s.scheduled[0].at <= now {
		m := s.scheduled[0]
		s.scheduled = s.scheduled[1:]
		if ch, ok := s.channel(m.channel); ok {
			_, _ = s.post(ch, m.who, m.draft) // archived or left meanwhile
			s.watch.live.Changed(changedConversations)
		}
	}
}

// poke wakes the clock of scheduled messages.
func (s *Sandbox) poke() {
	select {
	case s.clock <- struct{}{}:
	default:
	}
}

// nextDue posts what is due and says how long until the next.
func (s *Sandbox) nextDue() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due()
	if len(s.scheduled) == 0 {
		return time.Hour
	}
	return max(time.Until(time.Unix(s.scheduled[0].at, 0)), time.Millisecond)
}

// runClock posts scheduled messages at their time until done is closed.
func (s *Sandbox) runClock(done <-chan struct{}) {
	for {
		t := time.NewTimer(s.nextDue())
		select {
		case <-t.C:
		case <-s.clock:
		case <-done:
			t.Stop()
			return
		}
		t.Stop()
	}
}
