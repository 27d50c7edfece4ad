package sandbox

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"slackmcp/internal/emoji"
	"slackmcp/internal/page"
)

// How much a page shows.
const (
	shownMessages      = 100
	shownReplies       = 200
	shownConversations = 200
	shownPeople        = 200
	lookedThrough      = 5000 // people, and channels, among whom those are found
)

// A spot is what a page looks at: as whom, in which conversation and thread.
type spot struct {
	As, In, Thread string
}

func spotOf(q url.Values) spot { return spot{q.Get("as"), q.Get("in"), q.Get("thread")} }

// path is the address of a page or a part, at this spot, with further fields and their values.
func (p spot) path(of string, more ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	for name, v := range map[string]string{"as": p.As, "in": p.In, "thread": p.Thread} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if len(q) == 0 {
		return of
	}
	return of + "?" + q.Encode()
}

// A lookout is somebody's view of the workspace, while it is locked.
type lookout struct {
	*Sandbox

	spot spot
	me   *user
	here *channel // nil: a person, to whom nothing was said yet, or nothing
	with *user    // whom to write to, where here is nil

	place      string // the message or the modal whose blocks are read
	attachment int    // and the number of the attachment; 0 is the message or the modal itself
}

// A personView is somebody as pages show them.
type personView struct {
	ID, Name, Title, Initials, Class string
	Kind                             string // app, bot, guest, or empty
	Current                          bool
	URL                              string
}

// A conversationView is a conversation in the list, or the one that is shown.
type conversationView struct {
	Name, Sign, Topic string
	URL               string
	Current, Member   bool
	AppIn, Writable   bool
	Archived          bool
	Messages          int
}

type conversationGroup struct {
	Name          string
	Conversations []conversationView
}

// look finds what a spot shows; what is not said, or unknown, is Alice, or whoever comes first, and where they
// and the app are. It requires s.mu.
func (s *Sandbox) look(p spot) lookout {
	l := lookout{Sandbox: s, spot: p, me: s.somebody(p.As)}
	l.spot.As = l.me.ID
	if ch, ok := s.channel(p.In); ok && l.mayRead(ch) {
		l.here = ch
	} else if u, ok := s.user(p.In); ok && u.ID != l.me.ID {
		l.with, l.here = u, s.directs(l.me)[u.ID]
	} else {
		l.here = l.withApp()
	}
	if l.here != nil {
		l.spot.In = l.here.id
	}
	if l.here == nil || l.here.byTS[p.Thread] == nil {
		l.spot.Thread = ""
	}
	return l
}

// somebody is the person with an id, or whoever comes first.
func (s *Sandbox) somebody(id string) *user {
	if u, ok := s.user(id); ok && !u.IsBot && !u.Deleted {
		return u
	}
	for i := range min(s.userCount(), lookedThrough) {
		if u := s.userAt(i); mayAuthorize(u) {
			return u
		}
	}
	return s.users.byID[s.app.botUser] // a workspace without people
}

// withApp is the first conversation that the person and the app are in; nil is none.
func (l lookout) withApp() *channel {
	for i := range len(l.channels.order) {
		if ch := l.channelAt(i); ch.has(l.me.ID) && ch.has(l.app.botUser) {
			return ch
		}
	}
	return nil
}

// mayRead reports whether the person sees a conversation: one of theirs, or a public one, where they are no guest.
func (l lookout) mayRead(ch *channel) bool {
	return ch.has(l.me.ID) || ch.kind == public && !l.me.IsRestricted && !l.me.IsStranger
}

// directs are somebody's direct conversations, by the other one.
func (s *Sandbox) directs(u *user) map[string]*channel {
	all := map[string]*channel{}
	for _, ch := range s.channels.byID {
		if ch.kind == direct && ch.has(u.ID) {
			for _, other := range ch.members {
				all[other] = ch
			}
		}
	}
	return all
}

// at is the address of another conversation.
func (l lookout) at(in string) string { return spot{As: l.me.ID, In: in}.path("/") }

// conversations are the conversations that the person may choose.
func (l lookout) conversations() []conversationGroup {
	channels, groups := conversationGroup{Name: "Channels"}, conversationGroup{Name: "Group messages"}
	for i := range min(l.channelCount(), lookedThrough) {
		ch := l.channelAt(i)
		switch {
		case ch.kind == direct || !l.mayRead(ch) || len(channels.Conversations) >= shownConversations:
		case ch.kind == group:
			groups.Conversations = append(groups.Conversations, l.conversation(ch))
		default:
			channels.Conversations = append(channels.Conversations, l.conversation(ch))
		}
	}
	all := []conversationGroup{channels, {Name: "Direct messages", Conversations: l.directConversations()}}
	if len(groups.Conversations) > 0 {
		all = append(all, groups)
	}
	return all
}

