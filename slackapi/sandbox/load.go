package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Load makes the workspace that of a file, silently: no event tells of it. What was there
// before, posts that were scheduled and uploads under way are gone; tokens, scopes and
// where events go stay. The error names up to ten faults, each with its place in the file as a
// JSON pointer and its remedy; then nothing was changed.
func (s *Sandbox) Load(w *Workspace) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &loader{Sandbox: s, file: w, now: time.Now(), taken: map[string]string{}, people: map[string]*user{}, named: map[string]*bot{}}
	// The workspace is built beside the present one, which an error leaves as it is.
	before := s.held
	s.held = s.newHeld()
	s.team.name, s.team.domain = or(w.Team.Name, "Sandbox"), or(w.Team.Domain, "sandbox")
	l.run()
	if len(l.errs) > 0 {
		s.held = before
		return fmt.Errorf("workspace file: %w", errors.Join(l.errs...))
	}
	s.scheduled, s.ephemerals, s.actionTokens = nil, nil, nil
	clear(s.uploads)
	clear(s.canvases)
	clear(s.responses)
	return nil
}

// maxFaults is how many faults of a file are named.
const maxFaults = 10

// A loader makes a workspace of a file. It requires s.mu.
type loader struct {
	*Sandbox
	file   *Workspace
	now    time.Time
	shift  int64 // microseconds by which all times move
	errs   []error
	taken  map[string]string // id or name → where it was taken
	people map[string]*user  // by id and by name, bots' users too
	named  map[string]*bot   // by id and by name
}

func (l *loader) run() {
	for _, step := range []func(){l.loadPeople, l.loadBots, l.loadApp, l.loadGroups, l.loadEmoji, l.findShift, l.loadChannels} {
		if step(); len(l.errs) >= maxFaults {
			return
		}
	}
}

