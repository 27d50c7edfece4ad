package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A user is a person or a bot, as users.info shows it.
type user struct {
	ID                string  `json:"id"`
	TeamID            string  `json:"team_id"`
	Name              string  `json:"name"`
	Deleted           bool    `json:"deleted"`
	Color             string  `json:"color"`
	RealName          string  `json:"real_name"`
	TZ                string  `json:"tz"`
	TZLabel           string  `json:"tz_label"`
	TZOffset          int     `json:"tz_offset"`
	Profile           profile `json:"profile"`
	IsAdmin           bool    `json:"is_admin"`
	IsOwner           bool    `json:"is_owner"`
	IsPrimaryOwner    bool    `json:"is_primary_owner"`
	IsRestricted      bool    `json:"is_restricted"`
	IsUltraRestricted bool    `json:"is_ultra_restricted"`
	IsBot             bool    `json:"is_bot"`
	IsAppUser         bool    `json:"is_app_user"`
	IsStranger        bool    `json:"is_stranger,omitempty"`
	IsEmailConfirmed  bool    `json:"is_email_confirmed"`
	WhoCanShare       string  `json:"who_can_share_contact_card"`
	Updated           int64   `json:"updated"`
	Locale            string  `json:"locale,omitempty"`

	away bool
}

type profile struct {
	Title                 string `json:"title"`
	Phone                 string `json:"phone"`
	Skype                 string `json:"skype"`
	RealName              string `json:"real_name"`
	RealNameNormalized    string `json:"real_name_normalized"`
	DisplayName           string `json:"display_name"`
	DisplayNameNormalized string `json:"display_name_normalized"`
	StatusText            string `json:"status_text"`
	StatusEmoji           string `json:"status_emoji"`
	StatusExpiration      int64  `json:"status_expiration"`
	AvatarHash            string `json:"avatar_hash"`
	Email                 string `json:"email,omitempty"`
	FirstName             string `json:"first_name,omitempty"`
	LastName              string `json:"last_name,omitempty"`
	Image24               string `json:"image_24"`
	Image48               string `json:"image_48"`
	Image72               string `json:"image_72"`
	Image512              string `json:"image_512"`
	Team                  string `json:"team"`
	BotID                 string `json:"bot_id,omitempty"`
	APIAppID              string `json:"api_app_id,omitempty"`
}

// A kind of conversation is Slack's channel_type in events.
type kind string

const (
	public  kind = "channel"
	private kind = "group"
	direct  kind = "im"
	group   kind = "mpim"
)

// listType is the kind's name in the types argument of lists.
func (k kind) listType() string {
	return map[kind]string{public: "public_channel", private: "private_channel", direct: "im", group: "mpim"}[k]
}

// scope is the kind's scope of a family such as "history" or "read".
func (k kind) scope(family string) string {
	return map[kind]string{public: "channels", private: "groups", direct: "im", group: "mpim"}[k] + ":" + family
}

type note struct {
	Value   string `json:"value"`
	Creator string `json:"creator"`
	LastSet int64  `json:"last_set"`
}

// A channel is a conversation with all that is in it.
type channel struct {
	id, name, creator string
	kind              kind
	created           int64 // Unix seconds
	updated           int64 // Unix milliseconds
	archived, general bool
	external          bool // shared with another workspace
	topic, purpose    note
	previousNames     []string
	canvas            string // file id

	members   []string          // in the order of joining
	lastRead  map[string]string // user → ts
	log       []*message        // what the channel shows, oldest first
	threads   map[string][]*message
	byTS      map[string]*message
	pins      []*pin
	bookmarks []*bookmark
}

func newChannel(id, name string, k kind) *channel {
	return &channel{
		id: id, name: name, kind: k,
		lastRead: map[string]string{}, threads: map[string][]*message{}, byTS: map[string]*message{},
	}
}

func (c *channel) has(user string) bool { return slices.Contains(c.members, user) }

