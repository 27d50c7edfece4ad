package view

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// A Legend says once, for a whole result, what its texts and times refer to.
type Legend struct {
	// TimeZone and Year are those of each time that names none.
	TimeZone string `json:"time_zone,omitempty"`
	Year     int    `json:"year,omitempty" doc:"of each time that names none"`
	// People has the ids of those who are mentioned and wrote nothing in the result: of an author the
	// id stands beside the name. So each id is told once, and in no text: one that stands in a text
	// somebody may have typed.
	People map[string]string `json:"people,omitempty" doc:"ids of those whom texts mention"`
	// Unnamed counts those of whom the ids are shown, because their names were not found in time:
	// another call goes on with them.
	Unnamed int `json:"names_not_found_in_time,omitempty"`
}

// maxName bounds what people are called, in characters: Slack's own limit of a display name.
const maxName = 80

// A naming is what one result calls people. Two of the same name are told apart by the id of the
// second.
type naming struct {
	labels    map[string]label  // by id
	taken     map[string]string // the same, folded -> id
	mentioned map[string]bool
	authors   map[string]bool
}

func newNaming() naming {
	return naming{labels: map[string]label{}, taken: map[string]string{}, mentioned: map[string]bool{}, authors: map[string]bool{}}
}

// Legend returns the legend of what the reading has shown. A result that is made by [Judge.Read]
// takes it at the end of use. One that had no room for all of it passes what it shows, so that people
// are those of that alone.
func (r *Reading) Legend(shown ...any) Legend {
	l := Legend{Unnamed: r.late}
	if r.year != 0 {
		l.TimeZone, l.Year = r.Zone().String(), r.year
	}
	text, whole := "", len(shown) == 0
	if !whole {
		raw, err := encodeJSON(shown)
		text, whole = string(raw), err != nil
	}
	for id := range r.naming.mentioned {
		name := r.naming.labels[id].name
		if whole && r.naming.authors[id] || !whole && !leavesOpen(text, id, name) {
			continue
		}
		if l.People == nil {
			l.People = map[string]string{}
		}
		l.People[name] = id
	}
	return l
}

// leavesOpen reports that a result mentions somebody by name, and nowhere tells the id beside the name.
func leavesOpen(shown, id, name string) bool {
	mention := "@" + name
	if strings.ContainsAny(name, `"\\`) {
		mention = "@" + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
	}
	return strings.Contains(shown, mention) && !strings.Contains(shown, `"user":"`+id+`","user_name":`)
}

// A label is what the result calls an id, and what was done to the name.
type label struct {
	name  string
	flags Flags
}

// namesID finds what may be taken for an id of Slack's, such as that of somebody else: each has a digit,
// unlike names in capitals.
var namesID = regexp.MustCompile(`\b[UWBCDGS][A-Z]{0,9}[0-9][A-Z0-9]{4,}\b`)

// inText is a name as it stands in a text: on one line, and without the signs that begin and end markup.
func inText(name string) string {
	return strings.NewReplacer("<", "‹", ">", "›").Replace(strings.Join(strings.Fields(name), " "))
}

// label is what the result calls an id, by a name of the book's.
func (n *naming) label(id, name string, f *Flags) string {
	l, ok := n.labels[id]
	if !ok {
		l.name = inText(l.flags.Text(name, maxName))
		// The last id in a label is the right one, whatever stands in the name.
		if _, taken := n.taken[strings.ToLower(l.name)]; taken || l.name == "" || namesID.MatchString(l.name) {
			l.name = strings.TrimSpace(l.name + " (" + id + ")")
		}
		n.labels[id], n.taken[strings.ToLower(l.name)] = l, id
	}
	for _, flag := range l.flags {
		f.Add(flag)
	}
	return l.name
}

// wants notes an id whose name is to be looked up when the reading has ended.
func (r *Reading) wants(list *[]string, id string) {
	if r.deferred && len(r.sought) < maxMissing && !r.sought[id] {
		r.sought[id] = true
		*list = append(*list, id)
	}
}

// known returns what is known of a user, and notes one of whom nothing fresh is. Lockdown judges by
// what is fresh alone.
func (r *Reading) known(id string) (names.User, bool) {
	if r.judge.people == nil || id == "" {
		return names.User{}, false
	}
	u, fresh := r.user(id, false)
	if fresh {
		return u, true
	}
	r.wants(&r.wanted.Users, id)
	if r.Lockdown() {
		return u, false
	}
	return r.judge.people.KnownUser(id)
}

