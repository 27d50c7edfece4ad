package view

import (
	"cmp"
	"encoding/json"
	"strings"

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
	p.SameTeam, p.External = sides(cmp.Or(m.UserTeam, m.SourceTeam, m.Team), o.Self.TeamID, o.Self.EnterpriseID, o.Shared)
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

// Permalink is the address of a message: the workspace's, as auth.test tells it, with
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
