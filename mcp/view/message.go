package view

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

// A Message is a message of a channel or thread.
type Message struct {
	Untrusted   bool            `json:"untrusted"`
	TS          string          `json:"ts" doc:"the message's id in its channel"`
	ThreadTS    string          `json:"thread_ts,omitempty"`
	User        string          `json:"user,omitempty"`
	UserName    string          `json:"user_name,omitempty"`
	BotID       string          `json:"bot_id,omitempty"`
	Subtype     string          `json:"subtype,omitempty"`
	Text        string          `json:"text"`
	Provenance  Provenance      `json:"provenance"`
	ReplyCount  int             `json:"reply_count,omitempty"`
	LatestReply string          `json:"latest_reply,omitempty"`
	Reactions   []Reaction      `json:"reactions,omitempty"`
	Files       []FileRef       `json:"files,omitempty"`
	EditedTS    string          `json:"edited_ts,omitempty"`
	Permalink   string          `json:"permalink,omitempty"`
	Flags       Flags           `json:"flags,omitempty"`
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
}

// A Reaction is an emoji on a message.
type Reaction struct {
	Name  string   `json:"name"`
	Count int      `json:"count"`
	Users []string `json:"users,omitempty"`
}

// A FileRef is a file that a message carries.
type FileRef struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	MIMEType string `json:"mimetype,omitempty"`
	Size     int64  `json:"size,omitempty"`
}

// MessageOptions say how a message is shown.
type MessageOptions struct {
	// Self is who the bot is; the zero value is not known.
	Self slackapi.Identity
	// Shared reports that another organisation may be in the channel.
	Shared bool
	// Names are the names of users, as far as they are known.
	Names map[string]string
	// Outsiders are the users of whom it is known that they are of another organisation.
	Outsiders map[string]bool
	// Lockdown withholds the words of authors who are not known to be of the workspace.
	Lockdown bool
	// MaxText bounds the text, in characters; 0 is [MaxText].
	MaxText int
	// Detailed adds blocks, attachments, who reacted, and the permalink.
	Detailed bool
}

// NewMessage shows a message.
func NewMessage(m *slackapi.Message, o MessageOptions) Message {
	v := Message{
		Untrusted: true, TS: m.TS, ThreadTS: m.ThreadTS, User: m.User, BotID: m.BotID,
		Subtype: m.Subtype, ReplyCount: m.ReplyCount, LatestReply: m.LatestReply,
		Provenance: messageProvenance(m, o),
	}
	if m.Edited != nil {
		v.EditedTS = m.Edited.TS
	}
	if o.Detailed {
		v.Permalink = cmp.Or(m.Permalink, Permalink(o.Self.URL, m.Channel, m.TS, m.ThreadTS))
	}
	for _, r := range m.Reactions {
		shown := Reaction{Name: v.Flags.Name(r.Name), Count: r.Count}
		if o.Detailed {
			shown.Users = r.Users
		}
		v.Reactions = append(v.Reactions, shown)
	}
	if o.Lockdown && !v.Provenance.Inside() {
		v.Flags.Add(FlagWithheld)
		return v
	}
	v.UserName = v.Flags.Name(cmp.Or(o.Names[m.User], m.Username, botName(m)))
	v.Text = v.Flags.Text(Words(m), cmp.Or(o.MaxText, MaxText))
	for i := range m.Files {
		f := &m.Files[i]
		v.Files = append(v.Files, FileRef{ID: f.ID, Name: v.Flags.Name(cmp.Or(f.Title, f.Name)), MIMEType: v.Flags.Name(f.MimeType), Size: f.Size})
	}
	if o.Detailed {
		v.Blocks, v.Attachments = v.Flags.JSON(m.Blocks), v.Flags.JSON(m.Attachments)
	}
	return v
}

func botName(m *slackapi.Message) string {
	if m.BotProfile != nil {
		return m.BotProfile.Name
	}
	return ""
}

func messageProvenance(m *slackapi.Message, o MessageOptions) Provenance {
	p := Provenance{Author: cmp.Or(m.User, m.BotID), Kind: KindPerson, Verified: true}
	switch {
	case o.Self.UserID != "" && m.User == o.Self.UserID && (m.BotID != "" || m.Subtype == ""),
		o.Self.BotID != "" && m.BotID == o.Self.BotID,
		o.Self.AppID != "" && m.AppID == o.Self.AppID:
		p.Kind, p.SameTeam = KindSelf, true
		return p
	case m.BotID != "" || m.Subtype == "bot_message":
		p.Kind = KindBot
	case p.Author == "":
		p.Kind = KindSystem
	}
	var shared *bool
	if o.Shared {
		shared = &o.Shared // what is not shared now may have been shared when the message was written
	}
	p.SameTeam, p.External = sides(cmp.Or(m.UserTeam, m.SourceTeam, m.Team), newHome(o.Self.EnterpriseID, o.Self.TeamID), shared)
	if o.Outsiders[m.User] {
		p.SameTeam, p.External = false, true
	}
	return p
}

// Words is what a message says: its text or, where it has none, the texts of its
// blocks and attachments, which is how many apps post.
func Words(m *slackapi.Message) string {
	if strings.TrimSpace(m.Text) != "" {
		return m.Text
	}
	var found []string
	for _, raw := range []json.RawMessage{m.Blocks, m.Attachments} {
		if v, err := decodeJSON(raw); err == nil {
			found = texts(v, found)
		}
	}
	return strings.Join(found, "\n")
}