// personName is what the result calls a user, "" for one who is not known, or whose name lockdown
// withholds.
func (r *Reading) personName(id string, f *Flags) string {
	u, ok := r.known(id)
	if !ok || r.Lockdown() && !r.passes(&u, r.home()) {
		return ""
	}
	return r.naming.label(id, u.Name(), f)
}

// authorName is what the result calls one whose words pass, and whose id stands beside the name.
func (r *Reading) authorName(id string, f *Flags) string {
	u, ok := r.known(id)
	if !ok {
		return ""
	}
	r.naming.authors[id] = true
	return r.naming.label(id, u.Name(), f)
}

// signature is the name that a message itself brings of its author. What bots call themselves stands
// beside their id; a person's name is nobody else's in the result.
func (r *Reading) signature(m *slackapi.Message, f *Flags) string {
	name := cmp.Or(m.Username, botName(m))
	if m.User != "" && m.BotID == "" && name != "" {
		r.naming.authors[m.User] = true
		return r.naming.label(m.User, name, f)
	}
	return f.Name(name)
}

// Called is what the result calls a user of whom it shows nothing else: @name, of which the legend has
// the id, or the id where the name is not known, or lockdown withholds it.
func (r *Reading) Called(id string, f *Flags) string { return cmp.Or(r.mention("@", id, f), id) }

// groupName is what the result calls a user group.
func (r *Reading) groupName(id string, f *Flags) string {
	if r.judge.people == nil {
		return ""
	}
	g, known := r.judge.people.KnownGroup(id)
	if !known {
		r.wants(&r.wanted.Groups, id)
		return ""
	}
	shown := r.UserGroup(&g)
	if shown.Handle == "" {
		return ""
	}
	return r.naming.label(id, shown.Handle, f)
}

// placeName is what a conversation is called, "" for one that is not known or has no name, or
// whose name lockdown withholds.
func (r *Reading) placeName(id string, f *Flags) string {
	if r.judge.people == nil || id == "" {
		return ""
	}
	c, known := r.judge.people.KnownChannel(id)
	if !known && id[0] != 'D' { // a direct message has no name
		r.wants(&r.wanted.Channels, id)
		return ""
	}
	return r.ChannelName(&c, f)
}

// title is what a conversation is called in a list.
func (r *Reading) title(c *names.Channel, f *Flags) string {
	if name := r.directName(c, f); name != "" {
		return name
	}
	return r.ChannelName(c, f)
}

// directName is what a direct message is called: by the other side's name or, of several people, by
// theirs. It is "" for another conversation, and where nobody's name is known or lockdown withholds it.
func (r *Reading) directName(c *names.Channel, f *Flags) string {
	if c.User != "" {
		return r.personName(c.User, f)
	}
	handles := names.GroupHandles(c.Name)
	if !c.Group || len(handles) == 0 || r.judge.people == nil || r.Lockdown() && c.Shared {
		return ""
	}
	var all []string
	for _, handle := range handles {
		u, known := r.judge.people.KnownHandle(handle)
		switch {
		case !known:
			all = append(all, f.Name(handle))
		case r.Lockdown() && !r.passes(&u, r.home()):
			return ""
		case u.ID != r.Self().UserID: // the bot is in all that it lists
			all = append(all, r.naming.label(u.ID, u.Name(), f))
		}
	}
	return strings.Join(all, ", ")
}

// mentions finds what a text mentions: Slack writes it by its id, and perhaps with a name that the
// author chose.
var mentions = regexp.MustCompile(`<(@|#|!subteam\^)([A-Z0-9]{2,21})(?:\|[^<>]*)?>`)

// Mentions puts names in place of the ids that a text mentions: @Alice Young, #general, and the handle
// of a user group. The names are those that Slack told us, never those that a text brings with
// it. What is not known by name stays as it is, without a name that it brings.
func (r *Reading) Mentions(text string, f *Flags) string {
	if !strings.Contains(text, "<") {
		return text
	}
	return mentions.ReplaceAllStringFunc(text, func(mention string) string {
		m := mentions.FindStringSubmatch(mention)
		if name := r.mention(m[1], m[2], f); name != "" {
			return name
		}
		return "<" + m[1] + m[2] + ">"
	})
}

// mention is the name of what is mentioned, with its sign; "" for none.
func (r *Reading) mention(kind, id string, f *Flags) string {
	var name string
	switch kind {
	case "#":
		if name = r.placeName(id, f); name != "" {
			return "#" + name
		}
		return ""
	case "@":
		name = r.personName(id, f)
	default:
		name = r.groupName(id, f)
	}
	if name == "" {
		return ""
	}
	r.naming.mentioned[id] = true
	return "@" + name
}