// wrong notes a fault of the file.
func (l *loader) wrong(at, format string, args ...any) {
	if len(l.errs) < maxFaults {
		l.errs = append(l.errs, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
	}
}

// take notes an id or a name, which nothing else of the file may have.
func (l *loader) take(at, what, name string) {
	if other := l.taken[what+name]; other != "" {
		l.wrong(at, "%q is that of %s already: give it another", name, other)
	}
	l.taken[what+name] = at
}

var idForm = regexp.MustCompile(`^[A-Z][A-Z0-9]{7,20}$`)

// id returns an id of the file, or makes one from the name, always the same.
func (l *loader) id(at, id, letters, name string) string {
	if id == "" {
		id = letters[:1] + "0" + strings.ToUpper(digest(9, letters, name))
	}
	if !idForm.MatchString(id) || !strings.Contains(letters, id[:1]) {
		l.wrong(at, "%q is no id: Slack's have 8 to 21 capitals and digits and begin with %s", id, strings.Join(strings.Split(letters, ""), " or "))
		return id
	}
	l.take(at, "id ", id)
	return id
}

func (l *loader) loadPeople() {
	l.taken["id "+BotUser], l.taken["id "+BotID] = "the app", "the app"
	for i, p := range l.file.People {
		at := "/people/" + strconv.Itoa(i)
		if p.Name == "" || p.Name != strings.ToLower(p.Name) || strings.ContainsAny(p.Name, " @<>") {
			l.wrong(at+"/name", "%q is no name of an account: use lower case without spaces, and real_name for the whole name", p.Name)
			continue
		}
		u := l.newUser(l.id(at+"/id", p.ID, "UW", p.Name), p.Name, or(p.RealName, p.Name))
		l.take(at+"/name", "name ", p.Name)
		l.describe(at, u, p)
		l.users.put(u.ID, u)
		l.people[u.ID], l.people[u.Name] = u, u
	}
	if len(l.file.People) == 0 {
		l.wrong("/people", "there is nobody: name at least the person who installed the app")
	}
}

// describe gives a user what the file says about the person.
func (l *loader) describe(at string, u *user, p FilePerson) {
	pr := &u.Profile
	pr.DisplayName = p.DisplayName
	pr.DisplayNameNormalized, pr.Title, pr.Email = pr.DisplayName, p.Title, or(p.Email, pr.Email)
	pr.StatusText, pr.StatusEmoji = p.StatusText, p.StatusEmoji
	u.IsAdmin, u.IsOwner, u.IsRestricted, u.Deleted = p.Admin || p.Owner, p.Owner, p.Guest, p.Deleted
	if p.External {
		u.TeamID, u.IsStranger, pr.Team = partnerTeam, true, partnerTeam
	}
	if p.TZ != "" {
		zone, err := time.LoadLocation(p.TZ)
		if err != nil {
			l.wrong(at+"/tz", "%q is no time zone that this machine knows: write one such as Europe/Berlin", p.TZ)
			return
		}
		name, offset := l.now.In(zone).Zone()
		u.TZ, u.TZLabel, u.TZOffset = p.TZ, or(p.TZLabel, or(zoneLabels[name], name)), offset
	}
}

// zoneLabels are Slack's names of some zones, by their abbreviations.
var zoneLabels = map[string]string{
	"CET": "Central European Time", "CEST": "Central European Summer Time", "GMT": "Greenwich Mean Time", "BST": "British Summer Time",
	"EST": "Eastern Standard Time", "EDT": "Eastern Daylight Time", "CST": "Central Standard Time", "CDT": "Central Daylight Time",
	"PST": "Pacific Standard Time", "PDT": "Pacific Daylight Time", "JST": "Japan Standard Time", "IST": "India Standard Time",
	"EET": "Eastern European Time", "EEST": "Eastern European Summer Time",
}

func (l *loader) loadBots() {
	for i, b := range l.file.Bots {
		at := "/bots/" + strconv.Itoa(i)
		if b.Name == "" {
			l.wrong(at+"/name", "the bot has no name: give it one")
			continue
		}
		made := &bot{id: l.id(at+"/bot_id", b.ID, "B", b.Name), name: b.Name, appID: or(b.AppID, "A0"+strings.ToUpper(digest(9, "A", b.Name)))}
		account := strings.ToLower(strings.ReplaceAll(b.Name, " ", "_"))
		l.take(at+"/name", "name ", account)
		if b.User != "" {
			u := l.newUser(l.id(at+"/user_id", b.User, "UW", b.Name), account, b.Name)
			l.asBot(u, made)
		}
		l.bots = append(l.bots, made)
		l.named[made.id], l.named[b.Name], l.named[account] = made, made, made
	}
}

// asBot makes a user that of a bot.
func (l *loader) asBot(u *user, b *bot) {
	b.user = u.ID
	u.IsBot, u.Profile.Email, u.Profile.BotID, u.Profile.APIAppID = true, "", b.id, b.appID
	l.users.put(u.ID, u)
	l.people[u.ID], l.people[u.Name] = u, u
}

// loadApp makes the app of the sandbox one of the bots.
func (l *loader) loadApp() {
	l.app.name, l.app.installer = or(l.file.App.Name, "Wick"), ""
	account := strings.ToLower(strings.ReplaceAll(l.app.name, " ", "_"))
	l.take("/app/name", "name ", account)
	b := &bot{id: BotID, appID: AppID, name: l.app.name}
	l.asBot(l.newUser(BotUser, account, l.app.name), b)
	l.bots = append(l.bots, b)
	l.named[b.id], l.named[b.name], l.named[account] = b, b, b
	if l.file.App.Installer != "" {
		l.app.installer = l.person("/app/installer", l.file.App.Installer)
	} else if len(l.users.order) > 0 {
		l.app.installer = l.users.order[0]
	}
}

// person returns the id of a person of the file.
func (l *loader) person(at, name string) string {
	if u := l.people[strings.TrimPrefix(name, "@")]; u != nil {
		return u.ID
	}
	if b := l.named[name]; b != nil && b.user != "" {
		return b.user
	}
	l.wrong(at, "nobody is called %q: use the id or the name of one of people, bots or the app", name)
	return ""
}

func (l *loader) persons(at string, names []string) []string {
	ids := make([]string, 0, len(names))
	for i, name := range names {
		id := l.person(at+"/"+strconv.Itoa(i), name)
		if slices.Contains(ids, id) && id != "" {
			l.wrong(at+"/"+strconv.Itoa(i), "%q is in the list twice: leave one out", name)
		}
		ids = append(ids, id)
	}
	return ids
}

func (l *loader) loadGroups() {
	for i, g := range l.file.Groups {
		at := "/user_groups/" + strconv.Itoa(i)
		if !channelName(g.Handle) {
			l.wrong(at+"/handle", "%q is no handle: use lower case, digits, - and _", g.Handle)
			continue
		}
		l.take(at+"/handle", "name ", g.Handle)
		l.groups = append(l.groups, &userGroup{
			id: l.id(at+"/id", g.ID, "S", g.Handle), handle: g.Handle, name: or(g.Name, g.Handle), description: g.Description,
			users: l.persons(at+"/users", g.Users), created: crowdEpoch,
		})
	}
}

func (l *loader) loadEmoji() {
	l.emoji = map[string]string{}
	for name, image := range l.file.Emoji {
		if !emojiName.MatchString(name) {
			l.wrong("/emoji/"+name, "it is no name of an emoji: use lower case, digits, - and _")
		}
		l.emoji[name] = image
	}
}

// findShift finds by how much times move so that the newest message is of now.
func (l *loader) findShift() {
	if !l.file.UntilNow {
		return
	}
	newest := int64(0)
	for _, ch := range l.file.Channels {
		for _, m := range ch.Messages {
			ts, _ := parseTS(m.TS)
			newest = max(newest, ts)
		}
	}
	l.shift = (l.now.UnixMicro() - newest) / 1e6 * 1e6
}

var tsForm = regexp.MustCompile(`^[0-9]{10}\.[0-9]{6}$`)

// ts reads a time of the file and moves it.
func (l *loader) ts(at, ts string) string {
	micro, ok := parseTS(ts)
	if !ok || !tsForm.MatchString(ts) {
		l.wrong(at, "%q is no ts: Slack's have ten digits, a dot and six digits, such as 1767225600.000100", ts)
		return ts
	}
	if micro += l.shift; micro > l.now.UnixMicro() {
		l.wrong(at, "%s is in the future: write an earlier time, or set until_now to move all of them", ts)
	}
	l.lastMicro = max(l.lastMicro, micro)
	return formatTS(micro)
}

func (l *loader) loadChannels() {
	for i, c := range l.file.Channels {
		if len(l.errs) >= maxFaults {
			return
		}
		l.loadChannel("/channels/"+strconv.Itoa(i), c)
	}
}

func (l *loader) loadChannel(at string, c FileChannel) {
	k := kindOf(or(c.Type, public.listType()))
	members := l.persons(at+"/members", c.Members)
	name := l.nameChannel(at, k, c, members)
	letters := map[kind]string{public: "C", private: "CG", direct: "D", group: "CG", "": "C"}[k]
	ch := newChannel(l.id(at+"/id", c.ID, letters, or(name, strings.Join(members, " "))), name, k)
	ch.members, ch.created = members, or(c.Created, crowdEpoch)
	ch.updated = ch.created * 1000
	ch.general, ch.archived, ch.external = c.General, c.Archived, c.External
	switch {
	case c.Creator != "":
		ch.creator = l.person(at+"/creator", c.Creator)
	case k != direct && len(members) > 0:
		ch.creator = members[0]
	}
	if c.Topic != "" {
		ch.topic = note{normalise(c.Topic), ch.creator, ch.created + 60}
	}
	if c.Purpose != "" {
		ch.purpose = note{normalise(c.Purpose), ch.creator, ch.created}
	}
	l.channels.put(ch.id, ch)
	l.loadMessages(at+"/messages", ch, c.Messages)
	for _, id := range members {
		if n := len(ch.log); n > 0 {
			ch.lastRead[id] = ch.log[n-1].TS
		}
	}
	for name, ts := range c.LastRead {
		ch.lastRead[l.person(at+"/last_read/"+name, name)] = l.ts(at+"/last_read/"+name, ts)
	}
}

// nameChannel checks a conversation's type, name and number of members, and returns its name.
func (l *loader) nameChannel(at string, k kind, c FileChannel, members []string) string {
	switch k {
	case public, private:
		if !channelName(c.Name) {
			l.wrong(at+"/name", "%q is no name of a channel: use at most 80 characters, lower case, digits, - and _", c.Name)
		}
		l.take(at+"/name", "channel ", c.Name)
		return c.Name
	case direct:
		if len(members) != 2 || c.Name != "" {
			l.wrong(at+"/members", "a direct message has two members and no name: correct the list, or make it an mpim")
		}
		return ""
	case group:
		if len(members) < 3 || len(members) > 9 {
			l.wrong(at+"/members", "a group message has three to nine members: it has %d", len(members))
		}
		names := make([]string, len(members))
		for i, id := range members {
			if u := l.people[id]; u != nil {
				names[i] = u.Name
			}
		}
		return or(c.Name, "mpdm-"+strings.Join(names, "--")+"-1")
	}
	l.wrong(at+"/type", "%q is no type of a conversation: write public_channel, private_channel, im or mpim", c.Type)
	return c.Name
}

// loadMessages puts a conversation's messages into it by their time, whatever their order
// in the file.
func (l *loader) loadMessages(at string, ch *channel, all []FileMessage) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(all[a].TS, all[b].TS) })
	for _, i := range order {
		if len(l.errs) >= maxFaults {
			return
		}
		l.loadMessage(at+"/"+strconv.Itoa(i), ch, all[i])
	}
}