// directConversations are the people whom one may write to, the app first.
func (l lookout) directConversations() (all []conversationView) {
	directs := l.directs(l.me)
	for i := range min(l.userCount(), lookedThrough) {
		u := l.userAt(i)
		if len(all) >= shownPeople || u.ID == l.me.ID || u.Deleted || u.IsBot && u.ID != l.app.botUser {
			continue
		}
		r := conversationView{Name: or(u.RealName, u.Name), URL: l.at(u.ID), Member: true, AppIn: u.ID == l.app.botUser}
		r.Current = l.with != nil && l.with.ID == u.ID || l.here != nil && l.here == directs[u.ID]
		if r.AppIn {
			all = append([]conversationView{r}, all...)
			continue
		}
		all = append(all, r)
	}
	return all
}

// conversation is a conversation by its name.
func (l lookout) conversation(ch *channel) conversationView {
	r := conversationView{
		Name: ch.name, Sign: "#", Topic: page.Plain(ch.topic.Value), URL: l.at(ch.id), Current: ch == l.here, Member: ch.has(l.me.ID),
		AppIn: ch.has(l.app.botUser), Archived: ch.archived, Messages: len(ch.byTS),
	}
	r.Writable = r.Member && !ch.archived
	switch ch.kind {
	case public:
	case private:
		r.Sign = "private "
	case direct, group:
		r.Sign, r.Name = "", l.withWhom(ch)
	}
	return r
}

func (l lookout) withWhom(ch *channel) string {
	var names []string
	for _, id := range ch.members {
		if u, ok := l.user(id); ok && id != l.me.ID {
			names = append(names, u.RealName)
		}
	}
	return strings.Join(names, ", ")
}

// current is the conversation that is shown.
func (l lookout) current() conversationView {
	switch {
	case l.here != nil:
		return l.conversation(l.here)
	case l.with != nil:
		return conversationView{Name: l.with.RealName, Member: true, Writable: true, AppIn: l.with.ID == l.app.botUser}
	}
	return conversationView{Name: "Nothing to see", Topic: "This person is in no conversation with the app."}
}

// people are those whom one may be.
func (l lookout) people() (all []personView) {
	for i := range min(l.userCount(), lookedThrough) {
		if u := l.userAt(i); !u.IsBot && !u.Deleted && len(all) < shownPeople {
			p := l.person(u)
			p.Current = u.ID == l.me.ID
			all = append(all, p)
		}
	}
	return all
}

func (l lookout) person(u *user) personView {
	p := personView{
		ID: u.ID, Name: or(u.RealName, u.Name), Title: u.Profile.Title, URL: l.at(u.ID),
		Class: tint(u.ID), Initials: initials(or(u.RealName, u.Name)),
	}
	switch {
	case u.ID == l.app.botUser:
		p.Kind = "app"
	case u.IsBot:
		p.Kind = "bot"
	case u.IsRestricted || u.IsUltraRestricted:
		p.Kind = "guest"
	case u.IsStranger:
		p.Kind = "of another workspace"
	}
	return p
}

// tint is the class of one of six colours.
func tint(id string) string {
	sum := 0
	for _, b := range []byte(id) {
		sum += int(b)
	}
	return "tint" + strconv.Itoa(sum%6)
}

// initials are the first letters of at most two words.
func initials(name string) (letters string) {
	for i, word := range strings.Fields(name) {
		if first := []rune(word)[0]; i < 2 {
			letters += strings.ToUpper(string(first))
		}
	}
	return letters
}

// names says how what a text mentions is called for the person who looks.
func (l lookout) names(kind byte, id, label string) string {
	switch kind {
	case '@':
		if u, ok := l.user(id); ok {
			return or(u.RealName, u.Name)
		}
	case '#':
		if ch, ok := l.channel(id); ok {
			if l.mayRead(ch) {
				return ch.name
			}
			return "private channel"
		}
	case '!':
		for _, g := range l.groups {
			if "subteam^"+g.id == id {
				return g.handle
			}
		}
	}
	return label
}

func (l lookout) text(s string) []page.Span { return page.Mrkdwn(s, l.names) }

// A messageView is a message as a page shows it.
type messageView struct {
	TS, Time, Stamp string
	Author          personView
	Through         string // the app that posted with a person's token
	Text            []page.Span
	Blocks          []blockView
	Attachments     []attachmentView
	Files           []fileView
	Reactions       []reactionView
	Edited, Own     bool
	Only            bool // for this person alone
	System          bool
	Pinned          bool
	Replies         int
	ThreadURL       string
	Source          string // the text as it was typed, to edit it
}

type reactionView struct {
	Name, Shown, Who string
	Count            int
	Mine             bool
}