// add puts a message where it belongs by its thread.
func (c *channel) add(m *message) {
	c.byTS[m.TS] = m
	if m.reply() {
		c.threads[m.ThreadTS] = append(c.threads[m.ThreadTS], m)
		if m.Subtype == "thread_broadcast" {
			c.log = append(c.log, m)
		}
		return
	}
	c.log = append(c.log, m)
}

func (c *channel) remove(m *message) {
	delete(c.byTS, m.TS)
	same := func(o *message) bool { return o == m }
	c.log = slices.DeleteFunc(c.log, same)
	if m.reply() {
		c.threads[m.ThreadTS] = slices.DeleteFunc(c.threads[m.ThreadTS], same)
	}
}

// A message is one message as conversations.history shows it.
type message struct {
	Type            string          `json:"type"`
	Subtype         string          `json:"subtype,omitempty"`
	User            string          `json:"user,omitempty"`
	Text            string          `json:"text"`
	TS              string          `json:"ts"`
	ClientMsgID     string          `json:"client_msg_id,omitempty"`
	BotID           string          `json:"bot_id,omitempty"`
	AppID           string          `json:"app_id,omitempty"`
	Username        string          `json:"username,omitempty"`
	Icons           object          `json:"icons,omitempty"`
	Team            string          `json:"team,omitempty"`
	UserTeam        string          `json:"user_team,omitempty"`   // of a person of another organization
	SourceTeam      string          `json:"source_team,omitempty"` // of a person of another organization
	BotProfile      *botProfile     `json:"bot_profile,omitempty"`
	Inviter         string          `json:"inviter,omitempty"`
	Topic           string          `json:"topic,omitempty"`
	Purpose         string          `json:"purpose,omitempty"`
	Name            string          `json:"name,omitempty"`
	OldName         string          `json:"old_name,omitempty"`
	ThreadTS        string          `json:"thread_ts,omitempty"`
	ParentUserID    string          `json:"parent_user_id,omitempty"`
	ReplyCount      int             `json:"reply_count,omitempty"`
	ReplyUsersCount int             `json:"reply_users_count,omitempty"`
	LatestReply     string          `json:"latest_reply,omitempty"`
	ReplyUsers      []string        `json:"reply_users,omitempty"`
	IsLocked        *bool           `json:"is_locked,omitempty"`
	Subscribed      *bool           `json:"subscribed,omitempty"`
	Root            *message        `json:"root,omitempty"`
	Edited          *edited         `json:"edited,omitempty"`
	Reactions       []reaction      `json:"reactions,omitempty"`
	PinnedTo        []string        `json:"pinned_to,omitempty"`
	Files           []object        `json:"files,omitempty"`
	Upload          *bool           `json:"upload,omitempty"`
	Blocks          json.RawMessage `json:"blocks,omitempty"`
	Attachments     json.RawMessage `json:"attachments,omitempty"`
	Metadata        json.RawMessage `json:"metadata,omitempty"`
	Permalink       string          `json:"permalink,omitempty"`

	files     []string // ids
	ownBlocks bool     // the author gave them; Slack did not make them of the text
}

type edited struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

type botProfile struct {
	ID      string `json:"id"`
	AppID   string `json:"app_id"`
	Name    string `json:"name"`
	Icons   object `json:"icons"`
	Deleted bool   `json:"deleted"`
	Updated int64  `json:"updated"`
	TeamID  string `json:"team_id"`
}

type reaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
	Count int      `json:"count"`
}

// reply reports that the message is in a thread without being its root.
func (m *message) reply() bool { return m.ThreadTS != "" && m.ThreadTS != m.TS }

// copy is a message that later changes do not touch.
func (m *message) copy() *message {
	c := *m
	c.Reactions = slices.Clone(m.Reactions)
	for i, r := range c.Reactions {
		c.Reactions[i].Users = slices.Clone(r.Users)
	}
	c.ReplyUsers = slices.Clone(m.ReplyUsers)
	c.PinnedTo = slices.Clone(m.PinnedTo)
	c.Icons = maps.Clone(m.Icons)
	return &c
}

