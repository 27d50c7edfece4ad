package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A wireMessage is a message as an event shows it.
type wireMessage struct {
	*message
	Channel     string `json:"channel"`
	EventTS     string `json:"event_ts"`
	ChannelType kind   `json:"channel_type,omitempty"`
	// ActionToken lets an agent search on behalf of who wrote the message.
	ActionToken string `json:"action_token,omitempty"`
}

// messageEvent sends the events of a new message, and of a mention of the app in it.
func (s *Sandbox) messageEvent(ch *channel, m *message) {
	v := s.view(m, actor{})
	e := wireMessage{message: v, Channel: ch.id, EventTS: m.TS, ChannelType: ch.kind}
	if ch.kind == direct && m.User != s.app.botUser {
		e.ActionToken = s.newActionToken()
	}
	s.emit("message", ch, e)
	if ch.kind != direct && said[m.Subtype] && !s.byBot(m) && slices.Contains(mentions(m.Text), s.app.botUser) {
		mention := *v
		mention.Type, mention.Subtype = "app_mention", ""
		s.emit("app_mention", ch, wireMessage{message: &mention, Channel: ch.id, EventTS: m.TS, ActionToken: s.newActionToken()})
	}
	for _, id := range m.files {
		s.emit("file_shared", ch, object{
			"type": "file_shared", "file_id": id, "user_id": m.User, "file": object{"id": id}, "channel_id": ch.id, "event_ts": m.TS,
		})
	}
}

// byBot reports a message of the app's own bot.
func (s *Sandbox) byBot(m *message) bool {
	return m.BotID == s.app.botID && (m.User == "" || m.User == s.app.botUser)
}

// changedEvent sends the event of a message that was changed.
func (s *Sandbox) changedEvent(ch *channel, now, before *message) {
	ts := s.newTS()
	s.emit("message", ch, object{
		"type": "message", "subtype": "message_changed", "message": s.view(now, actor{}), "previous_message": s.view(before, actor{}),
		"channel": ch.id, "hidden": true, "ts": ts, "event_ts": ts, "channel_type": ch.kind,
	})
}

func (s *Sandbox) deletedEvent(ch *channel, m *message) {
	ts := s.newTS()
	s.emit("message", ch, object{
		"type": "message", "subtype": "message_deleted", "previous_message": s.view(m, actor{}), "channel": ch.id,
		"hidden": true, "deleted_ts": m.TS, "ts": ts, "event_ts": ts, "channel_type": ch.kind,
	})
}

func (s *Sandbox) reactionEvent(name string, ch *channel, m *message, emoji string, u *user) {
	event := object{
		"type": name, "user": u.ID, "reaction": emoji, "event_ts": s.newTS(),
		"item": object{"type": "message", "channel": ch.id, "ts": m.TS},
	}
	if m.User != "" {
		event["item_user"] = m.User
	}
	s.emit(name, ch, event)
}

// memberEvent sends the event of a person who joined or left.
func (s *Sandbox) memberEvent(name string, ch *channel, u *user, inviter string) {
	letter := "C"
	if ch.kind != public {
		letter = "G"
	}
	event := object{
		"type": name, "user": u.ID, "channel": ch.id, "channel_type": letter, "team": s.teamOf(u), "event_ts": s.newTS(),
	}
	if inviter != "" {
		event["inviter"] = inviter
	}
	s.emit(name, ch, event)
}

// channelEvent sends an event of the channel itself: channel_created, channel_rename and the
// like, whose private kin are called group_….
func (s *Sandbox) channelEvent(name string, ch *channel, what any, by *user) {
	if ch.kind == private {
		name = strings.Replace(name, "channel_", "group_", 1)
	}
	event := object{"type": name, "channel": what, "event_ts": s.newTS()}
	if by != nil {
		event["user"] = by.ID
	}
	if ch.kind == public {
		s.emitAll(name, event)
		return
	}
	s.emit(name, ch, event)
}

// emit delivers an event of a channel to an app that is in it.
func (s *Sandbox) emit(name string, ch *channel, event any) {
	if ch.has(s.app.botUser) && s.subscribed(name, ch.kind) {
		s.deliver(name, ch, event)
	}
}

// emitAll delivers an event of the workspace.
func (s *Sandbox) emitAll(name string, event any) {
	if s.subscribed(name, public) {
		s.deliver(name, nil, event)
	}
}

