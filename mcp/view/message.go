package view

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/words"
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// A Message is a message of a channel or thread.
type Message struct {
	TS          string          `json:"ts" doc:"the message's id in its channel"`
	Time        string          `json:"time,omitempty"`
	ThreadTS    string          `json:"thread_ts,omitempty"`
	User        string          `json:"user,omitempty"`
	UserName    string          `json:"user_name,omitempty"`
	BotID       string          `json:"bot_id,omitempty"`
	Subtype     string          `json:"subtype,omitempty"`
	Text        string          `json:"text"`
	Provenance  Provenance      `json:"provenance,omitzero" opaque:"1" doc:"kind, external, same_team, guest; absent: a full member of our own workspace"`
	ReplyCount  int             `json:"reply_count,omitempty"`
	LatestReply string          `json:"latest_reply,omitempty"`
	Reactions   []Reaction      `json:"reactions,omitempty" opaque:"1" doc:"name, count"`
	Files       []FileRef       `json:"files,omitempty" opaque:"1" doc:"id, name, mimetype, size"`
	EditedTS    string          `json:"edited_ts,omitempty"`
	Permalink   string          `json:"permalink,omitempty"`
	More        string          `json:"more,omitempty" doc:"not in text; detailed has it"`
	Flags       Flags           `json:"flags,omitempty"`
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
}

// A Reaction is an emoji on a message.
type Reaction struct {
	Name  string   `json:"name"`
	Count int      `json:"count"`
	Users []string `json:"users,omitempty"` // Count may be more: Slack does not name all, and a result has no room for all
}

// maxReactors is how many of those who reacted to a message are named at most.
const maxReactors = 1000

