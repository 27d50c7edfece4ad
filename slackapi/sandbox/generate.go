package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GenerateOptions say what [Generate] makes up. The same options make the same workspace.
type GenerateOptions struct {
	// Seed chooses one of many workspaces.
	Seed uint64
	// People, Channels and Messages are how many there are: 2 to 20,000 people; 2 to 5,000
	// conversations, of which about a fifth are direct and group messages; 0 to 500,000
	// messages.
	People, Channels, Messages int
	// Until is the time of the newest message, and Days over how many days they are spread,
	// 1 to 3,650. The zero Until is 27 June 2025, 17:00 UTC.
	Until time.Time
	Days  int
}

// Generate makes up a workspace as companies have them: chat of ordinary length in working
// hours, threads, mentions, links, code, lists, files, reactions and edits, posts of bots in blocks
// and attachments, answers of the app to some of its mentions, and channels that are shared with
// another workspace. The error names the option that is wrong.
func Generate(o GenerateOptions) (*Workspace, error) {
	if o.Until.IsZero() {
		o.Until = time.Date(2025, 6, 27, 17, 0, 0, 0, time.UTC)
	}
	switch {
	case o.People < 2 || o.People > 20_000:
		return nil, errors.New("sandbox: People must be 2 to 20,000")
	case o.Channels < 2 || o.Channels > 5_000:
		return nil, errors.New("sandbox: Channels must be 2 to 5,000")
	case o.Messages < 0 || o.Messages > 500_000:
		return nil, errors.New("sandbox: Messages must be 0 to 500,000")
	case o.Days < 1 || o.Days > 3_650:
		return nil, errors.New("sandbox: Days must be 1 to 3,650")
	}
	g := &generator{Rand: rand.New(rand.NewPCG(o.Seed, 0x5eed)), o: o} //nolint:gosec // what it makes is to be the same each time
	g.out = &Workspace{Team: FileTeam{Name: "Harbour & Finch", Domain: "harbour-finch"}}
	g.makePeople()
	g.makeBots()
	g.makeChannels()
	g.makeMessages()
	return g.out, nil
}

type generator struct {
	*rand.Rand
	o     GenerateOptions
	out   *Workspace
	roots map[int][]int  // channel → its newest messages that begin threads
	asked map[int]string // channel → the thread in which the app was mentioned last
	files int
}

// chance reports true in so many of a hundred cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

const idLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// newID makes an id of Slack's present length.
func (g *generator) newID(letter string) string {
	b := []byte(letter + "0")
	for range 9 {
		b = append(b, idLetters[g.IntN(len(idLetters))])
	}
	return string(b)
}

var (
	generatedTitles = strings.Split("Backend Engineer,Frontend Engineer,Site Reliability Engineer,Product Manager,Product Designer,Data Analyst,Support Specialist,Account Executive,Marketing Manager,Finance Partner,Recruiter,Engineering Manager,Legal Counsel,Office Manager", ",")
	generatedZones  = strings.Split("Europe/Berlin,Europe/London,America/New_York,America/Los_Angeles,Asia/Kolkata,Asia/Tokyo", ",")
	generatedStatus = [][2]string{{"In a meeting", ":calendar:"}, {"On holiday until Monday", ":palm_tree:"}, {"Working from home", ":house_with_garden:"}, {"Out sick", ":face_with_thermometer:"}}
)

func (g *generator) makePeople() {
	for i := range g.o.People {
		given, family := givenNames[i%len(givenNames)], familyNames[(i+i/len(givenNames)*5)%len(familyNames)]
		name := strings.ToLower(given) + "." + strings.ToLower(family)
		if round := i / (len(givenNames) * len(familyNames)); round > 0 {
			name += strconv.Itoa(round)
		}
		p := FilePerson{
			ID: g.newID("U"), Name: name, RealName: given + " " + family, Title: pick(g, generatedTitles),
			Email: name + "@harbour-finch.example", TZ: pick(g, generatedZones),
			Owner: i == 0, Admin: i == 1, Guest: i > 2 && i%25 == 24, Deleted: i > 2 && i%20 == 19,
		}
		if g.external(i) {
			p.External, p.Guest, p.Deleted, p.Email = true, false, false, name+"@partner.example"
		}
		if !g.chance(25) {
			p.DisplayName = pick(g, []string{given, strings.ToLower(given), given + " " + family[:1] + "."})
		}
		if g.chance(8) {
			s := pick(g, generatedStatus)
			p.StatusText, p.StatusEmoji = s[0], s[1]
		}
		g.out.People = append(g.out.People, p)
	}
}

