package visibility

import (
	"encoding/json"
	"slices"
	"strings"

	"slackmcp/webhook/event"
)

// Apply takes in what an event says, before any reader is shown the event. It is called with each event of the
// log, in its order. What an event takes away is gone at once; what it would give is only unknown from
// then on, and Slack is asked.
func (j *Judge) Apply(e *event.Event) {
	self, _ := j.opt.Self()
	var change func(*Judge)
	switch {
	case e.Source == event.SourceGaps && e.Kind.Type == event.KindGap:
		change = forgetAll
	case e.Source == event.SourceSlack: // of whatever workspace: one that is shared with ours may be named
		change = j.changeOf(e, self)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.passed(e.Position)
	if change != nil {
		change(j)
	}
}

// passed notes that an event was taken in. It requires j.mu.
func (j *Judge) passed(at event.Position) {
	j.seq++
	j.reached(at)
}

// reached notes how far the log was read. Events from before, of the time of a restart, may come late. It
// requires j.mu.
func (j *Judge) reached(at event.Position) {
	n, ok := at.Seq()
	switch {
	case !ok:
	case j.applied != "" && j.applied.Epoch() != at.Epoch():
		j.applied = at
		forgetAll(j) // it is another store: what happened between is not known
	case at > j.applied:
		j.seq, j.applied = max(j.seq, n<<within), at
	}
}

// within is how many bits number what happens between two events of the log: what a process does itself, and
// events that come late.
const within = 20

// through is the number of the last that may happen before the event behind a position.
func through(n uint64) uint64 { return n<<within | 1<<within - 1 }

// changes are the events that may change what somebody sees.
func changes() []event.Pattern {
	return event.MustPatterns(strings.Fields(`gap_detected app_rate_limited app_uninstalled team_access_revoked team_access_granted
		grid_migration_started grid_migration_finished message/channel_leave message/group_leave message/channel_join message/group_join
		message/mpim_join message/channel_convert_to_private message/channel_convert_to_public message/channel_converted_to_private
		member_left_channel member_joined_channel channel_left group_left channel_deleted group_deleted channel_converted_to_private
		channel_converted_to_public channel_shared channel_unshared channel_id_changed tokens_revoked user_change team_join
		user_profile_changed file_shared file_unshared file_change file_deleted file_public file_created`)...)
}

// notice is what Apply reads of an event's body.
type notice struct {
	User    json.RawMessage `json:"user"`
	Channel json.RawMessage `json:"channel"`
	FileID  string          `json:"file_id"`
	OldID   string          `json:"old_channel_id"`
	NewID   string          `json:"new_channel_id"`
	Tokens  struct {
		People []string `json:"oauth"`
		Bots   []string `json:"bot"`
	} `json:"tokens"`
}

// profile is a user as an event has it.
type profile struct {
	ID              string `json:"id"`
	Deleted         bool   `json:"deleted"`
	Restricted      bool   `json:"is_restricted"`
	UltraRestricted bool   `json:"is_ultra_restricted"`
	// Organization is nil where the event does not say of which workspaces they are.
	Organization *struct {
		Teams []string `json:"teams"`
	} `json:"enterprise_user"`
}

// differs reports that Slack has to be asked who a user is: what is known is not what an event says.
func (p *profile) differs(u *user) bool {
	gone := func(team string) bool { return p.Organization != nil && !slices.Contains(p.Organization.Teams, team) }
	return p.Deleted != u.deleted || p.guest() != u.guest || slices.ContainsFunc(u.teams, gone)
}

func (p *profile) guest() bool { return p.Restricted || p.UltraRestricted }

// changeOf returns what an event of Slack changes; nil is nothing, which is so of nearly all events.
func (j *Judge) changeOf(e *event.Event, self Install) func(*Judge) {
	switch e.Kind.Type {
	case "app_rate_limited", "app_uninstalled", "team_access_revoked", "team_access_granted", "grid_migration_started", "grid_migration_finished":
		return forgetAll
	case "message":
		return ofMessage(e, self)
	case "member_left_channel":
		return leaves(e.Channel, e.User, self)
	case "member_joined_channel":
		return joins(e.Channel, e.User, self)
	case "channel_left", "group_left":
		return leaves(e.Channel, self.Bot, self)
	case "channel_deleted", "group_deleted", "channel_converted_to_private", "channel_converted_to_public", "channel_shared", "channel_unshared":
		return func(j *Judge) { j.forget(e.Channel) }
	case "channel_id_changed", "tokens_revoked", "user_change", "team_join", "user_profile_changed",
		"file_shared", "file_unshared", "file_change", "file_deleted", "file_public", "file_created":
		n, err := event.Inner[notice](e)
		if err != nil {
			return forgetAll // nobody can say what has changed
		}
		return ofNotice(e, n)
	}
	return nil
}

// ofMessage is what the messages change that Slack posts when somebody comes or goes.
func ofMessage(e *event.Event, self Install) func(*Judge) {
	switch e.Kind.Subtype {
	case "channel_leave", "group_leave":
		return leaves(e.Channel, e.User, self)
	case "channel_join", "group_join", "mpim_join":
		return joins(e.Channel, e.User, self)
	case "channel_convert_to_private", "channel_convert_to_public", "channel_converted_to_private":
		return func(j *Judge) { j.forget(e.Channel) }
	}
	return nil
}

func ofNotice(e *event.Event, n notice) func(*Judge) {
	switch e.Kind.Type {
	case "channel_id_changed":
		return func(j *Judge) {
			j.forget(n.OldID)
			j.forget(n.NewID)
		}
	case "tokens_revoked":
		if len(n.Tokens.Bots) > 0 {
			return forgetAll
		}
		return func(j *Judge) {
			for _, id := range n.Tokens.People {
				j.suspect(id)
			}
		}
	case "user_change", "team_join", "user_profile_changed":
		var p profile
		if json.Unmarshal(n.User, &p) != nil || p.ID == "" {
			return nil
		}
		return func(j *Judge) { j.profile(p) }
	}
	return func(j *Judge) { j.fileChanged(n.FileID, e.Kind.Type) }
}

// Forget makes everything unknown that an event could have changed. It is for a reader of the log that has lost
// its place: there may be events that Apply is not called with, and others at positions that it has had.
func (j *Judge) Forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.applied, j.astray = "", true
	forgetAll(j)
}

