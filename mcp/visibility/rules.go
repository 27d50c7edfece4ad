package visibility

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"slackmcp/mcp/access"
	"slackmcp/webhook/event"
)

// A need is what has to be asked before somebody can be judged.
type need struct {
	what what
	id   string // of the conversation, the user or the file
	user string // who asks, where that matters
}

// A what is a kind of need.
type what uint8

const (
	ofNothing what = iota // it comes by itself
	ofType
	ofMembers
	ofOwn
	ofUser
	ofGuest
	ofFile
	ofGrant
)

var whats = [...]string{"start", "type", "membership", "own", "person", "guest", "file", "grant"}

// String names the need as the metric does.
func (w what) String() string { return whats[w] }

// Needs are the words for what may be unknown: "start" (the server has just started, or has not read so
// far), the "type" of a conversation, its "membership", Slack's "own" verdict on the person, who the "person"
// is, where a "guest" is a member, what a "file" is in, and whether a "grant" still holds.
func Needs() []string { return whats[:] }

// A ruling is a verdict with what led to it.
type ruling struct {
	verdict Verdict
	why     string
	need    need
	channel string    // where a conversation decided
	asOf    time.Time // when Slack said what decided
}

func no(why string) ruling  { return ruling{why: why} }
func yes(why string) ruling { return ruling{verdict: Visible, why: why} }

func unknown(why string, n need) ruling { return ruling{verdict: Unknown, why: why, need: n} }

// A bench is the Judge at one moment, with its mu held.
type bench struct {
	*Judge
	self  Install
	known bool
	now   time.Time
}

// fresh reports that what was said at a time counts for some time.
func (b *bench) fresh(at time.Time, during time.Duration) bool {
	return !at.IsZero() && b.now.Sub(at) < during
}

// A class is what one rule is for.
type class uint8

const (
	other       class = iota // what names a conversation, and nothing else
	ofLife                   // the app itself: for admins
	ofActor                  // what one person did with the app, and nobody else sees
	onMessage                // a button or a menu, which may be on a message for all
	onFile                   // a file, without a conversation
	ofWorkspace              // people and the workspace: for every full member
)

// classes are the types of Slack's events for which there is a rule besides that of their conversation.
var classes = func() map[string]class {
	all := map[string]class{}
	for c, types := range map[class]string{
		ofLife: `app_rate_limited app_uninstalled app_uninstalled_team tokens_revoked app_installed app_requested app_deleted scope_granted
			scope_denied team_access_granted team_access_revoked grid_migration_started grid_migration_finished url_verification ssl_check`,
		ofActor: `slash_command shortcut message_action view_submission view_closed block_suggestion interactive_message dialog_submission
			dialog_cancellation dialog_suggestion workflow_step_edit app_home_opened assistant_thread_started assistant_thread_context_changed
			entity_comments_requested entity_details_requested star_added star_removed im_created im_open im_close group_open group_close`,
		onMessage: `block_actions`,
		onFile:    `file_change file_created file_deleted file_public file_unshared file_shared`,
		ofWorkspace: `user_change user_profile_changed user_status_changed user_huddle_changed team_join dnd_updated_user subteam_created
			subteam_updated subteam_members_changed subteam_self_added subteam_self_removed emoji_changed team_rename team_domain_change
			team_domain_changed`,
	} {
		for t := range strings.FieldsSeq(types) {
			all[t] = c
		}
	}
	return all
}()

// event judges by the first rule that fits.
func (b *bench) event(p access.Person, e *event.Event, f *facts) ruling {
	if !b.ready || b.ahead(e) {
		return unknown("the server has not read as far as this event yet", need{})
	}
	team := e.Team
	if e.Source != event.SourceSlack {
		team = p.Team
	}
	u, r := b.person(p, team)
	if u == nil {
		return r
	}
	switch {
	case e.Source == event.SourceGaps && e.Kind.Type == event.KindGap:
		return yes("everybody is told of gaps")
	case e.Source != event.SourceSlack:
		return b.sender(p, u, e.Source)
	}
	return b.slack(p, u, e, f)
}