// channelName is a name as Slack takes it, or false.
func channelName(name string) bool {
	return name != "" && len(name) <= 80 && name == strings.ToLower(name) &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || strings.ContainsRune(`.,;:!?@#$%^&*()+={}[]|\/"'<>~`+"`", r)
		})
}

// The workspace that every sandbox begins with. Ids are readable on purpose.
const (
	Team       = "T0LANTERN01" // the workspace, Lantern Works
	AppID      = "A0SANDBOX01"
	BotID      = "B0SANDBOX01"
	BotUser    = "U0SANDBOX01" // whom people mention to call the app
	Alice      = "U0ALICE0001" // owner; installed the app
	Bob        = "U0BOB000001"
	Carla      = "U0CARLA0001"
	Dmitri     = "U0DMITRI001"
	Emi        = "U0EMI000001"
	Farid      = "U0FARID0001"
	Grace      = "U0GRACE0001"
	Henrik     = "U0HENRIK001"
	Ines       = "U0INES00001"
	Jonas      = "U0JONAS0001" // deactivated
	Kira       = "U0KIRA00001" // a guest
	Leo        = "U0LEO000001" // of another workspace, in PartnerChan
	DeployBot  = "U0DEPLOY001" // another app's bot
	General    = "C0GENERAL01"
	Random     = "C0RANDOM001"
	Engineers  = "C0ENGINEER1"
	Incidents  = "C0INCIDENT1"
	Support    = "C0SUPPORT01"
	Design     = "C0DESIGN001" // the app is not in it
	Partner    = "C0PARTNER01" // shared with another workspace
	OldProject = "C0OLDPROJ01" // archived
	Leads      = "G0LEADS0001" // private, the app is in it
	Salaries   = "G0SALARIES1" // private, the app is not
	AliceDM    = "D0ALICEBOT1" // Alice and the app
)

const partnerTeam = "T0PARTNER01"

// Standup is the group message of Bob, Carla and the app.
const Standup = "G0STANDUP01"

func (s *Sandbox) populate() {
	s.emoji = map[string]string{
		"lantern": "https://emoji.slack-edge.com/" + Team + "/lantern/0123456789abcdef.png",
		"shipit":  "https://emoji.slack-edge.com/" + Team + "/shipit/fedcba9876543210.png",
		"parrot":  "https://emoji.slack-edge.com/" + Team + "/parrot/00112233445566ff.gif",
		"lamp":    "alias:lantern",
	}
	s.populateUsers()
	s.populateChannels()
	s.populateGroups()
	if !s.opt.Empty {
		s.populateHistory()
	}
}