// A FileRef is a file that a message carries.
type FileRef struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	MIMEType string `json:"mimetype,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Text     string `json:"text,omitempty" doc:"what Slack read in it"`
	// Gone says why the file can be read no more; empty where it can.
	Gone string `json:"gone,omitempty"`
}

// MessageOptions say how a message is shown.
type MessageOptions struct {
	// Unshared reports that, as Slack says now, no other organisation takes part in the channel.
	Unshared bool
	// Found reports that the message is a hit of a search. Of those Slack does not say reliably
	// of which workspace the author is, nor always that it is a bot: the author is asked for, and
	// is nobody's where that says nothing.
	Found bool
	// MaxText bounds the text, in characters; 0 is [MaxText].
	MaxText int
	// Bare leaves the ids in the text that it mentions.
	Bare bool
	// Detailed adds the newest reply, blocks, attachments, who reacted, and the permalink; of long blocks
	// and attachments it says that they are left out, unless Whole is set.
	Detailed, Whole bool
}

// Message shows a message as Slack's methods return it.
func (r *Reading) Message(m *slackapi.Message, o MessageOptions) Message {
	shared := !o.Unshared
	s := scene{own: r.home(), channel: m.Channel, shared: &shared}
	a := authorOf(m)
	if a.found = o.Found; o.Found {
		a.team = ""
	}
	return r.message(m, a, s, o)
}

// message shows a message that stands in a scene.
func (r *Reading) message(m *slackapi.Message, a author, s scene, o MessageOptions) Message {
	v := Message{
		TS: m.TS, Time: r.ClockTS(m.TS), ThreadTS: threadOf(m.TS, m.ThreadTS), User: m.User, BotID: m.BotID,
		Subtype: m.Subtype, ReplyCount: m.ReplyCount, LatestReply: m.LatestReply,
	}
	var passes bool
	v.Provenance, passes = r.author(a, &s)
	if m.Edited != nil {
		v.EditedTS = m.Edited.TS
	}
	if o.Detailed {
		v.Permalink = cmp.Or(m.Permalink, Permalink(r.Self().URL, m.Channel, m.TS, m.ThreadTS))
	}
	v.Reactions = r.reactions(m.Reactions, o.Detailed, &v.Flags)
	if passes {
		v.UserName = cmp.Or(r.authorName(m.User, &v.Flags), r.signature(m, &v.Flags))
	} else if m.Username != "" || botName(m) != "" {
		v.Flags.Add(FlagWithheld)
	}
	said, more := r.words(m, &a, passes, &s, &v.Flags)
	if !o.Bare {
		said = r.Mentions(said, &v.Flags)
	}
	v.Text = v.Flags.Text(said, cmp.Or(o.MaxText, MaxText))
	v.Files = r.fileRefs(m.Files, &v.Flags)
	switch {
	case !o.Detailed:
		v.More = more
		v.trim()
	case r.Lockdown():
		v.Attachments = r.shown(m, &a, passes, &s, &v.Flags)
	default:
		v.Blocks, v.Attachments = v.Flags.JSON(m.Blocks), v.Flags.JSON(m.Attachments)
	}
	if !o.Whole {
		v.bound(&v.Blocks)
		v.bound(&v.Attachments)
	}
	return v
}

// maxPart is how many bytes of blocks or attachments a list shows of a message.
const maxPart = 8 << 10

// bound leaves a part out that is too long for a list.
func (v *Message) bound(part *json.RawMessage) {
	if len(*part) > maxPart {
		*part = nil
		v.Flags.Add(FlagTruncated)
	}
}

// threadOf is the thread of a message that is in one below another message. Slack also says of a
// thread's first message that it is in a thread, its own.
func threadOf(ts, thread string) string {
	if thread == ts {
		return ""
	}
	return thread
}

// trim leaves out what a reader does without.
func (v *Message) trim() {
	v.LatestReply = ""
	if v.Provenance.by(v.User, v.BotID); v.Subtype == "bot_message" {
		v.Subtype = "" // by its provenance it is one
	}
}

func botName(m *slackapi.Message) string {
	if m.BotProfile != nil {
		return m.BotProfile.Name
	}
	return ""
}

// reactions shows the emoji on a message.
func (r *Reading) reactions(list []slackapi.Reaction, who bool, f *Flags) []Reaction {
	var all []Reaction
	left := maxReactors
	for _, one := range list {
		shown := Reaction{Name: r.emoji(one.Name, one.Users, one.Count, f), Count: one.Count}
		if who {
			shown.Users = one.Users[:min(left, len(one.Users))]
			left -= len(shown.Users)
		}
		all = append(all, shown)
	}
	return all
}

// emoji shows the name of an emoji that users chose. Another organisation names its own emoji as
// it likes; so a name that is not Slack's own passes only where each who chose it does.
func (r *Reading) emoji(name string, users []string, count int, f *Flags) string {
	if !r.Lockdown() || isCommon(name) {
		return f.Name(name)
	}
	for _, user := range users {
		if !r.member(user, "", "") {
			count = -1
		}
	}
	if count != len(users) {
		f.Add(FlagWithheld)
		return ""
	}
	return f.Name(name)
}

// isCommon reports an emoji of Slack's own, in any tone of skin.
func isCommon(name string) bool {
	plain, _, _ := strings.Cut(name, "::skin-tone-")
	return slices.Contains(commonEmoji, plain)
}

// commonEmoji are names of Slack's own that people react with most.
var commonEmoji = strings.Fields(`+1 -1 thumbsup thumbsdown ok_hand clap raised_hands pray wave muscle point_up point_down point_left
	point_right v crossed_fingers handshake raised_hand hand writing_hand heart yellow_heart green_heart blue_heart purple_heart
	black_heart orange_heart broken_heart sparkling_heart tada confetti_ball balloon gift fire 100 star star2 sparkles zap boom
	rocket eyes white_check_mark heavy_check_mark ballot_box_with_check x heavy_multiplication_x negative_squared_cross_mark
	question grey_question exclamation grey_exclamation warning no_entry no_entry_sign octagonal_sign construction
	hourglass hourglass_flowing_sand stopwatch alarm_clock calendar date memo pencil pencil2 pushpin round_pushpin paperclip link
	lock unlock key bulb mag bell no_bell mega loudspeaker speech_balloon thought_balloon bug hammer wrench gear package
	ship checkered_flag red_circle large_blue_circle white_circle black_circle large_green_circle large_yellow_circle
	smile smiley grinning grin laughing joy rolling_on_the_floor_laughing slightly_smiling_face wink blush innocent heart_eyes
	kissing_heart thinking_face face_with_raised_eyebrow neutral_face expressionless no_mouth smirk unamused face_with_rolling_eyes
	grimacing relieved pensive sleepy sleeping mask sunglasses nerd_face confused worried slightly_frowning_face open_mouth
	hushed astonished flushed fearful cold_sweat cry sob scream confounded persevere disappointed sweat weary tired_face
	triumph rage angry exploding_head partying_face hugging_face saluting_face melting_face face_palm shrug facepalm
	coffee beer beers cake pizza popcorn trophy medal first_place_medal second_place_medal third_place_medal dart
	arrow_up arrow_down arrow_left arrow_right one two three four five six seven eight nine zero keycap_ten`)

// Permalink is the address of a message: the workspace's, as auth.test returns it, with
// Slack's own path. It is "" when anything is missing.
func Permalink(workspace, channel, ts, threadTS string) string {
	if workspace == "" || channel == "" || ts == "" {
		return ""
	}
	link := strings.TrimSuffix(workspace, "/") + "/archives/" + channel + "/p" + strings.ReplaceAll(ts, ".", "")
	if threadTS != "" && threadTS != ts {
		link += "?thread_ts=" + threadTS + "&cid=" + channel
	}
	return link
}

// A File is the description of a file.
type File struct {
	ID        string   `json:"id"`
	Name      string   `json:"name,omitempty"`
	Title     string   `json:"title,omitempty"`
	MIMEType  string   `json:"mimetype,omitempty"`
	Kind      string   `json:"filetype,omitempty"`
	Size      int64    `json:"size"`
	User      string   `json:"user,omitempty"`
	Created   string   `json:"created,omitempty"`
	Mode      string   `json:"mode,omitempty"`
	External  bool     `json:"is_external,omitempty" doc:"kept outside Slack"`
	Permalink string   `json:"permalink,omitempty"`
	Channels  []string `json:"channels,omitempty" doc:"where it is shared"`
	Flags     Flags    `json:"flags,omitempty"`
}

// maxShares is how many of the conversations that a file is shared in are shown.
const maxShares = 50

// File shows a file's description.
func (r *Reading) File(f *slackapi.File) File {
	v := File{
		ID: f.ID, Size: f.Size, User: f.User, Created: Unix(f.Created), External: f.IsExternal,
	}
	v.MIMEType, v.Kind = r.mediaType(f.MimeType, &v.Flags), r.ID(f.FileType, &v.Flags)
	v.Mode = r.ID(f.Mode, &v.Flags)
	if r.uploader(f) {
		v.Name, v.Title, v.Permalink = v.Flags.Name(f.Name), v.Flags.Name(f.Title), v.Flags.Name(f.Permalink)
		v.Kind = v.Flags.Name(cmp.Or(f.PrettyType, f.FileType))
	} else {
		v.Flags.Add(FlagWithheld) // Slack's link holds the name, too
	}
	for _, list := range [][]string{f.Channels, f.Groups, f.IMs} {
		v.Channels = append(v.Channels, list...)
	}
	if len(v.Channels) > maxShares {
		v.Channels = v.Channels[:maxShares]
		v.Flags.Add(FlagTruncated)
	}
	return v
}

// maxFiles bounds the files of one message, maxExtract what is shown of the contents of one, in
// characters.
const (
	maxFiles   = 50
	maxExtract = 500
)

// Said is all that a message says as one text: its words, and a line for each of its files.
func Said(text string, files []FileRef) string {
	var all []string
	if text != "" {
		all = append(all, text)
	}
	for _, f := range files {
		one := words.File{ID: f.ID, Name: f.Name, MIMEType: f.MIMEType, Size: f.Size, Gone: f.Gone, Extract: words.Extract{Preview: f.Text}}
		all = append(all, one.String())
	}
	return strings.Join(all, "\n")
}

// fileRefs shows the files that a message carries.
func (r *Reading) fileRefs(files []slackapi.File, flags *Flags) []FileRef {
	var all []FileRef
	for i := range files[:min(len(files), maxFiles)] {
		all = append(all, r.fileRef(&files[i], flags))
	}
	return all
}

// fileRef shows a file that a message carries.
func (r *Reading) fileRef(f *slackapi.File, flags *Flags) FileRef {
	v := FileRef{ID: f.ID, MIMEType: r.mediaType(f.MimeType, flags), Size: f.Size, Gone: words.Gone(f.Mode)}
	if !r.uploader(f) {
		flags.Add(FlagWithheld)
		return v
	}
	v.Name = strings.Join(strings.Fields(flags.Name(cmp.Or(f.Title, f.Name))), " ")
	switch text := f.Text(); {
	case text == "":
	case r.Contents(f):
		v.Text = flags.Text(text, maxExtract)
	default:
		flags.Add(FlagWithheld)
	}
	return v
}

// mediaType shows a media type, which a program may have made up.
func (r *Reading) mediaType(s string, f *Flags) string {
	if r.Lockdown() && !identifier.MatchString(strings.ReplaceAll(s, "+", "")) {
		f.Add(FlagWithheld)
		return ""
	}
	return f.Name(s)
}

// uploader judges who uploaded a file.
func (r *Reading) uploader(f *slackapi.File) bool {
	return r.member(f.User, "", f.ID)
}

// written are the modes of files that several people may have written, or a sender of e-mail.
var written = []string{"canvas", "quip", "docs", "post", "space", "list", "email", "external"}

// Contents reports whether the contents of a file pass: they are the words of who uploaded it.
// Slack does not say who wrote which words of a canvas or an e-mail.
func (r *Reading) Contents(f *slackapi.File) bool {
	return !r.Lockdown() || !slices.Contains(written, f.Mode) && !slices.Contains(written, f.FileType) && r.uploader(f)
}

// Unix writes Unix seconds as RFC 3339, 0 as "".
func Unix(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return Time(time.Unix(seconds, 0))
}

// A Channel is a conversation: a channel, a direct message or a group message.
type Channel struct {
	ID         string `json:"id"`
	Name       string `json:"name,omitempty"`
	Type       string `json:"type,omitempty" enum:"public_channel,private_channel,im,mpim" doc:"absent in a list: public_channel"`
	User       string `json:"user,omitempty" doc:"the other side of a direct message"`
	Topic      string `json:"topic,omitempty"`
	Purpose    string `json:"purpose,omitempty"`
	Members    int    `json:"num_members,omitempty"`
	IsMember   bool   `json:"is_member,omitempty" doc:"the bot is a member"`
	IsArchived bool   `json:"is_archived,omitempty"`
	IsExternal bool   `json:"is_ext_shared,omitempty" doc:"another organisation reads along"`
	Creator    string `json:"creator,omitempty"`
	Created    string `json:"created,omitempty"`
	Unread     int    `json:"unread_count,omitempty"`
	LastRead   string `json:"last_read,omitempty"`
	Flags      Flags  `json:"flags,omitempty"`
}

// note bounds a topic or purpose, in characters: Slack's own limit.
const note = 250

// Channel shows a conversation.
func (r *Reading) Channel(c *slackapi.Channel, detailed bool) Channel {
	v := channelOf(c)
	kept := names.ChannelOf(c)
	r.describe(&v, &kept)
	if detailed {
		v.Creator, v.Created = c.Creator, Unix(c.Created)
	}
	return v
}

// BriefChannel shows a conversation in a long list: its name, and what is not as with most.
func (r *Reading) BriefChannel(c *slackapi.Channel) Channel {
	v := channelOf(c)
	kept := names.ChannelOf(c)
	if v.Name = r.title(&kept, &v.Flags); v.Type == "public_channel" {
		v.Type = ""
	}
	v.Members = 0
	return v
}

func channelOf(c *slackapi.Channel) Channel {
	return Channel{
		ID: c.ID, Type: channelType(c), User: c.User, Members: c.NumMembers, IsMember: c.IsMember || c.IsIM || c.IsMPIM,
		IsArchived: c.IsArchived, IsExternal: c.IsExtShared || c.IsPendingExtShared,
		Unread: c.UnreadCountDisplay, LastRead: c.LastRead,
	}
}

// describe puts in what people wrote about a conversation: each of its texts is of who set it.
func (r *Reading) describe(v *Channel, c *names.Channel) {
	v.Name = r.title(c, &v.Flags)
	set := func(text, by, key string) string {
		if text != "" && !r.member(by, c.ID, key) {
			v.Flags.Add(FlagWithheld)
			return ""
		}
		return v.Flags.Text(text, note)
	}
	if v.Topic = set(c.Topic, c.TopicBy, KeyTopic); c.Group && c.Shared {
		c = &names.Channel{Purpose: c.Purpose} // Slack writes the members' handles there
	}
	v.Purpose = set(c.Purpose, c.PurposeBy, KeyPurpose)
}

// ChannelName shows what a conversation is called. The name of one that another organisation
// shares, or may share, is by who created it; of a group message's it is made of its members'
// handles.
func (r *Reading) ChannelName(c *names.Channel, f *Flags) string {
	if c.Name != "" && r.Lockdown() && (c.Shared || c.Partial) && (c.Group || !r.member(c.Creator, c.ID, KeyName)) {
		f.Add(FlagWithheld)
		return ""
	}
	return f.Name(c.Name)
}

func channelType(c *slackapi.Channel) string {
	switch {
	case c.IsIM:
		return "im"
	case c.IsMPIM:
		return "mpim"
	case c.IsPrivate || c.IsGroup:
		return "private_channel"
	}
	return "public_channel"
}

// KnownChannel shows what was kept of a conversation.
func (r *Reading) KnownChannel(c *names.Channel) Channel {
	v := Channel{ID: c.ID, Type: "public_channel", Members: c.Members, IsMember: c.Member, IsArchived: c.Archived, IsExternal: c.Shared}
	if c.Private {
		v.Type = "private_channel"
	}
	r.describe(&v, c)
	return v
}

// A User is a person or a bot.
type User struct {
	ID          string `json:"id"`
	Handle      string `json:"name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	RealName    string `json:"real_name,omitempty"`
	Title       string `json:"title,omitempty"`
	Email       string `json:"email,omitempty"`
	Phone       string `json:"phone,omitempty"`
	Pronouns    string `json:"pronouns,omitempty"`
	Status      string `json:"status,omitempty"`
	TimeZone    string `json:"tz,omitempty"`
	Team        string `json:"team,omitempty"`
	IsBot       bool   `json:"is_bot,omitempty"`
	IsAdmin     bool   `json:"is_admin,omitempty"`
	IsGuest     bool   `json:"is_guest,omitempty"`
	IsExternal  bool   `json:"is_external,omitempty" doc:"of another organisation"`
	IsDeleted   bool   `json:"is_deleted,omitempty"`
	Flags       Flags  `json:"flags,omitempty"`
}

