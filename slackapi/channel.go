package slackapi

// A Channel is a conversation: a public or private channel, a direct message or a
// group direct message.
type Channel struct {
	ID                 string   `json:"id"`
	Name               string   `json:"name,omitempty"` // empty for a direct message
	NameNormalized     string   `json:"name_normalized,omitempty"`
	Created            int64    `json:"created,omitempty"` // Unix seconds
	Creator            string   `json:"creator,omitempty"`
	User               string   `json:"user,omitempty"` // the other side of a direct message
	IsChannel          bool     `json:"is_channel"`
	IsGroup            bool     `json:"is_group"`
	IsIM               bool     `json:"is_im"`
	IsMPIM             bool     `json:"is_mpim"`
	IsPrivate          bool     `json:"is_private"`
	IsArchived         bool     `json:"is_archived"`
	IsGeneral          bool     `json:"is_general"`
	IsMember           bool     `json:"is_member"` // of the token's owner
	IsOpen             bool     `json:"is_open,omitempty"`
	IsShared           bool     `json:"is_shared"`
	IsExtShared        bool     `json:"is_ext_shared"` // with another organisation
	IsOrgShared        bool     `json:"is_org_shared"`
	IsPendingExtShared bool     `json:"is_pending_ext_shared"`
	IsReadOnly         bool     `json:"is_read_only,omitempty"`
	NumMembers         int      `json:"num_members,omitempty"`
	UnreadCount        int      `json:"unread_count,omitempty"`         // a user token's only
	UnreadCountDisplay int      `json:"unread_count_display,omitempty"` // a user token's only
	LastRead           string   `json:"last_read,omitempty"`
	Latest             *Message `json:"latest,omitempty"`
	Updated            int64    `json:"updated,omitempty"` // Unix milliseconds
	ContextTeamID      string   `json:"context_team_id,omitempty"`
	Topic              Note     `json:"topic"`
	Purpose            Note     `json:"purpose"`
	PreviousNames      []string `json:"previous_names,omitempty"`
	Canvas             *Canvas  `json:"canvas,omitempty"`
}

// A Note is a channel's topic or purpose.
type Note struct {
	Value   string `json:"value"`
	Creator string `json:"creator,omitempty"`
	LastSet int64  `json:"last_set,omitempty"` // Unix seconds
}

// A Canvas is a channel's own canvas.
type Canvas struct {
	FileID  string `json:"file_id"`
	IsEmpty bool   `json:"is_empty"`
}

// A ChannelPage is a part of a list of conversations. A page may be empty and yet
// have a NextCursor: Slack filters after it has cut the page.
type ChannelPage struct {
	Channels   []Channel `json:"channels"`
	NextCursor string    `json:"next_cursor,omitempty"`
}

// UnmarshalJSON reads a channel as Slack sends it, where the canvas is below
// "properties", and as this package writes it.
func (c *Channel) UnmarshalJSON(data []byte) error {
	type plain Channel
	in := struct {
		*plain
		Properties struct {
			Canvas *Canvas `json:"canvas"`
		} `json:"properties"`
	}{plain: (*plain)(c)}
	err := lenient(data, &in)
	if c.Canvas == nil {
		c.Canvas = in.Properties.Canvas
	}
	return err
}
