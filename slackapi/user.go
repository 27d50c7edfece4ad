package slackapi

// A User is a person or a bot of the workspace, or a stranger of a shared channel.
// Names, titles and status are what people wrote: untrusted.
type User struct {
	ID                string  `json:"id"`
	TeamID            string  `json:"team_id,omitempty"`
	Name              string  `json:"name"`
	RealName          string  `json:"real_name,omitempty"`
	Deleted           bool    `json:"deleted"`
	IsBot             bool    `json:"is_bot"`
	IsAppUser         bool    `json:"is_app_user,omitempty"`
	IsAdmin           bool    `json:"is_admin,omitempty"`
	IsOwner           bool    `json:"is_owner,omitempty"`
	IsPrimaryOwner    bool    `json:"is_primary_owner,omitempty"`
	IsRestricted      bool    `json:"is_restricted,omitempty"`       // a guest
	IsUltraRestricted bool    `json:"is_ultra_restricted,omitempty"` // a guest of one channel
	IsStranger        bool    `json:"is_stranger,omitempty"`         // of another workspace, no shared channel
	IsInvitedUser     bool    `json:"is_invited_user,omitempty"`
	TZ                string  `json:"tz,omitempty"`
	TZLabel           string  `json:"tz_label,omitempty"`
	TZOffset          int     `json:"tz_offset,omitempty"` // seconds east of UTC
	Locale            string  `json:"locale,omitempty"`
	Updated           int64   `json:"updated,omitempty"` // Unix seconds
	Profile           Profile `json:"profile"`
}

// A Profile is what a user tells of themselves.
type Profile struct {
	RealName              string `json:"real_name,omitempty"`
	RealNameNormalized    string `json:"real_name_normalized,omitempty"`
	DisplayName           string `json:"display_name,omitempty"`
	DisplayNameNormalized string `json:"display_name_normalized,omitempty"`
	FirstName             string `json:"first_name,omitempty"`
	LastName              string `json:"last_name,omitempty"`
	Title                 string `json:"title,omitempty"`
	Email                 string `json:"email,omitempty"` // needs users:read.email
	Phone                 string `json:"phone,omitempty"`
	Pronouns              string `json:"pronouns,omitempty"`
	StatusText            string `json:"status_text,omitempty"`
	StatusEmoji           string `json:"status_emoji,omitempty"`
	StatusExpiration      int64  `json:"status_expiration,omitempty"` // Unix seconds, 0 never
	Image72               string `json:"image_72,omitempty"`
	Team                  string `json:"team,omitempty"`
	BotID                 string `json:"bot_id,omitempty"`
	APIAppID              string `json:"api_app_id,omitempty"`
}

// A UserPage is a part of the list of users.
type UserPage struct {
	Users      []User `json:"users"`
	NextCursor string `json:"next_cursor,omitempty"`
}
