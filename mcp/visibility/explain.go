package visibility

import (
	"time"

	"slackmcp/mcp/access"
	"slackmcp/webhook/event"
)

// An Explanation is why a person sees an event or not, without anything of its content.
type Explanation struct {
	Person  string `json:"person"`
	Verdict string `json:"verdict"`
	// Why is the rule that decided, in words.
	Why string `json:"why"`
	// Needs is what has to be asked before it can be decided; see [Needs]. It is empty unless the verdict
	// is unknown.
	Needs string `json:"needs,omitempty"`
	// Conversation is where it happened, and Kind what that is as far as it is known, since Typed.
	Conversation string    `json:"conversation,omitempty"`
	Kind         string    `json:"kind,omitempty"`
	Shared       bool      `json:"shared,omitempty"` // with other organizations
	Typed        time.Time `json:"typed,omitzero"`
	// Membership is what is known of the person there, and Since when it was said. Both are empty where the kind alone
	// decides.
	Membership string    `json:"membership,omitempty"`
	Since      time.Time `json:"since,omitzero"`
}

// Explain says why a person sees an event or not, now. It starts no look-up.
func (j *Judge) Explain(p access.Person, e *event.Event) Explanation {
	f := read(e)
	r := j.rule(p, e, &f)
	x := Explanation{Person: p.String(), Verdict: r.verdict.String(), Why: r.why, Conversation: r.channel, Since: r.asOf}
	if r.verdict == Unknown {
		x.Needs = r.need.what.String()
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	if c, u := j.convs[r.channel], j.users[p.User]; c != nil {
		x.Kind, x.Shared, x.Typed = c.kind.String(), c.shared, c.typedAt
		x.Membership = c.standing(u)
	}
	if x.Membership == "" {
		x.Since = time.Time{}
	}
	return x
}

// standing is what is known of a user in words.
func (c *conversation) standing(u *user) string {
	if u == nil {
		return "unknown"
	}
	if m, ok := c.marks[u.index]; ok {
		return [...]string{"unknown since a change", "has left", "is shown it by Slack", "is not shown it by Slack"}[m.is]
	}
	switch _, in := u.public[c.id]; {
	case c.kind == direct, c.kind == public && !u.guest:
		return ""
	case c.listedAt.IsZero() && u.publicAt.IsZero():
		return "not listed"
	case c.has(u), in:
		return "a member"
	}
	return "not a member"
}

// A Known is what is known of what a person may see.
type Known struct {
	// Account is "member", "guest", "deactivated", "other" (a bot, or of another workspace) or "unknown", and
	// Asked when Slack said so.
	Account string    `json:"account"`
	Asked   time.Time `json:"asked,omitzero"`
	// Visible, Hidden and Unknown count the conversations of which events were received, or that the app is in.
	Visible int `json:"visible_conversations"`
	Hidden  int `json:"hidden_conversations"`
	Unknown int `json:"unknown_conversations"`
}

// Known returns what is known of what a person may see. It starts no look-up.
func (j *Judge) Known(p access.Person) Known {
	k := Known{Account: "unknown"}
	for _, v := range j.Sight(p).verdicts {
		switch v {
		case Visible:
			k.Visible++
		case Hidden:
			k.Hidden++
		case Unknown:
			k.Unknown++
		}
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	u := j.users[p.User]
	if u == nil || u.at.IsZero() {
		return k
	}
	k.Asked = u.at
	switch k.Account = "member"; {
	case u.deleted:
		k.Account = "deactivated"
	case u.stranger:
		k.Account = "other"
	case u.guest:
		k.Account = "guest"
	}
	return k
}