// texts collects the values of the members that hold words, in order.
func texts(v any, found []string) []string {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			found = texts(item, found)
		}
	case map[string]any:
		for _, key := range []string{"pretext", "title", "text", "alt_text", "fields", "elements", "blocks", "fallback"} {
			if s, ok := v[key].(string); ok {
				if key != "fallback" || len(found) == 0 {
					found = append(found, s)
				}
				continue
			}
			found = texts(v[key], found)
		}
	}
	return found
}

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
	Untrusted bool     `json:"untrusted"`
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

// NewFile shows a file's description.
func NewFile(f *slackapi.File) File {
	v := File{
		Untrusted: true, ID: f.ID, Size: f.Size, User: f.User, Created: Unix(f.Created), External: f.IsExternal,
	}
	v.Name, v.Title = v.Flags.Name(f.Name), v.Flags.Name(f.Title)
	v.MIMEType, v.Kind = v.Flags.Name(f.MimeType), v.Flags.Name(cmp.Or(f.PrettyType, f.FileType))
	v.Mode, v.Permalink = v.Flags.Name(f.Mode), v.Flags.Name(f.Permalink)
	for _, list := range [][]string{f.Channels, f.Groups, f.IMs} {
		v.Channels = append(v.Channels, list...)
	}
	return v
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
	Untrusted  bool   `json:"untrusted"`
	ID         string `json:"id"`
	Name       string `json:"name,omitempty"`
	Type       string `json:"type,omitempty" enum:"public_channel,private_channel,im,mpim"`
	User       string `json:"user,omitempty" doc:"the other side of a direct message"`
	Topic      string `json:"topic,omitempty"`
	Purpose    string `json:"purpose,omitempty"`
	Members    int    `json:"num_members,omitempty"`
	IsMember   bool   `json:"is_member" doc:"the bot is a member"`
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

// NewChannel shows a conversation.
func NewChannel(c *slackapi.Channel, detailed bool) Channel {
	v := Channel{
		Untrusted: true, ID: c.ID, Type: channelType(c), User: c.User, Members: c.NumMembers, IsMember: c.IsMember || c.IsIM || c.IsMPIM,
		IsArchived: c.IsArchived, IsExternal: c.IsExtShared || c.IsPendingExtShared,
		Unread: c.UnreadCountDisplay, LastRead: c.LastRead,
	}
	v.Name, v.Topic = v.Flags.Name(c.Name), v.Flags.Text(c.Topic.Value, note)
	v.Purpose = v.Flags.Text(c.Purpose.Value, note)
	if detailed {
		v.Creator, v.Created = c.Creator, Unix(c.Created)
	}
	return v
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
func KnownChannel(c *names.Channel) Channel {
	v := Channel{Untrusted: true, ID: c.ID, Type: "public_channel", Members: c.Members, IsMember: c.Member, IsArchived: c.Archived, IsExternal: c.Shared}
	if c.Private {
		v.Type = "private_channel"
	}
	v.Name, v.Topic = v.Flags.Name(c.Name), v.Flags.Text(c.Topic, note)
	v.Purpose = v.Flags.Text(c.Purpose, note)
	return v
}

// A User is a person or a bot.
type User struct {
	Untrusted   bool   `json:"untrusted"`
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

// NewUser shows a user's profile; team is our own, "" when it is not known.
func NewUser(u *slackapi.User, team string) User {
	v := User{
		Untrusted: true, ID: u.ID, IsBot: u.IsBot, IsGuest: u.IsRestricted || u.IsUltraRestricted,
		IsExternal: u.IsStranger || team != "" && u.TeamID != "" && u.TeamID != team, IsDeleted: u.Deleted,
	}
	v.Handle, v.DisplayName = v.Flags.Name(u.Name), v.Flags.Name(u.Profile.DisplayName)
	v.RealName, v.Title = v.Flags.Name(cmp.Or(u.RealName, u.Profile.RealName)), v.Flags.Name(u.Profile.Title)
	v.Email = v.Flags.Name(u.Profile.Email)
	v.Phone, v.Pronouns = v.Flags.Name(u.Profile.Phone), v.Flags.Name(u.Profile.Pronouns)
	v.Status = v.Flags.Name(status(&u.Profile))
	v.TimeZone, v.Team, v.IsAdmin = v.Flags.Name(u.TZ), u.TeamID, u.IsAdmin || u.IsOwner
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
	Untrusted   bool   `json:"untrusted"`
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

// NewPerson shows what was kept of a user; team is our own, "" when it is not known.
func NewPerson(u *names.User, team string) Person {
	v := Person{
		Untrusted: true, ID: u.ID, IsBot: u.Bot, IsGuest: u.Guest,
		IsExternal: u.Stranger || team != "" && u.Team != "" && u.Team != team, IsDeleted: u.Deleted,
	}
	v.Handle, v.DisplayName = v.Flags.Name(u.Handle), v.Flags.Name(u.Display)
	v.RealName, v.Title = v.Flags.Name(u.Real), v.Flags.Name(u.Title)
	return v
}