// ahead reports that Apply has not had an event yet: it lies behind the last one, or is of another store.
func (b *bench) ahead(e *event.Event) bool {
	if b.applied == "" || e.Position == "" {
		return false
	}
	seq := len(b.applied) - 16 // where the number begins, behind the epoch
	return len(e.Position) != len(b.applied) || e.Position[:seq] != b.applied[:seq] || e.Position > b.applied
}

// alone judges a conversation that no event is in the way of: by its id, of which nobody has said where it is.
func (b *bench) alone(p access.Person, id string) ruling {
	if !b.ready {
		return unknown("the server has just started", need{})
	}
	u, r := b.person(p, cmp.Or(b.self.Team, p.Team))
	if u == nil {
		return r
	}
	return b.conversation(p, u, b.self.Team, id)
}

// person judges whom the first rule is about. The user is nil where the ruling is none for them.
func (b *bench) person(p access.Person, team string) (*user, ruling) {
	switch {
	case !p.Valid():
		return nil, no("nobody has signed in")
	case !b.known:
		return nil, unknown("it is not known yet where the bot is installed", need{})
	case p.Host != b.self.Host || p.Enterprise != b.self.Enterprise,
		p.Team != "" && (p.Team != team || b.self.Team != "" && p.Team != b.self.Team),
		b.self.Team != "" && team != b.self.Team && team != "":
		return nil, no("the event is of another workspace or organization than the person")
	}
	ask := need{what: ofUser, id: p.User}
	u := b.users[p.User]
	switch {
	case u == nil || !b.fresh(u.at, PeopleFresh):
		return nil, unknown("it is not known who the person is in Slack", ask)
	case u.deleted:
		return nil, no("the account is deactivated")
	case u.stranger, team != "" && u.team != team && !slices.Contains(u.teams, team):
		return nil, no("the account is a bot, or of another workspace")
	case b.fresh(u.revokedAt, NoFresh):
		return nil, no("Slack has ended what the person allowed")
	case u.suspect:
		return nil, unknown("Slack may have ended what the person allowed", need{what: ofGrant, id: p.User})
	}
	return u, ruling{}
}

// sender judges by the operator's rule for a sender other than Slack.
func (b *bench) sender(p access.Person, u *user, source string) ruling {
	rule := b.sources[source]
	switch {
	case rule.All && !u.guest:
		return yes("the operator shows the source to all full members")
	case slices.Contains(rule.List, p.String()), slices.Contains(rule.List, p.User):
		return yes("the operator shows the source to the person")
	}
	return no("the operator does not show the source to the person")
}

// slack judges an event of Slack.
func (b *bench) slack(p access.Person, u *user, e *event.Event, f *facts) ruling {
	switch class := classes[e.Kind.Type]; {
	case class == ofLife:
		return no("the app's life is the operator's matter")
	case class == ofActor, class == onMessage:
		return b.interaction(p, u, e, f)
	case class == onFile && e.Channel == "":
		return b.file(p, u, f)
	case e.Channel != "":
		return b.conversation(p, u, e.Team, e.Channel)
	case class != ofWorkspace:
		return no("no rule shows it")
	case u.guest && e.User == p.User:
		return yes("it is about the person")
	case u.guest:
		return no("guests are not told of people and the workspace")
	}
	return yes("full members may see people and the workspace")
}

// interaction judges what somebody did with the app.
func (b *bench) interaction(p access.Person, u *user, e *event.Event, f *facts) ruling {
	if e.User == p.User && (f.actorTeam == "" || p.Enterprise != "" || f.actorTeam == p.Team) {
		return yes("the person did it")
	}
	if classes[e.Kind.Type] == onMessage && f.forAll && e.Channel != "" {
		return b.conversation(p, u, e.Team, e.Channel)
	}
	return no("somebody else did it, and not on a message for all")
}

