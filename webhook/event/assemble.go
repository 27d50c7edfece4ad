package event

import "time"

// envelope makes an Envelope of what was found. All its strings are cut from one, so
// that an event costs one allocation and holds nothing of the body.
func (p *picker) envelope() Envelope {
	var env Envelope
	callback := p.is(outerType, "event_callback")
	kind, subtype := outerType, noSlot
	if callback {
		kind, subtype = innerType, innerSubtype
	}
	var c cutter
	c.take(p, &env.Type, outerType)
	c.take(p, &env.Kind.Type, kind)
	c.take(p, &env.Kind.Subtype, subtype)
	c.take(p, &env.ID, eventID)
	c.take(p, &env.Team, outerTeamID, outerTeam, authTeam)
	c.take(p, &env.Channel, innerChannel, innerChannelID, itemChannel, assistantChannel, outerChannel, containerChannel)
	c.take(p, &env.ChannelType, innerChannelType)
	c.take(p, &env.User, innerUser, innerUserID, changedUser, deletedUser, assistantUser, outerUser)
	c.take(p, &env.Thread, p.thread()...)
	c.cut()

	env.At = p.at()
	env.FromSelf = callback && p.fromSelf()
	if v := p.found[challenge]; v.kind == plain || v.kind == escaped {
		env.Challenge = string(p.s.text(v, nil))
	}
	return env
}

// is reports whether a field says want.
func (p *picker) is(at slot, want string) bool {
	var scratch [32]byte
	return p.has(at) && string(p.s.text(p.found[at], scratch[:])) == want
}

// has reports whether a field is there: a string that is not empty, or a number.
func (p *picker) has(at slot) bool {
	v := p.found[at]
	switch v.kind {
	case plain, number:
		return v.end > v.start && v.end-v.start <= maxField
	case escaped:
		var scratch [32]byte
		return v.end-v.start <= 6*maxField && len(p.s.text(v, scratch[:])) <= maxField
	case absent, literal:
	}
	return false
}

// thread lists where the thread's ts may be, the surest place first.
func (p *picker) thread() []slot {
	switch {
	case p.is(outerType, "event_callback") && (p.is(innerType, "message") || p.is(innerType, "app_mention")):
		return messageThread[:]
	default:
		return otherThread[:]
	}
}

// A message that changed is in the thread of what it is now, not of the notice's own ts.
var messageThread = [...]slot{innerThread, changedThread, changedTS, deletedThread, deletedTS, innerTS}

// A reaction, a pin or a click belongs to the message it was done to. Slack does not
// say whether that message is in a thread; by its own ts a reader who waits for a
// reaction to a message that he knows finds it.
var otherThread = [...]slot{
	innerThread, itemThread, itemTS, assistantThread, innerMessageTS,
	containerThread, clickedThread, containerTS, clickedTS, messageTS,
}

// at is when it happened: to the microsecond where Slack says so.
func (p *picker) at() time.Time {
	for _, at := range [...]slot{innerEventTS, innerTS, actionTS, eventTime, minuteLimited} {
		if p.has(at) {
			var scratch [32]byte
			if t := seconds(p.s.text(p.found[at], scratch[:])); !t.IsZero() {
				return t
			}
		}
	}
	return time.Time{}
}

// fromSelf reports whether our own app did what the event tells. Joining and leaving
// are told of the bot, but done by those who invite and remove it, and an app wants
// to know; so they are never its own.
func (p *picker) fromSelf() bool {
	if p.is(innerType, "member_joined_channel") || p.is(innerType, "member_left_channel") {
		return false
	}
	for _, app := range [...]slot{innerApp, profileApp, changedApp, changedProfileApp, deletedApp, deletedProfileApp} {
		if p.same(app, outerApp) {
			return true
		}
	}
	isBot := p.found[authIsBot]
	if isBot.kind != literal || p.s.b[isBot.start] != 't' {
		return false
	}
	for _, user := range [...]slot{innerUser, innerUserID, changedUser, deletedUser} {
		if p.same(user, authUser) {
			return true
		}
	}
	return false
}

// same reports whether two fields are there and say the same.
func (p *picker) same(a, b slot) bool {
	if !p.has(a) || !p.has(b) {
		return false
	}
	var x, y [32]byte
	return string(p.s.text(p.found[a], x[:])) == string(p.s.text(p.found[b], y[:]))
}

// A cutter gathers fields and cuts them from one string.
type cutter struct {
	buf   [256]byte
	text  []byte
	n     int
	field [9]*string
	end   [9]int
}

// take adds the first of some fields that is there.
func (c *cutter) take(p *picker, to *string, from ...slot) {
	if c.text == nil {
		c.text = c.buf[:0]
	}
	for _, at := range from {
		if p.has(at) {
			var scratch [32]byte
			c.text = append(c.text, p.s.text(p.found[at], scratch[:])...)
			break
		}
	}
	c.field[c.n], c.end[c.n] = to, len(c.text)
	c.n++
}

func (c *cutter) cut() {
	all, start := string(c.text), 0
	for i, to := range c.field[:c.n] {
		*to = all[start:c.end[i]]
		start = c.end[i]
	}
}
