package sandbox

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"slackmcp/internal/emoji"
)

const (
	maxEmoji     = 50 // different ones on a message
	maxReactions = 23 // of one person on a message
)

// emojiName is the form of a name that a workspace may give an emoji.
var emojiName = regexp.MustCompile(`^[a-z0-9_+'-]{1,100}$`)

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
	if !emoji.Known(name) && c.emoji[name] == "" {
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

// maxPins and maxBookmarks are Slack's bounds for a channel.
const (
	maxPins      = 100
	maxBookmarks = 100
)

// A pin is a message that a channel holds up.
type pin struct {
	message *message
	file    *file // in place of a message
	by      string
	created int64
}

// A bookmark is a link at the top of a channel.
type bookmark struct {
	ID                  string  `json:"id"`
	ChannelID           string  `json:"channel_id"`
	Title               string  `json:"title"`
	Link                string  `json:"link"`
	Emoji               string  `json:"emoji"`
	IconURL             string  `json:"icon_url"`
	Type                string  `json:"type"`
	EntityID            *string `json:"entity_id"`
	DateCreated         int64   `json:"date_created"`
	DateUpdated         int64   `json:"date_updated"`
	Rank                string  `json:"rank"`
	LastUpdatedByUserID string  `json:"last_updated_by_user_id"`
	LastUpdatedByTeamID string  `json:"last_updated_by_team_id"`
	ShortcutID          *string `json:"shortcut_id"`
	AppID               *string `json:"app_id"`
}

func pinsAdd(c *call) (object, error) {
	ch, err := c.inside("")
	if err != nil {
		return nil, err
	}
	m, err := c.target(ch, "timestamp")
	if err != nil {
		return nil, err
	}
	switch {
	case ch.archived:
		return nil, fail("is_archived")
	case slices.ContainsFunc(ch.pins, func(p *pin) bool { return p.message == m }):
		return nil, fail("already_pinned")
	case len(ch.pins) >= maxPins:
		return nil, fail("too_many_pins")
	}
	p := &pin{message: m, by: c.who.user.ID, created: time.Now().Unix()}
	ch.pins = append(ch.pins, p)
	m.PinnedTo = append(m.PinnedTo, ch.id)
	c.pinEvent("pin_added", ch, p, c.who.user)
	return nil, nil
}

func pinsRemove(c *call) (object, error) {
	ch, err := c.inside("")
	if err != nil {
		return nil, err
	}
	m, err := c.target(ch, "timestamp")
	if err != nil {
		return nil, err
	}
	p := c.unpin(ch, m)
	if p == nil {
		return nil, fail("no_pin")
	}
	c.pinEvent("pin_removed", ch, p, c.who.user)
	return nil, nil
}

// unpin takes a message's pin away and returns it, where there is one.
func (s *Sandbox) unpin(ch *channel, m *message) *pin {
	i := slices.IndexFunc(ch.pins, func(p *pin) bool { return p.message == m })
	if i < 0 {
		return nil
	}
	p := ch.pins[i]
	ch.pins = slices.Delete(ch.pins, i, i+1)
	m.PinnedTo = nil
	return p
}

func (s *Sandbox) pinView(ch *channel, p *pin) object {
	if p.file != nil {
		return object{"type": "file", "created": p.created, "created_by": p.by, "file": s.fileView(p.file)}
	}
	m := s.view(p.message, actor{})
	m.Permalink = s.permalink(ch, p.message)
	return object{"type": "message", "channel": ch.id, "created": p.created, "created_by": p.by, "message": m}
}

func (s *Sandbox) pinEvent(name string, ch *channel, p *pin, by *user) {
	s.emit(name, ch, object{
		"type": name, "user": by.ID, "channel_id": ch.id, "item": s.pinView(ch, p), "item_user": p.message.User,
		"pin_count": len(ch.pins), "event_ts": s.newTS(), "has_pins": len(ch.pins) > 0,
		"pinned_info": object{"channel": ch.id, "pinned_by": by.ID, "pinned_ts": p.created},
	})
}

func pinsList(c *call) (object, error) {
	ch, err := c.inside("")
	if err != nil {
		return nil, err
	}
	items := []object{}
	for _, p := range slices.Backward(ch.pins) {
		items = append(items, c.pinView(ch, p))
	}
	return object{"items": items}, nil
}

// bookmarked finds the channel of a call on bookmarks, whose argument has another name.
func (c *call) bookmarked() (*channel, error) {
	c.params["channel"] = c.params["channel_id"]
	return c.inside("")
}

func bookmarksAdd(c *call) (object, error) {
	ch, err := c.bookmarked()
	if err != nil {
		return nil, err
	}
	link := c.params["link"]
	u, err := url.Parse(link)
	switch {
	case c.params["title"] == "":
		return nil, badArgument("missing required field: title")
	case c.params["type"] != "link":
		return nil, fail("invalid_bookmark_type")
	case link == "" || err != nil || u.Host == "":
		return nil, fail("invalid_link")
	case len(ch.bookmarks) >= maxBookmarks:
		return nil, fail("too_many_bookmarks")
	}
	b := &bookmark{
		ID: c.newID("Bk"), ChannelID: ch.id, Title: c.params["title"], Link: link, Emoji: c.params["emoji"], Type: "link",
		DateCreated: time.Now().Unix(), Rank: "i", LastUpdatedByUserID: c.who.user.ID, LastUpdatedByTeamID: c.team.id,
	}
	ch.bookmarks = append(ch.bookmarks, b)
	return object{"bookmark": *b}, nil
}

// theBookmark finds the bookmark of a call.
func (c *call) theBookmark(ch *channel) (int, error) {
	i := slices.IndexFunc(ch.bookmarks, func(b *bookmark) bool { return b.ID == c.params["bookmark_id"] })
	if i < 0 {
		return 0, fail("not_found")
	}
	return i, nil
}

func bookmarksEdit(c *call) (object, error) {
	ch, err := c.bookmarked()
	if err != nil {
		return nil, err
	}
	i, err := c.theBookmark(ch)
	if err != nil {
		return nil, err
	}
	b := ch.bookmarks[i]
	if link := c.params["link"]; link != "" {
		if u, err := url.Parse(link); err != nil || u.Host == "" {
			return nil, fail("invalid_link")
		}
		b.Link = link
	}
	b.Title, b.Emoji = or(c.params["title"], b.Title), or(c.params["emoji"], b.Emoji)
	b.DateUpdated, b.LastUpdatedByUserID = time.Now().Unix(), c.who.user.ID
	return object{"bookmark": *b}, nil
}

func bookmarksRemove(c *call) (object, error) {
	ch, err := c.bookmarked()
	if err != nil {
		return nil, err
	}
	i, err := c.theBookmark(ch)
	if err != nil {
		return nil, err
	}
	ch.bookmarks = slices.Delete(ch.bookmarks, i, i+1)
	return nil, nil
}

func bookmarksList(c *call) (object, error) {
	ch, err := c.bookmarked()
	if err != nil {
		return nil, err
	}
	all := []bookmark{}
	for _, b := range ch.bookmarks {
		all = append(all, *b)
	}
	return object{"bookmarks": all}, nil
}