// file judges an event that names a file and no conversation: the uploader sees it, and who sees a
// conversation that it is in.
func (b *bench) file(p access.Person, u *user, f *facts) ruling {
	if f.file == "" {
		return no("the file is not named")
	}
	known := b.files[f.file]
	ask := need{what: ofFile, id: f.file}
	if known == nil || !known.gone && !b.fresh(known.at, YesFresh) {
		return unknown("it is not known where the file is", ask)
	}
	if known.owner == p.User {
		return yes("the person has uploaded the file")
	}
	open := no("the file is in no conversation that the person may see")
	for _, id := range known.in {
		switch r := b.conversation(p, u, "", id); r.verdict {
		case Visible:
			return r
		case Unknown:
			open = r
		case Hidden:
		}
	}
	return open
}

// conversation judges by where something was said. The team is the event's, of which the person is; it is empty
// where no event says of which workspace the conversation is.
func (b *bench) conversation(p access.Person, u *user, team, id string) ruling {
	r := b.place(p, u, team, id)
	r.channel = id
	return r
}

func (b *bench) place(p access.Person, u *user, team, id string) ruling {
	c := b.convs[id]
	if c == nil || !b.typed(c) {
		return unknown("it is not known what kind of conversation this is", need{what: ofType, id: id})
	}
	switch c.kind {
	case direct:
		if c.other == u.index {
			return yes("it is the person's direct message with the app")
		}
		return no("it is a direct message of somebody else")
	case public:
		switch {
		case u.guest:
			return b.member(p, u, c)
		case b.self.Team == "" && team == "":
			return b.own(p, u, c) // it may be public in another workspace of the organization
		default:
			return ruling{verdict: Visible, why: "full members may read public channels", asOf: c.typedAt}
		}
	case private, group:
		return b.member(p, u, c)
	case unseen, untold:
	}
	return b.own(p, u, c)
}

// typed reports that a conversation's type counts.
func (b *bench) typed(c *conversation) bool {
	switch c.kind {
	case untold:
		return false
	case direct:
		return true
	case unseen:
		return b.fresh(c.typedAt, YesFresh)
	case public, private, group:
	}
	return b.fresh(c.typedAt, TypesFresh)
}

// member judges by present membership.
func (b *bench) member(p access.Person, u *user, c *conversation) ruling {
	if m, ok := c.marks[u.index]; ok {
		return b.marked(p, u, c, m)
	}
	in, at := c.has(u), c.listedAt
	if c.kind == public {
		_, in = u.public[c.id]
		at = u.publicAt
	}
	switch {
	case !b.fresh(at, c.counts()):
		return unknown("it is not known who is a member", b.ask(p, u, c))
	case in:
		return ruling{verdict: Visible, why: "the person is a member", asOf: at}
	}
	return ruling{why: "the person is not a member", asOf: at}
}

// marked judges by what is known of one person and one conversation.
func (b *bench) marked(p access.Person, u *user, c *conversation, m mark) ruling {
	switch {
	case m.is == allowed && b.fresh(m.at, YesFresh):
		return ruling{verdict: Visible, why: "Slack shows the conversation to the person", asOf: m.at}
	case m.is == refused && b.fresh(m.at, NoFresh):
		return ruling{why: "Slack does not show the conversation to the person", asOf: m.at}
	case m.is == left && b.fresh(m.at, NoFresh):
		return ruling{why: "the person has left", asOf: m.at}
	}
	return unknown("the person has joined or left, or was asked for long ago", b.ask(p, u, c))
}

// own judges by Slack's own verdict on the person alone.
func (b *bench) own(p access.Person, u *user, c *conversation) ruling {
	if m, ok := c.marks[u.index]; ok {
		return b.marked(p, u, c, m)
	}
	return unknown("Slack's own verdict on the person is not known", b.ask(p, u, c))
}

// maxListed is how many members a conversation may have that is listed anew for one person; of a larger one
// Slack is asked with the person's token.
const maxListed = 2 * memberPage

// ask is how the membership of a person is found out.
func (b *bench) ask(p access.Person, u *user, c *conversation) need {
	switch {
	case c.kind == public && u.guest && c.botIn:
		return need{what: ofGuest, id: u.id}
	case (c.kind == private || c.kind == group) && c.botIn && len(c.members) <= maxListed && !c.refused:
		return need{what: ofMembers, id: c.id}
	}
	return need{what: ofOwn, id: c.id, user: p.User}
}