// Afresh begins another result with the same reading: its names are its own.
func (r *Reading) Afresh() { r.naming, r.year = newNaming(), 0 }

// Zone is the operator's time zone.
func (r *Reading) Zone() *time.Location { return r.judge.Zone() }

// clock is how instants are written in a result, beside the zone that its legend names: short, since
// what is exact stands beside it. Those of another year than the first that is written name theirs.
const (
	clock       = "2 Jan 15:04"
	clockOfYear = "2 Jan 2006 15:04"
)

// Dated is a time of the result with its year.
func (l *Legend) Dated(clocked string) string {
	t, err := time.Parse(clock, clocked)
	if err != nil {
		return clocked
	}
	return t.AddDate(l.Year, 0, 0).Format(clockOfYear)
}

// Clock writes an instant for people, in the operator's zone; "" for none.
func (r *Reading) Clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(r.Zone())
	if r.year == 0 {
		r.year = t.Year()
	}
	if t.Year() != r.year {
		return t.Format(clockOfYear)
	}
	return t.Format(clock)
}

// ClockTS is [Reading.Clock] of a message's ts.
func (r *Reading) ClockTS(ts string) string {
	t, ok := names.TimeOf(ts)
	if !ok {
		return ""
	}
	return r.Clock(t)
}

// ClockUnix is [Reading.Clock] of Unix seconds; 0 is none.
func (r *Reading) ClockUnix(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return r.Clock(time.Unix(seconds, 0))
}

// look finds the names that a deferred reading did not know. It reports whether the views have to
// be made anew.
func (r *Reading) look() bool {
	w := r.wanted
	r.wanted = names.Wanted{}
	if w.Users = append(w.Users, r.missing...); w.IsEmpty() {
		return false
	}
	late := r.seek(w)
	r.late += late
	return late > 0 || r.found(&w)
}

// found reports that something of what was wanted is known now.
func (r *Reading) found(w *names.Wanted) bool {
	people := r.judge.people
	return slices.ContainsFunc(w.Users, func(id string) bool { _, ok := people.KnownUser(id); return ok }) ||
		slices.ContainsFunc(w.Channels, func(id string) bool { _, ok := people.KnownChannel(id); return ok }) ||
		slices.ContainsFunc(w.Groups, func(id string) bool { _, ok := people.KnownGroup(id); return ok })
}

// An Introduction leaves out of the rows of a list what a row above has told: the id of an author or of a
// channel, beside which the name stands, and of events, which are mostly of one day, the day. An id is left
// out where its name stands for nobody and nothing else in the list; see [Reading.Legend]. The zero value
// has told nothing. It is used by one goroutine.
type Introduction struct {
	people, places introduced
	day            string
}

// introduced is whose id has stood beside each name, "" where it was more than one.
type introduced map[string]string

// id is what of an id stands beside a name: "" where the name alone says it.
func (t *introduced) id(name, id string) string {
	switch first, met := (*t)[name]; {
	case name == "":
	case met && first == id:
		return ""
	case !met:
		if *t == nil {
			*t = introduced{}
		}
		(*t)[name] = id
	default:
		(*t)[name] = "" // the name stands for several: each row tells its id from now on
	}
	return id
}

// Message leaves out of a message what the list has told.
func (i *Introduction) Message(m *Message) {
	if m.BotID == "" { // bots take the names that they like
		m.User = i.people.id(m.UserName, m.User)
	}
}

// Event leaves out of an event what the list has told, and of one that is a message and a mention of
// the app that it is a message.
func (i *Introduction) Event(v *Event) {
	v.User = i.people.id(v.UserName, v.User)
	switch id := i.places.id(v.ChannelName, v.Channel); {
	case id == "" && names.GroupHandles(v.ChannelName) != nil:
		v.ChannelName = "" // which is longer than the id
	default:
		v.Channel = id
	}
	v.Time = i.clock(v.Time)
	if len(v.Types) > 0 {
		v.Type, v.Types = typeMention, nil
	}
}

// clock is a time without its day where that is the day of the time above.
func (i *Introduction) clock(t string) string {
	at := strings.LastIndexByte(t, ' ')
	if at < 0 {
		return t
	}
	if t[:at] == i.day {
		return t[at+1:]
	}
	i.day = t[:at]
	return t
}
