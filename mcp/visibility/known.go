package visibility

import (
	"encoding/json"
	"slices"
	"time"

	"slackmcp/slackapi"
	"slackmcp/webhook/event"
)

// A kind is what a conversation is.
type kind uint8

const (
	untold kind = iota // nothing is known
	unseen             // the bot is not shown it
	public
	private
	group  // a direct message of several
	direct // the bot's with one person
)

var kinds = [...]string{"unknown", "not shown to the app", "public channel", "private channel", "group direct message", "direct message"}

// String is the kind in words.
func (k kind) String() string { return kinds[k] }

// A conversation is what is known of one.
type conversation struct {
	id      string
	kind    kind
	shared  bool // with other organizations
	botIn   bool
	refused bool // the bot may not list the members
	typedAt time.Time
	other   uint32 // of a direct message
	// members are indices of users in ascending order, as they were at listedAt.
	members  []uint32
	listedAt time.Time
	// marks are what is known of single people, and counts more than members.
	marks map[uint32]mark
	// taken is the number of the last event that took away what is known of all.
	taken uint64
	// asked is the number of the last event before Slack was asked for the type.
	asked uint64
}

// A standing is what is known of one person in one conversation.
type standing uint8

const (
	unclear standing = iota // has joined, or was taken away for another reason
	left
	allowed // by Slack's own verdict
	refused
)

type mark struct {
	is  standing
	at  time.Time
	seq uint64 // of the event, or of when Slack was asked
}

func (c *conversation) has(u *user) bool {
	_, in := slices.BinarySearch(c.members, u.index)
	return in
}

// counts is how long a list of the members counts.
func (c *conversation) counts() time.Duration {
	if !c.botIn {
		return YesFresh // nobody tells of leaves
	}
	return MembersFresh
}

// A user is what is known of one.
type user struct {
	id    string
	index uint32
	at    time.Time // zero is that nothing is known
	team  string
	teams []string // of an organization
	// deleted, guest and stranger are as Slack has it; a stranger is a bot too.
	deleted, guest, stranger bool
	// suspect is that Slack may have ended what they allowed. It had at revokedAt, unless that is zero.
	suspect   bool
	revokedAt time.Time
	// public are the public channels that a guest is in, as it was at publicAt.
	public   map[string]struct{}
	publicAt time.Time
	taken    uint64
	gen      uint64
}

// A file is where a file is.
type file struct {
	owner string
	in    []string
	at    time.Time
	gone  bool // it is no more, and what Slack had said stays
	taken uint64
}

// kindOf is what Slack says a conversation is. What is not surely public is not.
func kindOf(c *slackapi.Channel) kind {
	switch {
	case c.IsIM:
		return direct
	case c.IsMPIM:
		return group
	case c.IsPrivate, c.IsGroup:
		return private
	case c.IsChannel:
		return public
	}
	return untold
}

// conv returns a conversation, made where it is new. It requires j.mu.
func (j *Judge) conv(id string) *conversation {
	c := j.convs[id]
	if c == nil {
		c = &conversation{id: id, marks: map[uint32]mark{}}
		j.convs[id] = c
	}
	return c
}

// user returns a user, made where it is new. It requires j.mu.
func (j *Judge) user(id string) *user {
	u := j.users[id]
	if u == nil {
		u = &user{id: id, index: uint32(len(j.byIndex))} //nolint:gosec // there are not so many users
		j.users[id], j.byIndex = u, append(j.byIndex, u)
	}
	return u
}

// facts are what See reads of a body.
type facts struct {
	file      string
	actorTeam string
	forAll    bool // on a message that all of its conversation see
}

// NeedsBody reports whether an event has to have its body to be judged rightly.
func NeedsBody(e *event.Event) bool {
	if e.Source != event.SourceSlack {
		return false
	}
	switch classes[e.Kind.Type] {
	case ofActor, onMessage:
		return true
	case onFile:
		return e.Channel == ""
	case other, ofLife, ofWorkspace:
	}
	return false
}

// read returns the facts of an event; most need none.
func read(e *event.Event) (f facts) {
	if !NeedsBody(e) || len(e.Raw) == 0 {
		return f
	}
	raw, err := event.InnerJSON(e)
	if err != nil {
		return f
	}
	var in struct {
		FileID string `json:"file_id"`
		File   struct {
			ID string `json:"id"`
		} `json:"file"`
		User      json.RawMessage `json:"user"`
		Container struct {
			Type      string `json:"type"`
			Ephemeral *bool  `json:"is_ephemeral"`
		} `json:"container"`
	}
	if json.Unmarshal(raw, &in) != nil {
		return f
	}
	var actor struct {
		Team string `json:"team_id"`
	}
	_ = json.Unmarshal(in.User, &actor) // an id alone names no team
	f.file, f.actorTeam = in.FileID, actor.Team
	if f.file == "" {
		f.file = in.File.ID
	}
	f.forAll = (in.Container.Type == "message" || in.Container.Type == "message_attachment") && in.Container.Ephemeral != nil && !*in.Container.Ephemeral
	return f
}

// Trim returns an event with no more of its body than what decides who may see it, to be kept and judged
// again: some hundred bytes, whatever the event has.
func Trim(e *event.Event) event.Event {
	kept := *e
	f := read(e)
	if kept.Raw, kept.Headers = nil, ""; f == (facts{}) {
		return kept
	}
	body := map[string]any{"file_id": f.file, "user": map[string]string{"team_id": f.actorTeam}}
	if f.forAll {
		body["container"] = map[string]any{"type": "message", "is_ephemeral": false}
	}
	if raw, err := json.Marshal(body); err == nil {
		kept.Raw, kept.Encoding = raw, event.JSON
	}
	return kept
}

var zero time.Time
