package sandbox

import (
	"fmt"
	"strings"
	"time"
)

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
	s.team = team{id: Team, name: "Lantern Works", domain: "lantern-works"}
	s.app = app{
		id: AppID, name: "Wick", botID: BotID, botUser: BotUser, installer: Alice,
		verification: "sandbox-verification-token",
	}
	s.sender.app, s.sender.team = s.app, s.team
	s.crowd = crowd{users: s.opt.ExtraUsers, channels: s.opt.ExtraChannels, kept: map[string]*channel{}}
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
	set(BotUser, func(u *user) {
		u.IsBot, u.Profile.Email, u.Profile.BotID, u.Profile.APIAppID = true, "", BotID, AppID
	})
	set(DeployBot, func(u *user) { u.IsBot, u.Profile.Email = true, "" })
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
