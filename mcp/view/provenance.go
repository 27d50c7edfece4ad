package view

import (
	"cmp"
	"strings"

	"slackmcp/webhook/event"
)

// The kinds of authors.
const (
	KindPerson  = "person"
	KindBot     = "bot"     // another app
	KindSelf    = "self"    // our own app
	KindSystem  = "system"  // Slack itself, or this server
	KindService = "service" // a webhook sender that is not Slack
)

// Provenance says whose words a view holds, as far as Slack tells. A text with
// neither External nor SameTeam is by somebody of whom it is not known.
type Provenance struct {
	// Author is the id of a user or a bot, or the name of a webhook source.
	Author string `json:"author,omitempty"`
	Kind   string `json:"kind"`
	// External reports an author of another organisation.
	External bool `json:"external,omitempty"`
	// SameTeam reports an author of the workspace itself.
	SameTeam bool `json:"same_team,omitempty"`
	// Verified reports that the author's identity is Slack's word (or the sender's own,
	// by its signature) and not a claim of the text.
	Verified bool `json:"verified"`
}

// Inside reports that the words are our own, Slack's or this server's, or those of a person of the
// workspace: what lockdown lets through.
func (p Provenance) Inside() bool {
	return p.Kind == KindSelf || p.Kind == KindSystem || p.Kind == KindPerson && p.SameTeam
}

// origin is what an event's body says about its author. Field names are those of
// docs.slack.dev/apis/events-api and docs.slack.dev/reference/interaction-payloads.
type origin struct {
	TeamID         string `json:"team_id"`
	EnterpriseID   string `json:"enterprise_id"`
	Shared         bool   `json:"is_ext_shared_channel"`
	Authorizations []struct {
		TeamID       string `json:"team_id"`
		EnterpriseID string `json:"enterprise_id"`
	} `json:"authorizations"`
}

// author is what the inner event says.
type author struct {
	User       any     `json:"user"` // an id, or in some events the whole user
	BotID      string  `json:"bot_id"`
	Subtype    string  `json:"subtype"`
	Team       any     `json:"team"`
	UserTeam   string  `json:"user_team"`
	SourceTeam string  `json:"source_team"`
	TS         string  `json:"ts"`
	Text       string  `json:"text"`
	Command    string  `json:"command"`
	Message    *author `json:"message"`
}

// team returns the author's workspace or organisation, "" when the event names none.
func (a *author) team() string {
	if u, ok := a.User.(map[string]any); ok && id(u["team_id"]) != "" {
		return id(u["team_id"]) // an interaction's "team" is where it happened
	}
	return cmp.Or(a.UserTeam, a.SourceTeam, id(a.Team))
}

// id reads what Slack writes as an id or as an object that has one.
func id(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		s, _ := v["id"].(string)
		return s
	}
	return ""
}

// provenance judges who wrote an event of Slack's.
func provenance(e *event.Event, o *origin, a *author) Provenance {
	p := Provenance{Author: e.User, Kind: KindPerson, Verified: true}
	switch {
	case e.FromSelf:
		p.Kind = KindSelf
	case a.BotID != "" || a.Subtype == "bot_message":
		p.Kind = KindBot
		if p.Author == "" {
			p.Author = a.BotID
		}
	case e.User == "":
		p.Kind = KindSystem
	}
	own, organisation := o.TeamID, o.EnterpriseID
	if len(o.Authorizations) > 0 {
		own, organisation = o.Authorizations[0].TeamID, o.Authorizations[0].EnterpriseID
	}
	p.SameTeam, p.External = sides(a.team(), own, organisation, o.Shared)
	return p
}

// sides compares an author's team with our own. An event of a channel that no other
// organisation shares can only be by one of us.
func sides(team, own, organisation string, shared bool) (same, external bool) {
	switch {
	case team == "" && !shared:
		return true, false
	case team == "" || own == "" && organisation == "":
		return false, false
	case team == own || team == organisation:
		return true, false
	case strings.HasPrefix(team, "E") && organisation == "":
		return false, false
	}
	return false, true
}
