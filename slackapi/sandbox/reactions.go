package sandbox

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

const (
	maxEmoji     = 50 // different ones on a message
	maxReactions = 23 // of one person on a message
)

var emojiName = regexp.MustCompile(`^[a-z0-9_+'-]{1,100}$`)

// standardEmoji are some of those that every workspace has; with the workspace's own
// they are the names that reactions.add takes.
var standardEmoji = strings.Fields(`+1 -1 thumbsup thumbsdown eyes tada heart heart_eyes fire rocket wave clap pray
	white_check_mark heavy_check_mark x warning rotating_light bug hammer_and_wrench wrench memo pushpin bulb thinking_face
	joy smile slightly_smiling_face cry sob raised_hands ok_hand muscle 100 sparkles coffee bow eyes_right hourglass
	question exclamation one two three four five six seven eight nine zero red_circle large_green_circle blue_heart
	robot_face ghost star zap boom mag lock unlock bell chart_with_upwards_trend construction recycle package calendar`)

// target finds the message that a reaction or a pin is about.
func (c *call) target(ch *channel, name string) (*message, error) {
	ts := c.params[name]
	if ts == "" {
		return nil, fail("no_item_specified")
	}
	if _, ok := parseTS(ts); !ok {
		return nil, fail("bad_timestamp")
	}
	if m := ch.byTS[ts]; m != nil {
		return m, nil
	}
	return nil, fail("message_not_found")
}

// reactable finds the message of a call on reactions, and the emoji.
func (c *call) reactable() (*channel, *message, string, error) {
	if c.params["channel"] == "" && c.params["timestamp"] == "" {
		return nil, nil, "", fail("no_item_specified")
	}
	ch, err := c.inside("")
	if err != nil {
		return nil, nil, "", err
	}
	if ch.archived {
		return nil, nil, "", fail("is_archived")
	}
	m, err := c.target(ch, "timestamp")
	if err != nil {
		return nil, nil, "", err
	}
	name := strings.Trim(c.params["name"], ":")
	base, _, _ := strings.Cut(name, "::skin-tone-")
	if !emojiName.MatchString(base) || !slices.Contains(standardEmoji, base) && c.emoji[base] == "" {
		return nil, nil, "", fail("invalid_name")
	}
	return ch, m, name, nil
}

func reactionsAdd(c *call) (object, error) {
	ch, m, name, err := c.reactable()
	if err != nil {
		return nil, err
	}
	return nil, c.react(ch, m, name, c.who.user)
}

// react puts a person's emoji on a message.
func (s *Sandbox) react(ch *channel, m *message, name string, u *user) error {
	mine := 0
	for _, r := range m.Reactions {
		if slices.Contains(r.Users, u.ID) {
			if r.Name == name {
				return fail("already_reacted")
			}
			mine++
		}
	}
	i := slices.IndexFunc(m.Reactions, func(r reaction) bool { return r.Name == name })
	switch {
	case mine >= maxReactions:
		return fail("too_many_reactions")
	case i < 0 && len(m.Reactions) >= maxEmoji:
		return fail("too_many_emoji")
	case i < 0:
		m.Reactions = append(m.Reactions, reaction{Name: name})
		i = len(m.Reactions) - 1
	}
	m.Reactions[i].Users = append(m.Reactions[i].Users, u.ID)
	m.Reactions[i].Count++
	s.reactionEvent("reaction_added", ch, m, name, u)
	return nil
}

func reactionsRemove(c *call) (object, error) {
	ch, m, name, err := c.reactable()
	if err != nil {
		return nil, err
	}
	return nil, c.unreact(ch, m, name, c.who.user)
}

func (s *Sandbox) unreact(ch *channel, m *message, name string, u *user) error {
	for i, r := range m.Reactions {
		at := slices.Index(r.Users, u.ID)
		if r.Name != name || at < 0 {
			continue
		}
		m.Reactions[i].Users = slices.Delete(r.Users, at, at+1)
		if m.Reactions[i].Count--; m.Reactions[i].Count == 0 {
			m.Reactions = slices.Delete(m.Reactions, i, i+1)
		}
		s.reactionEvent("reaction_removed", ch, m, name, u)
		return nil
	}
	return fail("no_reaction")
}

func reactionsGet(c *call) (object, error) {
	if c.params["channel"] == "" {
		return nil, fail("no_item_specified")
	}
	ch, err := c.conversation("")
	if err != nil {
		return nil, err
	}
	m, err := c.target(ch, "timestamp")
	if err != nil {
		return nil, err
	}
	v := c.view(m, c.who)
	v.Permalink = c.permalink(ch, m)
	return object{"type": "message", "channel": ch.id, "message": v}, nil
}

func emojiList(c *call) (object, error) {
	return object{"emoji": maps.Clone(c.emoji), "cache_ts": formatTS(crowdEpoch * 1e6)}, nil
}
