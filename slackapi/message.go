package slackapi

import "encoding/json"

// A Message is one message as Slack stores it. Text, names and attachments are what
// people wrote: untrusted.
type Message struct {
	Type         string `json:"type"`
	Subtype      string `json:"subtype,omitempty"`
	Channel      string `json:"channel,omitempty"` // set by this package where the method knows it
	User         string `json:"user,omitempty"`
	BotID        string `json:"bot_id,omitempty"`
	AppID        string `json:"app_id,omitempty"`
	Username     string `json:"username,omitempty"` // of a bot that posts under a name
	Team         string `json:"team,omitempty"`
	UserTeam     string `json:"user_team,omitempty"`   // of an author from another workspace
	SourceTeam   string `json:"source_team,omitempty"` // likewise
	Text         string `json:"text"`
	TS           string `json:"ts"` // the message's id within its channel
	ThreadTS     string `json:"thread_ts,omitempty"`
	ParentUserID string `json:"parent_user_id,omitempty"`
	Inviter      string `json:"inviter,omitempty"`
	Permalink    string `json:"permalink,omitempty"`

	ReplyCount      int      `json:"reply_count,omitempty"`
	ReplyUsersCount int      `json:"reply_users_count,omitempty"`
	ReplyUsers      []string `json:"reply_users,omitempty"`
	LatestReply     string   `json:"latest_reply,omitempty"`
	IsLocked        bool     `json:"is_locked,omitempty"`
	Subscribed      bool     `json:"subscribed,omitempty"`
	LastRead        string   `json:"last_read,omitempty"`

	Edited     *Edited     `json:"edited,omitempty"`
	BotProfile *BotProfile `json:"bot_profile,omitempty"`
	Root       *Message    `json:"root,omitempty"` // of a thread_broadcast
	Reactions  []Reaction  `json:"reactions,omitempty"`
	Files      []File      `json:"files,omitempty"`
	PinnedTo   []string    `json:"pinned_to,omitempty"`

	// Blocks and Attachments are Slack's JSON, untouched.
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
}

// Edited says who changed a message last, and when.
type Edited struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

// A BotProfile is the app behind a message.
type BotProfile struct {
	ID     string `json:"id"`
	AppID  string `json:"app_id,omitempty"`
	TeamID string `json:"team_id,omitempty"`
	Name   string `json:"name,omitempty"`
}

// A Reaction is an emoji on a message. Slack may list fewer users than it counts.
type Reaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
	Count int      `json:"count"`
}

// A MessagePage is a part of a channel's history or of a thread.
type MessagePage struct {
	Messages   []Message `json:"messages"`
	HasMore    bool      `json:"has_more"`
	NextCursor string    `json:"next_cursor,omitempty"`
	PinCount   int       `json:"pin_count,omitempty"`
}