// forgetAll makes everything unknown that an event could have changed.
func forgetAll(j *Judge) {
	j.seq++
	for _, c := range j.convs {
		if c.kind != direct {
			j.drop(c)
		}
	}
	for _, u := range j.users {
		if u.guest {
			j.offGuest(u)
		}
	}
	clear(j.files)
	j.missed = true
	j.changedFor(nil)
	wake(j.again.types)
	wake(j.again.people)
}

// offGuest makes it unknown in which public channels a guest is.
func (j *Judge) offGuest(u *user) {
	u.public, u.publicAt, u.taken = nil, zero, j.seq
	j.dirty[rowGuests+u.id] = struct{}{}
}

// forget makes all unknown that is known of a conversation.
func (j *Judge) forget(id string) {
	if id == "" {
		return
	}
	j.drop(j.conv(id))
	for _, u := range j.users {
		delete(u.public, id)
	}
	j.changedFor(nil)
}

// drop forgets what a conversation is and who is in it.
func (j *Judge) drop(c *conversation) {
	c.kind, c.typedAt, c.botIn, c.refused, c.shared = untold, zero, false, false, false
	c.members, c.listedAt, c.taken = nil, zero, j.seq
	clear(c.marks)
	j.dirty[rowMembers+c.id] = struct{}{}
}

// leaves takes a user out of a conversation. When the bot leaves, nothing is known of it any more.
func leaves(channel, id string, self Install) func(*Judge) {
	switch {
	case channel == "" || id == "":
		return nil
	case id == self.Bot, self.Bot == "": // it may be the bot
		return func(j *Judge) { j.forget(channel) }
	}
	return func(j *Judge) {
		j.mark(channel, id, left)
		if u := j.users[id]; u != nil && u.public != nil {
			delete(u.public, channel)
			u.taken = j.seq
			j.dirty[rowGuests+id] = struct{}{}
		}
	}
}

// joins makes it unknown whether a user is in a conversation.
func joins(channel, id string, self Install) func(*Judge) {
	switch {
	case channel == "" || id == "":
		return nil
	case id == self.Bot:
		return func(j *Judge) { j.forget(channel) }
	}
	return func(j *Judge) {
		c, u := j.convs[channel], j.users[id]
		if c == nil || c.kind == public && u != nil && !u.at.IsZero() && !u.guest {
			return // it changes nothing
		}
		j.mark(channel, id, unclear)
		if u != nil && u.guest && c.kind == public {
			j.offGuest(u)
		}
	}
}

// maxMarks bounds what is remembered of single people in a conversation, before all of it is asked anew.
const maxMarks = 2_000

// mark notes something about one person in a conversation.
func (j *Judge) mark(channel, id string, is standing) {
	c := j.conv(channel)
	if len(c.marks) >= maxMarks {
		j.drop(c)
		j.changedFor(nil)
		return
	}
	u := j.user(id)
	c.marks[u.index] = mark{is: is, at: j.opt.Now(), seq: j.seq}
	j.dirty[rowMembers+c.id] = struct{}{}
	j.changedFor(u)
}

// suspect notes that Slack may have ended what a person allowed, and what it said of them.
func (j *Judge) suspect(id string) {
	u := j.user(id)
	u.suspect, u.taken = true, j.seq
	for _, c := range j.convs {
		if m, ok := c.marks[u.index]; ok && m.is == allowed {
			c.marks[u.index] = mark{is: unclear, at: m.at, seq: j.seq}
		}
	}
	j.changedFor(u)
}

// profile makes it unknown who somebody is who was deactivated, is a guest now, or is in a workspace no longer;
// Slack's own answer decides, also on an event that comes late.
func (j *Judge) profile(p profile) {
	u := j.user(p.ID)
	switch {
	case u.at.IsZero():
		u.taken = j.seq // what Slack is just being asked may be from before
		return
	case !p.differs(u):
		return
	}
	if p.guest() != u.guest {
		j.offGuest(u)
	}
	u.at, u.taken = zero, j.seq
	j.dirty[allPeople] = struct{}{}
	j.changedFor(u)
}

// maxFiles bounds the files that are remembered.
const maxFiles = 10_000

// fileChanged makes it unknown where a file is. Of one that is deleted counts what Slack had said until then.
func (j *Judge) fileChanged(id, typ string) {
	f := j.files[id]
	if f == nil {
		return
	}
	b := bench{Judge: j, now: j.opt.Now()}
	if f.gone = typ == "file_deleted" && (f.gone || b.fresh(f.at, YesFresh)); !f.gone {
		f.owner, f.in = "", nil
	}
	f.at, f.taken = zero, j.seq
}

// keepFile remembers a file, and forgets others where there are too many.
func (j *Judge) keepFile(id string, f *file) {
	if len(j.files) >= maxFiles {
		for old := range j.files {
			delete(j.files, old)
			if len(j.files) < maxFiles*9/10 {
				break
			}
		}
	}
	j.files[id] = f
}