type fileView struct {
	Name, Kind, URL string
	Size            int
	Image, Gone     bool
}

// messages are the newest of the conversation, or of a thread.
func (l lookout) messages() (all []messageView) {
	if l.here == nil {
		return nil
	}
	log := l.here.log
	for _, m := range log[max(0, len(log)-shownMessages):] {
		all = append(all, l.message(m))
	}
	for _, e := range l.ephemerals {
		if e.Channel == l.here.id && e.User == l.me.ID {
			v := messageView{TS: e.TS, Text: l.text(e.Text), Only: true, Author: l.person(l.users.byID[l.app.botUser])}
			v.Time, v.Stamp = clock(e.TS)
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b messageView) int { return cmp.Compare(a.TS, b.TS) })
	return all
}

// thread is the thread that is open: its first message and the newest replies.
func (l lookout) thread() (all []messageView) {
	if l.spot.Thread == "" {
		return nil
	}
	root := l.here.byTS[l.spot.Thread]
	replies := l.here.threads[root.TS]
	all = append(all, l.message(root))
	for _, m := range replies[max(0, len(replies)-shownReplies):] {
		all = append(all, l.message(m))
	}
	return all
}

func (l lookout) message(m *message) messageView {
	v := messageView{
		TS: m.TS, Author: l.author(m), Edited: m.Edited != nil, Own: m.User == l.me.ID && m.BotID == "", Pinned: len(m.PinnedTo) > 0,
		Replies: m.ReplyCount, System: !said[m.Subtype], Source: unescape(m.Text),
	}
	v.Time, v.Stamp = clock(m.TS)
	root := or(m.ThreadTS, m.TS)
	v.ThreadURL = spot{As: l.me.ID, In: l.here.id, Thread: root}.path("/")
	if b := l.botOf(m.User); m.BotID != "" && m.User != "" && b == nil {
		v.Through = l.app.name
	}
	l.place = m.TS
	if m.ownBlocks {
		v.Blocks = l.blocks(m.Blocks)
	}
	if len(v.Blocks) == 0 {
		v.Text = l.text(m.Text)
	}
	v.Attachments = l.attachments(m.Attachments)
	for _, id := range m.files {
		v.Files = append(v.Files, l.fileOf(id))
	}
	for _, r := range m.Reactions {
		v.Reactions = append(v.Reactions, l.reaction(r))
	}
	return v
}

// author is who wrote a message, by the name that it carries.
func (l lookout) author(m *message) personView {
	if u, ok := l.user(m.User); ok {
		return l.person(u)
	}
	name, kind := m.Username, "bot"
	for _, b := range l.bots {
		if b.id == m.BotID {
			name = or(name, b.name)
		}
	}
	if m.BotID == l.app.botID {
		kind = "app"
	}
	name = or(name, or(m.User, "Somebody"))
	return personView{Name: name, Kind: kind, Initials: initials(name), Class: "tint0"}
}

func (l lookout) reaction(r reaction) reactionView {
	v := reactionView{Name: r.Name, Shown: ":" + r.Name + ":", Count: len(r.Users), Mine: slices.Contains(r.Users, l.me.ID)}
	if character, ok := emoji.Character(r.Name); ok {
		v.Shown = character
	}
	var who []string
	for _, id := range r.Users[:min(len(r.Users), 20)] {
		who = append(who, l.names('@', id, id))
	}
	v.Who = strings.Join(who, ", ")
	return v
}

func (l lookout) fileOf(id string) fileView {
	f := l.files[id]
	if f == nil || f.deleted {
		return fileView{Name: "A file that was deleted", Gone: true}
	}
	return fileView{
		Name: or(f.title, f.name), Kind: f.mediaType, URL: "/shared/" + f.id, Size: max(len(f.data), f.size),
		Image: shownImages[f.mediaType] && len(f.data) > 0,
	}
}

// shownImages are the images that a page shows; other files can be kept only.
var shownImages = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

// clock is a ts as people read it, and as machines do.
func clock(ts string) (shown, stamp string) {
	micro, _ := parseTS(ts)
	t := time.UnixMicro(micro)
	shown = t.Format("15:04")
	if time.Since(t) > 20*time.Hour {
		shown = t.Format("Jan 2, 15:04")
	}
	return shown, t.UTC().Format(time.RFC3339)
}

// pretty is JSON as a person reads it, cut, and without secrets.
func pretty(raw []byte) string {
	text := string(raw[:min(len(raw), maxSeenBody)])
	if len(raw) <= maxSeenBody {
		if b, err := json.MarshalIndent(json.RawMessage(raw), "", "  "); err == nil {
			text = string(b)
		}
	}
	return strings.ToValidUTF8(withoutSecrets(text), "")
}