// eventScopes are the scopes without which Slack does not send an event; that of a
// message depends on the conversation.
var eventScopes = map[string]string{
	"app_mention": "app_mentions:read", "reaction_added": "reactions:read", "reaction_removed": "reactions:read",
	"emoji_changed": "emoji:read", "user_change": "users:read", "team_join": "users:read", "pin_added": "pins:read",
	"pin_removed": "pins:read", "file_shared": "files:read", "file_created": "files:read", "file_deleted": "files:read",
	"channel_created": "channels:read", "channel_rename": "channels:read", "channel_archive": "channels:read",
	"channel_unarchive": "channels:read", "channel_deleted": "channels:read", "group_rename": "groups:read",
	"group_archive": "groups:read", "group_unarchive": "groups:read", "subteam_created": "usergroups:read",
	"subteam_updated": "usergroups:read", "team_rename": "team:read", "im_created": "im:read",
}

func (s *Sandbox) subscribed(name string, k kind) bool {
	scope := eventScopes[name]
	switch name {
	case "message":
		scope = k.scope("history")
	case "member_joined_channel", "member_left_channel":
		scope = k.scope("read")
	}
	return (actor{scopes: s.botScopes()}).has(scope) && (s.app.subscribed == nil || s.app.subscribed[name])
}

// An envelope is what Slack puts around an event.
type envelope struct {
	Token               string          `json:"token"`
	TeamID              string          `json:"team_id"`
	EnterpriseID        *string         `json:"enterprise_id,omitempty"`
	ContextTeamID       string          `json:"context_team_id"`
	ContextEnterpriseID *string         `json:"context_enterprise_id"`
	APIAppID            string          `json:"api_app_id"`
	Event               json.RawMessage `json:"event"`
	Type                string          `json:"type"`
	EventID             string          `json:"event_id"`
	EventTime           int64           `json:"event_time"`
	Authorizations      []authorization `json:"authorizations"`
	IsExtSharedChannel  bool            `json:"is_ext_shared_channel"`
	EventContext        string          `json:"event_context"`
}

type authorization struct {
	EnterpriseID        *string `json:"enterprise_id"`
	TeamID              string  `json:"team_id"`
	UserID              string  `json:"user_id"`
	IsBot               bool    `json:"is_bot"`
	IsEnterpriseInstall bool    `json:"is_enterprise_install"`
}

// deliver hands an event to the sender.
func (s *Sandbox) deliver(name string, ch *channel, event any) {
	raw, err := json.Marshal(event)
	if err != nil {
		return // maps, structs and checked JSON always encode
	}
	channelID, external := "", false
	if ch != nil {
		channelID, external = ch.id, ch.external
	}
	e := envelope{
		Token: s.app.verification, TeamID: s.team.id, ContextTeamID: s.team.id, APIAppID: s.app.id,
		Event: raw, Type: "event_callback", EventID: s.newID("Ev"), EventTime: time.Now().Unix(),
		Authorizations:     []authorization{s.authorization()},
		IsExtSharedChannel: external,
		EventContext:       s.eventContext(name, channelID),
	}
	e.EnterpriseID = e.Authorizations[0].EnterpriseID
	e.ContextEnterpriseID = e.EnterpriseID
	body, err := json.Marshal(e)
	if err != nil {
		return
	}
	s.sender.publish(Delivery{EventID: e.EventID, Type: name, Subtype: subtype(raw), Channel: channelID, Body: body})
}

// authorization says for which installation an event is.
func (s *Sandbox) authorization() authorization {
	a := authorization{TeamID: s.team.id, UserID: s.app.botUser, IsBot: true}
	if s.opt.Organization != "" {
		a.EnterpriseID, a.IsEnterpriseInstall = &s.opt.Organization, true
	}
	return a
}

func (s *Sandbox) eventContext(name, channel string) string {
	what, err := json.Marshal(struct {
		Type    string `json:"et"`
		Team    string `json:"tid"`
		App     string `json:"aid"`
		Channel string `json:"cid,omitempty"`
	}{name, s.team.id, s.app.id, channel})
	if err != nil {
		return ""
	}
	return "4-" + base64.RawStdEncoding.EncodeToString(what)
}

func subtype(event json.RawMessage) string {
	var e struct {
		Subtype string `json:"subtype"`
	}
	if json.Unmarshal(event, &e) != nil {
		return ""
	}
	return e.Subtype
}

// rateLimitedBody is the callback that stands for events that were withheld.
func rateLimitedBody(a app, t team, minute int64) []byte {
	return []byte(`{"token":` + strconv.Quote(a.verification) + `,"type":"app_rate_limited","team_id":` + strconv.Quote(t.id) +
		`,"minute_rate_limited":` + strconv.FormatInt(minute, 10) + `,"api_app_id":` + strconv.Quote(a.id) + `}`)
}