// external reports the people of another workspace: of many the last three.
func (g *generator) external(i int) bool { return g.o.People >= 20 && i >= g.o.People-3 }

func (g *generator) makeBots() {
	for _, name := range []string{"Watchtower", "Buildkeeper", "Tickets", "Incident Desk"} {
		g.out.Bots = append(g.out.Bots, FileBot{ID: g.newID("B"), Name: name, AppID: g.newID("A"), User: g.newID("U")})
	}
	g.out.Bots = append(g.out.Bots, FileBot{ID: g.newID("B"), Name: "Release notes", AppID: g.newID("A")}) // an incoming webhook
}

var channelWords = [2][]string{
	strings.Fields("team proj help ops data sales topic local guild ask"),
	strings.Fields("checkout search billing mobile platform onboarding pricing security growth hiring brand warehouse partners support analytics payments infra docs design release"),
}

// makeChannels makes public and private channels, and about a fifth of direct and group
// messages, with the app in most of them.
func (g *generator) makeChannels() {
	talks := g.o.Channels / 5
	seen := map[string]bool{}
	for i := range g.o.Channels - talks {
		c := FileChannel{ID: g.newID("C"), Type: "public_channel", Created: g.o.Until.Unix() - int64(400+g.IntN(900))*86_400}
		switch i {
		case 0:
			c.Name, c.General, c.Purpose = "general", true, "Announcements for everybody at Harbour & Finch"
		case 1:
			c.Name, c.Purpose = "alerts", "What the machines say"
		default:
			c.Name = g.channelName(seen)
			c.Purpose = "Everything about " + strings.ReplaceAll(c.Name, "-", " ")
		}
		seen[c.Name] = true
		if i > 2 && i%7 == 6 {
			c.Type = "private_channel"
		}
		if g.chance(40) {
			c.Topic = pick(g, sentences)(g, -1)
		}
		c.Archived = i > 5 && i%15 == 14
		if i%20 == 3 && g.o.People >= 20 {
			c.External, c.Name = true, "ext-"+c.Name
		}
		c.Members = g.members(i, c.External)
		c.Creator = c.Members[0]
		g.out.Channels = append(g.out.Channels, c)
	}
	for i := range talks {
		g.makeTalk(i)
	}
}

// channelName makes up a name that no channel has.
func (g *generator) channelName(seen map[string]bool) string {
	base := pick(g, channelWords[0]) + "-" + pick(g, channelWords[1])
	name := base
	for n := 2; seen[name]; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name
}

// members chooses who is in a channel: everybody of the workspace in the first one, and
// people of another workspace in those that are shared with it.
func (g *generator) members(channel int, shared bool) []string {
	var ids []string
	size := 4 + g.IntN(max(len(g.out.People)/3, 1))
	for _, i := range g.Perm(len(g.out.People)) {
		if p := g.out.People[i]; !p.Deleted && !p.External && (channel == 0 || len(ids) < size) {
			ids = append(ids, p.ID)
		}
	}
	for _, p := range g.out.People {
		if p.External && shared {
			ids = append(ids, p.ID)
		}
	}
	if channel < 5 || !g.chance(15) {
		ids = append(ids, BotUser)
	}
	for _, b := range g.out.Bots {
		if b.User != "" && channel < 8 {
			ids = append(ids, b.User)
		}
	}
	return ids
}

