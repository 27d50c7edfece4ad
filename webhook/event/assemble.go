package event

import "time"

// The fields that are text, in the order in which they are gathered.
const (
	typeText = iota
	kindText
	subtypeText
	idText
	teamText
	channelText
	channelTypeText
	userText
	threadText
	texts // how many there are
)

// places says where each field may be, the surest place first.
type places [texts][]slot

// elsewhere is for whatever is no event_callback, callback for what is one, and
// message for the messages among those.
var (
	elsewhere = places{
		typeText:    {outerType},
		kindText:    {outerType},
		idText:      {eventID},
		teamText:    anyTeam,
		channelText: anyChannel, channelTypeText: {innerChannelType},
		userText:   anyUser,
		threadText: touched,
	}
	callback = places{
		typeText:        {outerType},
		kindText:        {innerType},
		subtypeText:     {innerSubtype},
		idText:          {eventID},
		teamText:        anyTeam,
		channelText:     anyChannel,
		channelTypeText: {innerChannelType},
		userText:        anyUser,
		threadText:      touched,
	}
	message = places{
		typeText:        {outerType},
		kindText:        {innerType},
		subtypeText:     {innerSubtype},
		idText:          {eventID},
		teamText:        anyTeam,
		channelText:     anyChannel,
		channelTypeText: {innerChannelType},
		userText:        anyUser,
		// A message that changed is in the thread of what it is now, not of the notice's own ts.
		threadText: {innerThread, changedThread, changedTS, deletedThread, deletedTS, innerTS},
	}
)

// The places that several tables share.
var (
	anyTeam    = []slot{outerTeamID, outerTeam, authTeam}
	anyChannel = []slot{innerChannel, innerChannelID, itemChannel, assistantChannel, outerChannel, containerChannel}
	anyUser    = []slot{innerUser, innerUserID, changedUser, deletedUser, assistantUser, outerUser}
	// A reaction, a pin or a click belongs to the message it was done to. Slack does
	// not say whether that message is in a thread; by its own ts a reader who waits
	// for a reaction to a message that he knows finds it.
	touched = []slot{
		innerThread, itemThread, itemTS, assistantThread, innerMessageTS,
		containerThread, clickedThread, containerTS, clickedTS, messageTS,
	}
)

// envelope makes an Envelope of what was found. All its strings are cut from one, so
// that an event costs one allocation and holds nothing of the body.
func (p *picker) envelope() Envelope {
	from := &elsewhere
	called := p.is(outerType, "event_callback")
	switch {
	case called && (p.is(innerType, "message") || p.is(innerType, "app_mention")):
		from = &message
	case called:
		from = &callback
	}
	var (
		buf  [256]byte
		text = buf[:0]
		end  [texts]int
	)
	for i := range from {
		text = p.appendFirst(text, from[i])
		end[i] = len(text)
	}
	all := string(text)
	cut := func(i int) string {
		if i == 0 {
			return all[:end[0]]
		}
		return all[end[i-1]:end[i]]
	}
	env := Envelope{
		Type: cut(typeText),
		Event: Event{
			ID:          cut(idText),
			Kind:        Kind{Type: cut(kindText), Subtype: cut(subtypeText)},
			Team:        cut(teamText),
			Channel:     cut(channelText),
			ChannelType: cut(channelTypeText),
			User:        cut(userText),
			Thread:      cut(threadText),
			FromSelf:    called && p.fromSelf(),
			At:          p.at(),
		},
	}
	if v := p.found[challenge]; v.kind == plain || v.kind == escaped {
		env.Challenge = string(p.s.text(v, nil))
	}
	return env
}

// appendFirst appends the first of some fields that is there.
func (p *picker) appendFirst(dst []byte, from []slot) []byte {
	for _, at := range from {
		if p.has(at) {
			var scratch [32]byte
			return append(dst, p.s.text(p.found[at], scratch[:])...)
		}
	}
	return dst
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