func (s *Sandbox) populateUsers() {
	for _, p := range []struct{ id, name, real, title string }{
		{BotUser, "wick", "Wick", ""},
		{Alice, "alice", "Alice Nguyen", "Head of Operations"},
		{Bob, "bob", "Bob Okafor", "Platform Engineer"},
		{Carla, "carla", "Carla Rossi", "Support Lead"},
		{Dmitri, "dmitri", "Dmitri Volkov", "Backend Engineer"},
		{Emi, "emi", "Emi Tanaka", "Product Designer"},
		{Farid, "farid", "Farid Haddad", "Site Reliability Engineer"},
		{Grace, "grace", "Grace Murphy", "Engineering Manager"},
		{Henrik, "henrik", "Henrik Larsen", "Data Analyst"},
		{Ines, "ines", "Inês Silva", "Finance"},
		{Jonas, "jonas", "Jonas Weber", "Backend Engineer"},
		{Kira, "kira", "Kira Novak", "Contractor"},
		{Leo, "leo", "Leo Brandt", "Buyer at Partner & Sons"},
		{DeployBot, "deploybot", "Deploy Bot", ""},
	} {
		u := s.newUser(p.id, p.name, p.real)
		u.Profile.Title = p.title
		s.users.put(p.id, u)
	}
	set := func(id string, change func(*user)) { change(s.users.byID[id]) }
	set(Alice, func(u *user) { u.IsAdmin, u.IsOwner, u.IsPrimaryOwner = true, true, true })
	set(Grace, func(u *user) { u.IsAdmin = true })
	set(Emi, func(u *user) {
		u.TZ, u.TZLabel, u.TZOffset = "Asia/Tokyo", "Japan Standard Time", 9*3600
		u.away = true
	})
	set(Farid, func(u *user) { u.Profile.StatusText, u.Profile.StatusEmoji = "On call", ":rotating_light:" })
	set(Jonas, func(u *user) { u.Deleted = true })
	set(Kira, func(u *user) { u.IsRestricted = true })
	set(Leo, func(u *user) {
		u.TeamID, u.IsStranger, u.Profile.Team, u.Profile.Email = partnerTeam, true, partnerTeam, "leo@partner.example"
	})
	s.bots = []*bot{
		{id: BotID, appID: AppID, user: BotUser, name: s.app.name},
		{id: "B0DEPLOY001", appID: "A0DEPLOY001", user: DeployBot, name: "Deploy Bot"},
	}
	for _, b := range s.bots {
		set(b.user, func(u *user) {
			u.IsBot, u.Profile.Email, u.Profile.BotID, u.Profile.APIAppID = true, "", b.id, b.appID
		})
	}
}

// A bot is what an app posts as. Without a user it is an incoming webhook.
type bot struct {
	id, appID, user, name string
}

// botOf finds the bot that has a user; nil for a person.
func (s *Sandbox) botOf(user string) *bot {
	for _, b := range s.bots {
		if user != "" && b.user == user {
			return b
		}
	}
	return nil
}

// newUser makes a member of the workspace with an address and a picture.
func (s *Sandbox) newUser(id, name, real string) *user {
	first, last, _ := strings.Cut(real, " ")
	hash := "g" + digest(11, id)
	return &user{
		ID: id, TeamID: s.team.id, Name: name, RealName: real, Color: digest(6, name), TZ: "Europe/Berlin",
		TZLabel: "Central European Time", TZOffset: 3600, IsEmailConfirmed: true, WhoCanShare: "EVERYONE", Updated: crowdEpoch,
		Profile: profile{
			RealName: real, RealNameNormalized: real, DisplayName: name, DisplayNameNormalized: name, FirstName: first, LastName: last,
			Email: name + "@" + s.team.domain + ".example", AvatarHash: hash, Team: s.team.id,
			Image24: s.image(24), Image48: s.image(48), Image72: s.image(72), Image512: s.image(512),
		},
	}
}

func (s *Sandbox) image(size int) string {
	return fmt.Sprintf("https://a.slack-edge.com/80588/img/avatars/ava_0001-%d.png", size)
}