func (l *loader) loadMessage(at string, ch *channel, in FileMessage) {
	ts := l.ts(at+"/ts", in.TS)
	if ch.byTS[ts] != nil {
		l.wrong(at+"/ts", "another message of the conversation has the ts %s: give this one another", in.TS)
	}
	if in.Type != "" && in.Type != "message" {
		l.wrong(at+"/type", "%q is no type of a message: leave it out", in.Type)
	}
	who, b := l.author(at, in)
	d := draft{
		text: in.Text, blocks: list(in.Blocks), attachments: list(in.Attachments), metadata: in.Metadata, clientMsgID: b == nil && in.Subtype == "",
		subtype: in.Subtype, topic: in.Topic, purpose: in.Purpose, name: in.Name, oldName: in.OldName,
	}
	l.checkContents(at, in, d)
	if in.Inviter != "" {
		d.inviter = l.person(at+"/inviter", in.Inviter)
	}
	if who == nil {
		who = &user{}
	}
	m := l.composeAt(actor{kind: userToken, user: who}, d, ts)
	l.byBot(m, b, in)
	l.loadFiles(at+"/files", ch, m, in.Files)
	l.loadThread(at, ch, m, in)
	ch.add(m)
	l.loadMarks(at, ch, m, in)
}

// list is a list of the file as it is kept; an empty one is none.
func list(raw json.RawMessage) json.RawMessage {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "[]" || string(raw) == "null" {
		return nil
	}
	return raw
}