// makeTalk makes a direct message with the app, or a group message.
func (g *generator) makeTalk(i int) {
	present := slices.DeleteFunc(slices.Clone(g.out.People), func(p FilePerson) bool { return p.Deleted || p.External })
	c := FileChannel{ID: g.newID("D"), Type: "im", Created: g.o.Until.Unix() - int64(g.IntN(300))*86_400}
	if i%4 != 3 || len(present) < 4 {
		c.Members = []string{present[i%len(present)].ID, BotUser}
		if i >= len(present) {
			return // everybody talks with the app already
		}
	} else {
		c.ID, c.Type = g.newID("C"), "mpim"
		for _, n := range g.Perm(len(present))[:2+g.IntN(2)] {
			c.Members = append(c.Members, present[n].ID)
		}
		c.Members = append(c.Members, BotUser)
	}
	g.out.Channels = append(g.out.Channels, c)
}

// makeMessages spreads messages over working hours and conversations, a few of which have
// most of them.
func (g *generator) makeMessages() {
	g.roots, g.asked = map[int][]int{}, map[int]string{}
	last := int64(0)
	for _, at := range g.times() {
		micro := max(at*1e6+int64(g.IntN(1e6)), last+1)
		last = micro
		g.message(g.channelFor(), micro)
	}
}

// times are the times of all messages in seconds, in order: five days a week, and most at
// the middle of the day.
func (g *generator) times() []int64 {
	times := make([]int64, 0, g.o.Messages)
	midnight := g.o.Until.Truncate(24 * time.Hour)
	for len(times) < g.o.Messages {
		day := midnight.AddDate(0, 0, -g.IntN(g.o.Days))
		if w := day.Weekday(); (w == time.Saturday || w == time.Sunday) && !g.chance(8) {
			continue
		}
		at := day.Add(time.Duration((12.5 + g.NormFloat64()*2.7) * float64(time.Hour)))
		if at.After(g.o.Until) {
			at = g.o.Until.Add(-time.Duration(g.IntN(7200)) * time.Second)
		}
		times = append(times, at.Unix())
	}
	slices.Sort(times)
	return times
}

// channelFor chooses a conversation: half of all is said in an eighth of them.
func (g *generator) channelFor() int {
	n := len(g.out.Channels)
	for {
		i := g.IntN(n)
		if g.chance(50) {
			i = g.IntN(max(n/8, 2))
		}
		if !g.out.Channels[i].Archived {
			return i
		}
	}
}

// message says something in a channel: in the second one bots say most.
func (g *generator) message(channel int, micro int64) {
	c := &g.out.Channels[channel]
	m := FileMessage{TS: formatTS(micro)}
	byBots := 6
	if channel == 1 {
		byBots = 80
	}
	thread, asked := g.asked[channel]
	switch {
	case asked && g.chance(60), c.Type == "im" && len(c.Messages) > 0 && g.chance(40):
		m.Bot, m.ThreadTS, m.Text = BotID, thread, g.say(channel)
		delete(g.asked, channel)
	case c.Type == "public_channel" && channel < 8 && g.chance(byBots):
		g.botPost(&m)
	default:
		g.personPost(&m, channel, c)
	}
	g.marks(&m, c, micro)
	c.Messages = append(c.Messages, m)
}

func (g *generator) personPost(m *FileMessage, channel int, c *FileChannel) {
	people := slices.DeleteFunc(slices.Clone(c.Members), func(id string) bool { return id == BotUser || g.isBot(id) })
	m.User = pick(g, people)
	roots := g.roots[channel]
	switch {
	case len(roots) > 0 && g.chance(38):
		m.ThreadTS = c.Messages[roots[len(roots)-1-min(int(g.ExpFloat64()*1.5), len(roots)-1)]].TS
	default:
		g.roots[channel] = append(roots, len(c.Messages))
	}
	m.Text = g.say(channel)
	if strings.Contains(m.Text, "<@"+BotUser+">") {
		g.asked[channel] = cmp.Or(m.ThreadTS, m.TS)
	}
	if g.chance(3) {
		g.attachFile(m)
	}
	if g.chance(2) {
		g.forward(m, c)
	}
}

