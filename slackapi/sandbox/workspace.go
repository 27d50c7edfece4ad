package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A user is a person or a bot, as users.info shows it.
type user struct {
	ID                string  `json:"id"`
	TeamID            string  `json:"team_id"`
	Name              string  `json:"name"`
	Deleted           bool    `json:"deleted"`
	Color             string  `json:"color"`
	RealName          string  `json:"real_name"`
	TZ                string  `json:"tz"`
	TZLabel           string  `json:"tz_label"`
	TZOffset          int     `json:"tz_offset"`
	Profile           profile `json:"profile"`
	IsAdmin           bool    `json:"is_admin"`
	IsOwner           bool    `json:"is_owner"`
	IsPrimaryOwner    bool    `json:"is_primary_owner"`
	IsRestricted      bool    `json:"is_restricted"`
	IsUltraRestricted bool    `json:"is_ultra_restricted"`
	IsBot             bool    `json:"is_bot"`
	IsAppUser         bool    `json:"is_app_user"`
	IsStranger        bool    `json:"is_stranger,omitempty"`
	IsEmailConfirmed  bool    `json:"is_email_confirmed"`
	WhoCanShare       string  `json:"who_can_share_contact_card"`
	Updated           int64   `json:"updated"`
	Locale            string  `json:"locale,omitempty"`

	away bool
}

type profile struct {
	Title                 string `json:"title"`
	Phone                 string `json:"phone"`
	Skype                 string `json:"skype"`
	RealName              string `json:"real_name"`
	RealNameNormalized    string `json:"real_name_normalized"`
	DisplayName           string `json:"display_name"`
	DisplayNameNormalized string `json:"display_name_normalized"`
	StatusText            string `json:"status_text"`
	StatusEmoji           string `json:"status_emoji"`
	StatusExpiration      int64  `json:"status_expiration"`
	AvatarHash            string `json:"avatar_hash"`
	Email                 string `json:"email,omitempty"`
	FirstName             string `json:"first_name,omitempty"`
	LastName              string `json:"last_name,omitempty"`
	Image24               string `json:"image_24"`
	Image48               string `json:"image_48"`
	Image72               string `json:"image_72"`
	Image512              string `json:"image_512"`
	Team                  string `json:"team"`
	BotID                 string `json:"bot_id,omitempty"`
	APIAppID              string `json:"api_app_id,omitempty"`
}

// A kind of conversation is Slack's channel_type in events.
type kind string

const (
	public  kind = "channel"
	private kind = "group"
	direct  kind = "im"
	group   kind = "mpim"
)

// listType is the kind's name in the types argument of lists.
func (k kind) listType() string {
	return map[kind]string{public: "public_channel", private: "private_channel", direct: "im", group: "mpim"}[k]
}

// scope is the kind's scope of a family such as "history" or "read".
func (k kind) scope(family string) string {
	return map[kind]string{public: "channels", private: "groups", direct: "im", group: "mpim"}[k] + ":" + family
}

type note struct {
	Value   string `json:"value"`
	Creator string `json:"creator"`
	LastSet int64  `json:"last_set"`
}

// A channel is a conversation with all that is in it.
type channel struct {
	id, name, creator string
	kind              kind
	created           int64 // Unix seconds
	updated           int64 // Unix milliseconds
	archived, general bool
	external          bool // shared with another workspace
	topic, purpose    note
	previousNames     []string
	canvas            string // file id

	members   []string          // in the order of joining
	lastRead  map[string]string // user → ts
	log       []*message        // what the channel shows, oldest first
	threads   map[string][]*message
	byTS      map[string]*message
	pins      []*pin
	bookmarks []*bookmark
}

func newChannel(id, name string, k kind) *channel {
	return &channel{
		id: id, name: name, kind: k,
		lastRead: map[string]string{}, threads: map[string][]*message{}, byTS: map[string]*message{},
	}
}

func (c *channel) has(user string) bool { return slices.Contains(c.members, user) }