// author finds who wrote a message: a person, a bot, or a bot that has a user.
func (l *loader) author(at string, in FileMessage) (*user, *bot) {
	if in.Bot != "" {
		b := l.named[in.Bot]
		if b == nil {
			l.wrong(at+"/bot_id", "no bot is called %q: use the id or the name of one of bots", in.Bot)
			return nil, nil
		}
		return l.people[b.user], b
	}
	if in.User == "" {
		l.wrong(at+"/user", "the message has no author: give it user or bot_id")
		return nil, nil
	}
	u := l.people[l.person(at+"/user", in.User)]
	if u == nil {
		return nil, nil
	}
	return u, l.botOf(u.ID)
}

// checkContents refuses what Slack would not have taken.
func (l *loader) checkContents(at string, in FileMessage, d draft) {
	if d.subtype == "" && d.text == "" && d.blocks == nil && d.attachments == nil && len(in.Files) == 0 {
		l.wrong(at, "the message is empty: give it text, blocks, attachments or files")
	}
	if len([]rune(d.text)) > maxText {
		l.wrong(at+"/text", "it is longer than Slack's %d characters: shorten it", maxText)
	}
	if err := checkBlocks(d.blocks); err != nil {
		l.wrong(at+"/blocks", "%s: write a list of at most 50 blocks that have a type", Code(err))
	}
	var attachments []map[string]json.RawMessage
	if d.attachments != nil && json.Unmarshal(d.attachments, &attachments) != nil {
		l.wrong(at+"/attachments", "it must be a list of objects, as Slack shows attachments")
	}
}