func (s *Sandbox) populateChannels() {
	everybody := []string{Alice, Bob, Carla, Dmitri, Emi, Farid, Grace, Henrik, Ines, DeployBot}
	for _, c := range []struct {
		id, name       string
		kind           kind
		topic, purpose string
		members        []string
	}{
		{General, "general", public, "Company news", "For everybody at Lantern Works", append(everybody, BotUser)},
		{Random, "random", public, "", "Lamps, lunch and everything else", append(everybody, BotUser)},
		{Engineers, "engineering", public, "Release 4.2 on Thursday", "How we build", []string{Bob, Dmitri, Farid, Grace, Kira, DeployBot, BotUser}},
		{Incidents, "incidents", public, "No incident", "Something is burning", []string{Alice, Bob, Carla, Farid, Grace, BotUser}},
		{Support, "support", public, "Inbox of the day: Carla", "Questions of customers", []string{Carla, Henrik, Dmitri, BotUser}},
		{Design, "design", public, "", "Shapes and colours", []string{Emi, Alice, Grace}},
		{Partner, "ext-partner", public, "", "With our friends at Partner & Sons", []string{Alice, Carla, Leo, BotUser}},
		{OldProject, "old-project", public, "", "The first lantern", []string{Bob, Dmitri, Jonas, BotUser}},
		{Leads, "leads", private, "", "Who leads what", []string{Alice, Grace, Carla, BotUser}},
		{Salaries, "salaries", private, "", "", []string{Alice, Ines}},
		{AliceDM, "", direct, "", "", []string{Alice, BotUser}},
		{Standup, "mpdm-bob--carla--wick-1", group, "", "Group messaging with: @bob @carla @wick", []string{Bob, Carla, BotUser}},
	} {
		ch := newChannel(c.id, c.name, c.kind)
		ch.created, ch.creator, ch.members = crowdEpoch, Alice, c.members
		if c.topic != "" {
			ch.topic = note{c.topic, Alice, crowdEpoch + 60}
		}
		if c.purpose != "" {
			ch.purpose = note{c.purpose, Alice, crowdEpoch}
		}
		if c.kind == direct {
			ch.creator = ""
		}
		ch.updated = crowdEpoch * 1000
		ch.general, ch.external, ch.archived = c.id == General, c.id == Partner, c.id == OldProject
		s.channels.put(c.id, ch)
	}
}

// A line is something that was said. A reply follows its thread's first line.
type line struct {
	channel, user, text string
	reply               bool
	reactions           string // name by user, as "tada:alice,bob eyes:carla"
}

// populateHistory lets three days of talk have happened, silently.
func (s *Sandbox) populateHistory() {
	at := s.opt.Now.Add(-72 * time.Hour).Truncate(time.Minute).UnixMicro()
	root := map[string]*message{}
	for i, l := range story {
		at += int64((20+i*7%45)*60*1e6) + int64(i%9)*1e5 + 219
		ch := s.channels.byID[l.channel]
		u := s.users.byID[l.user]
		d := draft{text: l.text, clientMsgID: !u.IsBot}
		who := actor{kind: userToken, user: u}
		if u.ID == BotUser {
			who.kind = botToken
		}
		m := s.composeAt(who, d, formatTS(at))
		if l.reply {
			s.thread(ch, root[l.channel], m, false)
		} else {
			root[l.channel] = m
		}
		ch.add(m)
		for part := range strings.FieldsSeq(l.reactions) {
			name, by, _ := strings.Cut(part, ":")
			users := strings.Split(by, ",")
			m.Reactions = append(m.Reactions, reaction{Name: name, Users: users, Count: len(users)})
		}
	}
	s.lastMicro = at
	old := s.channels.byID[OldProject]
	for _, ch := range s.channels.byID {
		for _, id := range ch.members {
			if n := len(ch.log); n > 0 {
				ch.lastRead[id] = ch.log[n-1].TS
			}
		}
	}
	old.updated = at / 1000
}