// Shown reports that the profile's texts are shown, and not withheld.
func (u *User) Shown() bool { return !slices.Contains(u.Flags, FlagWithheld) }

// User shows a user's profile.
func (r *Reading) User(u *slackapi.User) User {
	kept := names.UserOf(u)
	v := User{
		ID: u.ID, IsBot: u.IsBot, IsGuest: u.IsRestricted || u.IsUltraRestricted,
		IsExternal: sideOf(&kept, r.home()) == outside, IsDeleted: u.Deleted, Team: u.TeamID, IsAdmin: u.IsAdmin || u.IsOwner,
	}
	if !r.passes(&kept, r.home()) {
		v.Flags.Add(FlagWithheld)
		return v
	}
	v.Handle, v.DisplayName = v.Flags.Name(u.Name), v.Flags.Name(u.Profile.DisplayName)
	v.RealName, v.Title = v.Flags.Name(cmp.Or(u.RealName, u.Profile.RealName)), v.Flags.Name(u.Profile.Title)
	v.Email = v.Flags.Name(u.Profile.Email)
	v.Phone, v.Pronouns = v.Flags.Name(u.Profile.Phone), v.Flags.Name(u.Profile.Pronouns)
	v.Status, v.TimeZone = v.Flags.Name(status(&u.Profile)), v.Flags.Name(u.TZ)
	return v
}