func (g *generator) isBot(id string) bool {
	return slices.ContainsFunc(g.out.Bots, func(b FileBot) bool { return b.User == id })
}

// marks adds reactions, edits and pins.
func (g *generator) marks(m *FileMessage, c *FileChannel, micro int64) {
	if m.User != "" && g.chance(4) {
		m.Edited = &FileEdit{TS: formatTS((micro/1e6 + int64(5+g.IntN(300))) * 1e6)}
		if micro+305*1e6 > g.o.Until.UnixMicro() {
			m.Edited = nil
		}
	}
	if g.chance(16) {
		for _, n := range g.Perm(len(generatedEmoji))[:1+g.IntN(3)] {
			users := g.Perm(len(c.Members))
			r := FileReaction{Name: generatedEmoji[n]}
			for _, u := range users[:1+min(int(g.ExpFloat64()*1.6), len(users)-1)] {
				r.Users = append(r.Users, c.Members[u])
			}
			m.Reactions = append(m.Reactions, r)
		}
	}
	if m.Subtype == "" && g.chance(1) && g.chance(50) {
		m.PinnedBy = c.Members[0]
	}
}

var generatedEmoji = strings.Fields("+1 eyes tada white_check_mark heart joy pray rocket thinking_face 100 raised_hands fire")

func (g *generator) attachFile(m *FileMessage) {
	g.files++
	kind := pick(g, []string{"pdf", "png", "png", "csv", "txt", "docx", "xlsx", "mp4"})
	f := FileFile{ID: g.newID("F"), Name: fmt.Sprintf("%s-%s-%d.%s", pick(g, channelWords[1]), pick(g, strings.Fields("report plan sketch export notes contract screenshot recording")), g.files, kind)}
	f.FileType, f.MIMEType = kind, map[string]string{
		"pdf": "application/pdf", "png": "image/png", "csv": "text/csv", "txt": "text/plain", "mp4": "video/mp4",
		"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	}[kind]
	switch kind {
	case "csv":
		f.Content = "day,orders,refunds\n2025-06-02,412,9\n2025-06-03,398,12\n2025-06-04,455,7\n"
	case "txt":
		f.Content = pick(g, sentences)(g, -1) + "\n" + pick(g, sentences)(g, -1) + "\n"
	case "mp4":
		f.Size = 2_000_000 + g.IntN(9_000_000)
		f.Details = map[string]any{"transcription": map[string]any{"status": "complete", "locale": "en-US", "preview": map[string]any{"content": pick(g, sentences)(g, -1), "has_more": true}}}
	default:
		f.Size = 20_000 + g.IntN(3_000_000)
	}
	m.Files = []FileFile{f}
	if g.chance(50) {
		m.Text = ""
	}
}

// forward adds an earlier message of the conversation, as Slack shows a shared one.
func (g *generator) forward(m *FileMessage, c *FileChannel) {
	if len(c.Messages) == 0 {
		return
	}
	old := pick(g, c.Messages)
	i := slices.IndexFunc(g.out.People, func(p FilePerson) bool { return p.ID == old.User })
	if i < 0 || old.Text == "" {
		return
	}
	name := cmp.Or(g.out.People[i].DisplayName, g.out.People[i].RealName)
	m.Attachments = mustJSON([]object{{
		"id": 1, "ts": old.TS, "channel_id": c.ID, "is_msg_unfurl": true, "is_share": true, "author_id": old.User, "author_name": name,
		"author_subname": name, "text": old.Text, "mrkdwn_in": []string{"text"}, "footer": "Slack Conversation",
		"from_url": "https://harbour-finch.slack.com/archives/" + c.ID + "/p" + strings.Replace(old.TS, ".", "", 1),
		"fallback": "[" + old.TS + "] " + name + ": " + old.Text,
	}})
}

func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps, lists and texts come here
	}
	return b
}