// byBot makes a message that of a bot. One without a user, or under another name, has the
// subtype bot_message.
func (l *loader) byBot(m *message, b *bot, in FileMessage) {
	if b == nil {
		return
	}
	m.BotID, m.AppID = b.id, b.appID
	if b.user == "" || in.Username != "" {
		m.Subtype, m.User, m.Username = or(m.Subtype, "bot_message"), "", or(in.Username, b.name)
	}
}

func (l *loader) loadThread(at string, ch *channel, m *message, in FileMessage) {
	if in.ThreadTS == "" || in.ThreadTS == in.TS {
		return
	}
	root := ch.byTS[l.ts(at+"/thread_ts", in.ThreadTS)]
	if root == nil || root.reply() {
		l.wrong(at+"/thread_ts", "no earlier message of the conversation that begins a thread has the ts %s: use that of the thread's first message", in.ThreadTS)
		return
	}
	l.thread(ch, root, m, in.Subtype == "thread_broadcast")
}

// loadMarks adds what others did to a message: edits, reactions, pins.
func (l *loader) loadMarks(at string, ch *channel, m *message, in FileMessage) {
	if e := in.Edited; e != nil {
		m.Edited = &edited{User: m.User, TS: l.ts(at+"/edited/ts", e.TS)}
		if e.User != "" {
			m.Edited.User = l.person(at+"/edited/user", e.User)
		}
	}
	for i, r := range in.Reactions {
		spot := at + "/reactions/" + strconv.Itoa(i)
		base, _, _ := strings.Cut(r.Name, "::skin-tone-")
		if !emojiName.MatchString(base) {
			l.wrong(spot+"/name", "%q is no name of an emoji: write it without colons, such as tada", r.Name)
		}
		users := l.persons(spot+"/users", r.Users)
		if len(users) == 0 {
			l.wrong(spot+"/users", "nobody reacted: name at least one person")
		}
		m.Reactions = append(m.Reactions, reaction{Name: r.Name, Users: users, Count: len(users)})
	}
	if in.PinnedBy != "" {
		micro, _ := parseTS(m.TS)
		ch.pins = append(ch.pins, &pin{message: m, by: l.person(at+"/pinned_by", in.PinnedBy), created: micro/1e6 + 60})
		m.PinnedTo = []string{ch.id}
	}
}

func (l *loader) loadFiles(at string, ch *channel, m *message, all []FileFile) {
	for i, in := range all {
		f := l.files[in.ID]
		if f == nil || in.Name != "" {
			f = l.loadFile(at+"/"+strconv.Itoa(i), m, in)
		}
		f.shared[ch.id] = m.TS
		m.files = append(m.files, f.id)
		if in.PinnedBy != "" {
			ch.pins = append(ch.pins, &pin{file: f, by: l.person(at+"/"+strconv.Itoa(i)+"/pinned_by", in.PinnedBy), created: f.created + 60})
		}
	}
	if len(all) > 0 {
		m.Upload = new(false)
		m.Subtype = or(m.Subtype, "file_share")
	}
}

func (l *loader) loadFile(at string, m *message, in FileFile) *file {
	if in.Name == "" {
		l.wrong(at+"/name", "the file has no name, and none with this id was described before: give it one")
	}
	if in.Size < 0 || in.Size > maxFile || in.Size > 0 && (in.Content != "" || in.Base64 != nil) {
		l.wrong(at+"/size", "the size is that of content or base64, or 1 to %d without them: leave it out", maxFile)
		in.Size = 0
	}
	f := l.newFile(in.Name, in.Title, m.User)
	f.id = l.id(at+"/id", in.ID, "F", m.TS+in.Name)
	if in.User != "" {
		f.user = l.person(at+"/user", in.User)
	}
	f.mediaType, f.details = or(in.MIMEType, f.mediaType), maps.Clone(in.Details)
	if in.FileType != "" {
		f.kind = "." + in.FileType
	}
	micro, _ := parseTS(m.TS)
	f.created = micro / 1e6
	switch f.size = in.Size; {
	case in.Content != "":
		f.data = []byte(in.Content)
	case in.Base64 != nil:
		f.data = in.Base64
	}
	l.files[f.id] = f
	l.fileOrder = append(l.fileOrder, f.id)
	return f
}