func status(p *slackapi.Profile) string {
	if p.StatusEmoji != "" && p.StatusText != "" {
		return p.StatusEmoji + " " + p.StatusText
	}
	return cmp.Or(p.StatusText, p.StatusEmoji)
}

// A Person is a user in short: who it is, and whether to trust their words.
type Person struct {
	ID          string `json:"id"`
	Handle      string `json:"name,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	RealName    string `json:"real_name,omitempty"`
	Title       string `json:"title,omitempty"`
	IsBot       bool   `json:"is_bot,omitempty"`
	IsGuest     bool   `json:"is_guest,omitempty"`
	IsExternal  bool   `json:"is_external,omitempty"`
	IsDeleted   bool   `json:"is_deleted,omitempty"`
	Flags       Flags  `json:"flags,omitempty"`
}

// Brief leaves a person the id, what people call them, and what is not as with most.
func (p *Person) Brief() {
	if p.Title = ""; cmp.Or(p.RealName, p.DisplayName) != "" {
		p.Handle = ""
	}
	if first, _, _ := strings.Cut(p.RealName, " "); p.DisplayName == p.RealName || strings.EqualFold(p.DisplayName, first) {
		p.DisplayName = ""
	}
}

// Person shows what was kept of a user.
func (r *Reading) Person(u *names.User) Person {
	v := Person{
		ID: u.ID, IsBot: u.Bot, IsGuest: u.Guest,
		IsExternal: sideOf(u, r.home()) == outside, IsDeleted: u.Deleted,
	}
	if !r.passes(u, r.home()) {
		if *u != (names.User{ID: u.ID}) {
			v.Flags.Add(FlagWithheld)
		}
		return v
	}
	v.Handle, v.DisplayName = v.Flags.Name(u.Handle), v.Flags.Name(u.Display)
	v.RealName, v.Title = v.Flags.Name(u.Real), v.Flags.Name(u.Title)
	return v
}

// Seen returns a function that leaves of a user what [Reading.Person] shows. The function waits for nothing.
func (r *Reading) Seen() func(names.User) names.User {
	own := r.home()
	return func(u names.User) names.User {
		if !r.passes(&u, own) {
			u.Handle, u.Display, u.Real, u.Title = "", "", "", ""
		}
		return u
	}
}