var story = []line{
	{channel: OldProject, user: Jonas, text: "That was the last one. Archiving this room, thank you all :wave:"},
	{channel: General, user: Alice, text: "Good morning! The new warehouse opens on Monday, tours at 10:00 and 15:00.", reactions: "tada:" + Bob + "," + Carla + "," + Emi},
	{channel: Random, user: Emi, text: "Somebody left a lantern on the roof :lantern:", reactions: "joy:" + Dmitri + "," + Grace},
	{channel: Engineers, user: Bob, text: "I would like to cut release 4.2 on Thursday. Anything that must go in?"},
	{channel: Engineers, user: Dmitri, text: "The retry fix: https://git.lantern-works.example/pull/418 & its migration.", reply: true},
	{channel: Engineers, user: Farid, text: "I need one more day for the dashboards.", reply: true},
	{channel: Engineers, user: Bob, text: "Fine, Thursday noon then.", reply: true, reactions: "+1:" + Farid + "," + Dmitri},
	{channel: Support, user: Carla, text: "Three customers ask whether invoices can be sent as `XML`. Do we have that?"},
	{channel: Support, user: Henrik, text: "Since 4.1, behind a switch. I can turn it on per account.", reply: true},
	{channel: Incidents, user: Farid, text: "*Checkout is slow* since 09:40. p95 at 4 s. Looking.", reactions: "eyes:" + Grace},
	{channel: Incidents, user: Bob, text: "Deploy 4.1.9 went out at 09:38.", reply: true},
	{channel: Incidents, user: Farid, text: "Rolled back, p95 is at 300 ms again.", reply: true, reactions: "white_check_mark:" + Grace + "," + Carla},
	{channel: Incidents, user: Grace, text: "Thank you. Write-up until tomorrow, please.", reply: true},
	{channel: Engineers, user: DeployBot, text: "Deployed *4.1.10* to production in 4m12s."},
	{channel: Partner, user: Leo, text: "Hello! Could you send us the price list for autumn?"},
	{channel: Partner, user: Alice, text: "Of course, <@" + Leo + ">: you have it this afternoon.", reply: true},
	{channel: Leads, user: Grace, text: "Headcount for next year: two for support, one for platform."},
	{channel: Salaries, user: Ines, text: "The payroll run is done."},
	{channel: Design, user: Emi, text: "First sketch of the new lamp is in the file box."},
	{channel: AliceDM, user: BotUser, text: "Hello Alice, I am Wick. Mention me in a channel, or write to me here."},
	{channel: AliceDM, user: Alice, text: "Nice to meet you. What happened in <#" + Incidents + "|incidents> today?"},
	{channel: Standup, user: Bob, text: "Yesterday: release notes. Today: release."},
	{channel: General, user: Carla, text: "Lunch at 12:30, the usual place."},
	{channel: General, user: Ines, text: "<!channel> please hand in your expenses by Friday."},
	{channel: Random, user: Dmitri, text: "Has anyone tried the new bakery?", reactions: "+1:" + Bob},
	{channel: Random, user: Bob, text: "Yes! Get the rye bread.", reply: true},
}

// maxCrowd bounds what can be made up.
const maxCrowd = 1_000_000

const (
	crowdUser    = "U0CROWD"
	crowdChannel = "C0CROWD"
	crowdEpoch   = 1_600_000_000 // September 2020, when the crowd moved in
)

// A crowd is people and channels that exist as numbers, and are made when somebody
// looks. A channel that something happens in is kept; see [Sandbox.channel].
type crowd struct {
	users, channels int
	kept            map[string]*channel
}

func crowdID(prefix string, i int) string { return fmt.Sprintf("%s%07d", prefix, i) }

