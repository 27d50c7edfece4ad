package view

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// The kinds of authors.
const (
	KindPerson  = "person"
	KindBot     = "bot"     // another app
	KindSelf    = "self"    // our own app
	KindSystem  = "system"  // Slack itself, or this server
	KindService = "service" // a webhook sender that is not Slack
	// KindAssistant is a tool that wrote in the name of a person, who is the view's user. Under lockdown it
	// is our own app, too, in words that another assistant wrote or of which it is not known who did.
	KindAssistant = "assistant"
	// KindUnknown is an author whom Slack does not name.
	KindUnknown = "unknown"
)

// botMessage is the subtype of what a bot posts.
const botMessage = "bot_message"

// slackbot is the user in whose name Slack itself writes.
const slackbot = "USLACKBOT"

// Provenance says whose words a view holds, as far as Slack says. A text with
// neither External nor SameTeam is by an author of whom it is not known. A view is written without
// it where the one whom the view names is a plain colleague; see [Provenance.IsZero].
type Provenance struct {
	// Author is the id of a user or a bot, or the name of a webhook source.
	Author string `json:"author,omitempty"`
	Kind   string `json:"kind,omitempty" doc:"a person when absent"`
	// External reports an author of another organisation.
	External bool `json:"external,omitempty"`
	// SameTeam reports an author of the workspace itself, or of its organisation.
	SameTeam bool `json:"same_team,omitempty"`
	// Guest reports a guest of the workspace, as far as that is known without asking.
	Guest bool `json:"guest,omitempty"`
	// Verified reports that the author's identity is Slack's word (or the sender's own,
	// by its signature) and not a claim of the text. It is written where it is false.
	Verified sure `json:"verified,omitzero" doc:"false: the text alone says who wrote it"`
	// Another reports that the view names somebody else than the author.
	Another bool `json:"-"`
}

// sure is a truth value that goes without saying.
type sure bool

// IsZero reports true, for encoding/json.
func (s sure) IsZero() bool { return bool(s) }

// by leaves the author's id out, which the view has already, and that an outsider or a guest is a
// person.
func (p *Provenance) by(ids ...string) {
	if slices.Contains(ids, p.Author) {
		p.Author = ""
	}
	if p.Kind == KindPerson && (p.External || p.Guest) {
		p.Kind = ""
	}
}

// IsZero reports a plain colleague: a full member of our own workspace or organisation, by Slack's
// word. Views leave the provenance of such an author out (encoding/json asks by this method).
func (p Provenance) IsZero() bool {
	return p.Kind == KindPerson && p.SameTeam && bool(p.Verified) && !p.External && !p.Guest && !p.Another
}

// An author is what Slack says of who wrote a text.
type author struct {
	user, bot, app string
	name           string // that the message gives to its author
	subtype        string // of the message
	team           string // the author's workspace or organisation; empty where Slack does not say
	ts             string // of the message
	self           bool   // the envelope shows that our own app wrote it
	found          bool   // a search told of it, which may name no author, and none's workspace reliably
	// marked reports the mark of what tools post in people's names; typed reports that a client for people
	// says that it sent the message, which nobody has changed since.
	marked, typed bool
	files         []slackapi.File
}

// authorOf reads the author of a message.
func authorOf(m *slackapi.Message) author {
	a := author{user: m.User, bot: m.BotID, app: m.AppID, name: m.Username, subtype: m.Subtype, ts: m.TS, team: cmp.Or(m.UserTeam, m.SourceTeam, m.Team)}
	a.marked, a.typed, a.files = isMarked(m.Metadata), m.ClientMsgID != "" && m.Edited == nil, m.Files
	if m.BotProfile != nil {
		a.app, a.bot = cmp.Or(a.app, m.BotProfile.AppID), cmp.Or(a.bot, m.BotProfile.ID)
	}
	return a
}

// A home is the workspaces and the organisation that are ours. The zero value is not known.
type home struct {
	teams        []string
	organisation string
}

// newHome leaves out what is empty.
func newHome(organisation string, teams ...string) home {
	return home{organisation: organisation, teams: slices.DeleteFunc(teams, func(t string) bool { return t == "" })}
}

func (h home) isZero() bool { return len(h.teams) == 0 && h.organisation == "" }

// has reports that a workspace or an organisation is ours.
func (h home) has(team string) bool {
	return team != "" && (slices.Contains(h.teams, team) || team == h.organisation)
}