// add puts a message where it belongs by its thread.
func (c *channel) add(m *message) {
	c.byTS[m.TS] = m
	if m.reply() {
		c.threads[m.ThreadTS] = append(c.threads[m.ThreadTS], m)
		if m.Subtype == "thread_broadcast" {
			c.log = append(c.log, m)
		}
		return
	}
	c.log = append(c.log, m)
}

func (c *channel) remove(m *message) {
	delete(c.byTS, m.TS)
	same := func(o *message) bool { return o == m }
	c.log = slices.DeleteFunc(c.log, same)
	if m.reply() {
		c.threads[m.ThreadTS] = slices.DeleteFunc(c.threads[m.ThreadTS], same)
	}
}

// A message is one message as conversations.history shows it.
type message struct {
	Type            string          `json:"type"`
	Subtype         string          `json:"subtype,omitempty"`
	User            string          `json:"user,omitempty"`
	Text            string          `json:"text"`
	TS              string          `json:"ts"`
	ClientMsgID     string          `json:"client_msg_id,omitempty"`
	BotID           string          `json:"bot_id,omitempty"`
	AppID           string          `json:"app_id,omitempty"`
	Username        string          `json:"username,omitempty"`
	Icons           object          `json:"icons,omitempty"`
	Team            string          `json:"team,omitempty"`
	UserTeam        string          `json:"user_team,omitempty"`   // of a stranger
	SourceTeam      string          `json:"source_team,omitempty"` // of a stranger
	BotProfile      *botProfile     `json:"bot_profile,omitempty"`
	Inviter         string          `json:"inviter,omitempty"`
	Topic           string          `json:"topic,omitempty"`
	Purpose         string          `json:"purpose,omitempty"`
	Name            string          `json:"name,omitempty"`
	OldName         string          `json:"old_name,omitempty"`
	ThreadTS        string          `json:"thread_ts,omitempty"`
	ParentUserID    string          `json:"parent_user_id,omitempty"`
	ReplyCount      int             `json:"reply_count,omitempty"`
	ReplyUsersCount int             `json:"reply_users_count,omitempty"`
	LatestReply     string          `json:"latest_reply,omitempty"`
	ReplyUsers      []string        `json:"reply_users,omitempty"`
	IsLocked        *bool           `json:"is_locked,omitempty"`
	Subscribed      *bool           `json:"subscribed,omitempty"`
	Root            *message        `json:"root,omitempty"`
	Edited          *edited         `json:"edited,omitempty"`
	Reactions       []reaction      `json:"reactions,omitempty"`
	PinnedTo        []string        `json:"pinned_to,omitempty"`
	Files           []object        `json:"files,omitempty"`
	Upload          *bool           `json:"upload,omitempty"`
	Blocks          json.RawMessage `json:"blocks,omitempty"`
	Attachments     json.RawMessage `json:"attachments,omitempty"`
	Metadata        json.RawMessage `json:"metadata,omitempty"`
	Permalink       string          `json:"permalink,omitempty"`

	files []string // ids
}

type edited struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

type botProfile struct {
	ID      string `json:"id"`
	AppID   string `json:"app_id"`
	Name    string `json:"name"`
	Icons   object `json:"icons"`
	Deleted bool   `json:"deleted"`
	Updated int64  `json:"updated"`
	TeamID  string `json:"team_id"`
}

type reaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
	Count int      `json:"count"`
}

// reply reports that the message is in a thread without being its root.
func (m *message) reply() bool { return m.ThreadTS != "" && m.ThreadTS != m.TS }

// copy is a message that later changes do not touch.
func (m *message) copy() *message {
	c := *m
	c.Reactions = slices.Clone(m.Reactions)
	for i, r := range c.Reactions {
		c.Reactions[i].Users = slices.Clone(r.Users)
	}
	c.ReplyUsers = slices.Clone(m.ReplyUsers)
	c.PinnedTo = slices.Clone(m.PinnedTo)
	c.Icons = maps.Clone(m.Icons)
	return &c
}

// channelName is a name as Slack takes it, or false.
func channelName(name string) bool {
	return name != "" && len(name) <= 80 && name == strings.ToLower(name) &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || strings.ContainsRune(`.,;:!?@#$%^&*()+={}[]|\/"'<>~`+"`", r)
		})
}