// crowdIndex reads an id back, where it is one of n.
func crowdIndex(prefix, id string, n int) (int, bool) {
	digits, ok := strings.CutPrefix(id, prefix)
	if !ok || len(digits) != 7 {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0 && i < n
}

var (
	givenNames   = strings.Fields("Ada Ben Chloe Dev Elif Finn Gita Hugo Iris Jamal Kaya Liam Mira Noor Otto Priya Quinn Rosa Sami Tess Uma Viktor Wren Ximena Yusuf Zoe")
	familyNames  = strings.Fields("Abbot Baker Castro Dietz Evans Fischer Garcia Hughes Ito Jensen Kumar Lopez Moreau Novak Osei Patel Quist Rivera Sato Tran Ueda Varga Wang Xu Young Zhang")
	projectNames = strings.Fields("proj team help ops data sales topic local")
)

func (s *Sandbox) crowdUser(i int) *user {
	given, family := givenNames[i%len(givenNames)], familyNames[i/len(givenNames)%len(familyNames)]
	name := fmt.Sprintf("%s.%s%d", strings.ToLower(given), strings.ToLower(family), i)
	u := s.newUser(crowdID(crowdUser, i), name, given+" "+family)
	u.Deleted = i%50 == 49
	u.IsRestricted = i%40 == 39
	u.Updated = crowdEpoch + int64(i)
	return u
}

func (s *Sandbox) crowdChannel(i int) *channel {
	if c := s.crowd.kept[crowdID(crowdChannel, i)]; c != nil {
		return c
	}
	c := newChannel(crowdID(crowdChannel, i), crowdName(i), public)
	c.created = crowdEpoch + int64(i)
	c.updated = c.created * 1000
	c.archived = i%20 == 19
	c.purpose.Value = "Channel " + strconv.Itoa(i)
	for n := range 3 + i%5 {
		if s.crowd.users > 0 {
			c.members = append(c.members, crowdID(crowdUser, (i*7+n)%s.crowd.users))
		}
	}
	if len(c.members) > 0 {
		c.creator = c.members[0]
	}
	return c
}

func crowdName(i int) string { return fmt.Sprintf("%s-%05d", projectNames[i%len(projectNames)], i) }

// keep makes a channel of the crowd stay as it is from now on.
func (s *Sandbox) keep(c *channel) {
	if _, ok := crowdIndex(crowdChannel, c.id, s.crowd.channels); ok {
		s.crowd.kept[c.id] = c
	}
}

// user finds a user.
func (s *Sandbox) user(id string) (*user, bool) {
	if u, ok := s.users.get(id); ok {
		return u, true
	}
	if i, ok := crowdIndex(crowdUser, id, s.crowd.users); ok {
		return s.crowdUser(i), true
	}
	return nil, false
}

// userAt is the i-th of userCount users; the crowd comes last.
func (s *Sandbox) userAt(i int) *user {
	if i < len(s.users.order) {
		return s.users.byID[s.users.order[i]]
	}
	return s.crowdUser(i - len(s.users.order))
}

func (s *Sandbox) userCount() int { return len(s.users.order) + s.crowd.users }

func (s *Sandbox) userIndex(id string) (int, bool) {
	if i, ok := s.users.index[id]; ok {
		return i, true
	}
	i, ok := crowdIndex(crowdUser, id, s.crowd.users)
	return i + len(s.users.order), ok
}

// channel finds a conversation, and keeps one of the crowd: whoever asks for it by
// its id may change it.
func (s *Sandbox) channel(id string) (*channel, bool) {
	if c, ok := s.channels.get(id); ok {
		return c, true
	}
	if i, ok := crowdIndex(crowdChannel, id, s.crowd.channels); ok {
		c := s.crowdChannel(i)
		s.keep(c)
		return c, true
	}
	return nil, false
}

func (s *Sandbox) channelAt(i int) *channel {
	if i < len(s.channels.order) {
		return s.channels.byID[s.channels.order[i]]
	}
	return s.crowdChannel(i - len(s.channels.order))
}

func (s *Sandbox) channelCount() int { return len(s.channels.order) + s.crowd.channels }

func (s *Sandbox) channelIndex(id string) (int, bool) {
	if i, ok := s.channels.index[id]; ok {
		return i, true
	}
	i, ok := crowdIndex(crowdChannel, id, s.crowd.channels)
	return i + len(s.channels.order), ok
}

// nameTaken reports whether a channel, archived or not, has a name.
func (s *Sandbox) nameTaken(name string) bool {
	for _, c := range s.channels.byID {
		if c.name == name {
			return true
		}
	}
	for _, c := range s.crowd.kept {
		if c.name == name {
			return true
		}
	}
	_, digits, _ := strings.Cut(name, "-")
	i, err := strconv.Atoi(digits)
	return err == nil && i >= 0 && i < s.crowd.channels && crowdName(i) == name
}
