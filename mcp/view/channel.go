package view

import (
	"slackmcp/mcp/names"
	"slackmcp/slackapi"
)

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