// A scene is what is known of where a text stands.
type scene struct {
	own      home
	app, bot string // our app and its user, by the envelope
	// enveloped reports that an event's envelope told all this, and not our own token.
	enveloped bool
	// claimed reports that the envelope names no installation of ours, so that own is where something
	// happened, or of the one who did it: good for the eye, and no evidence.
	claimed bool
	// shared reports that another organisation takes part in the conversation; nil is not known.
	shared  *bool
	channel string
	// acting reports that the author is who has just caused the event, and is not quoted from
	// before: what is not shared now may have been shared then.
	acting bool
	// former reports that the text is what a message said before it was changed or deleted.
	former bool
}

// unshared reports that Slack says that no other organisation takes part.
func (s *scene) unshared() bool { return s.shared != nil && !*s.shared }

// quoted is the scene of a text that another one quotes.
func (s scene) quoted() scene {
	s.acting = false
	return s
}

// sides compares an author's team with our own, for the eye. What happens in a conversation that
// no other organisation shares can only be by one of us, whichever workspace of ours it names.
func (s *scene) sides(team string) (same, external bool) {
	switch {
	case s.acting && s.unshared(), team == "" && (s.shared == nil || !*s.shared), s.own.has(team):
		return true, false
	case team == "", s.own.isZero():
		return false, false
	case s.own.organisation != "", strings.HasPrefix(team, "E"):
		return false, false // perhaps another workspace of our organisation, or our organisation itself
	}
	return false, true
}

// sidesOf is sides of an author. Of one whom a search told of nothing follows.
func (s *scene) sidesOf(a *author) (same, external bool) {
	if a.found {
		return false, false
	}
	return s.sides(a.team)
}

// An envelope is what an event's body says about where it happened. Field names are those of
// docs.slack.dev/apis/events-api.
type envelope struct {
	App            string `json:"api_app_id"`
	TeamID         string `json:"team_id"`
	EnterpriseID   string `json:"enterprise_id"`
	Shared         *bool  `json:"is_ext_shared_channel"` // nil where Slack does not say
	Authorizations []struct {
		TeamID       string `json:"team_id"` // null where the app is installed in a whole organisation
		EnterpriseID string `json:"enterprise_id"`
		User         string `json:"user_id"`
		IsBot        bool   `json:"is_bot"`
	} `json:"authorizations"`
}

// An interactionEnvelope is what an interaction has in its place
// (docs.slack.dev/reference/interaction-payloads). Its team is null where the app is installed
// in a whole organisation.
type interactionEnvelope struct {
	App  string `json:"api_app_id"`
	Team struct {
		ID           string `json:"id"`
		EnterpriseID string `json:"enterprise_id"`
	} `json:"team"`
	Enterprise struct {
		ID string `json:"id"`
	} `json:"enterprise"`
}

// shared reports that another organisation takes part in the conversation: by Slack's word, or
// because the app has installations in several that see the event.
func (v *envelope) shared() *bool {
	for _, a := range v.Authorizations {
		first := v.Authorizations[0]
		if a.EnterpriseID != first.EnterpriseID || a.EnterpriseID == "" && a.TeamID != first.TeamID {
			several := true
			return &several
		}
	}
	return v.Shared
}

// home is whose installation the event was sent for, which is not ours where others have
// installed the app, too. Of an installation in a whole
// organisation the envelope's workspace is one of its own if the organisation is the same.
func (v *envelope) home() home {
	if len(v.Authorizations) == 0 {
		return newHome(v.EnterpriseID, v.TeamID)
	}
	a := v.Authorizations[0]
	if a.TeamID == "" && a.EnterpriseID != "" && a.EnterpriseID == v.EnterpriseID {
		a.TeamID = v.TeamID
	}
	return newHome(a.EnterpriseID, a.TeamID)
}

// sceneOf reads where an event happened. What Slack writes otherwise than documented is as if it
// were absent.
func sceneOf(e *event.Event, inner []byte) scene {
	s := scene{channel: e.Channel, acting: true, enveloped: true}
	var v envelope
	if e.Encoding == event.JSON {
		_ = json.Unmarshal(e.Raw, &v)
	}
	s.own, s.app, s.claimed = v.home(), v.App, len(v.Authorizations) == 0
	if e.Channel != "" {
		s.shared = v.shared() // of what happens in no conversation Slack says false as well
	}
	if len(v.Authorizations) > 0 && v.Authorizations[0].IsBot {
		s.bot = v.Authorizations[0].User
	}
	if s.own.isZero() {
		var i interactionEnvelope
		_ = json.Unmarshal(inner, &i)
		s.own, s.app = newHome(cmp.Or(i.Enterprise.ID, i.Team.EnterpriseID), cmp.Or(i.Team.ID, e.Team)), cmp.Or(s.app, i.App)
	}
	return s
}
