package sandbox

import (
	"net/url"
	"slices"
	"time"
)

// maxPins and maxBookmarks are Slack's bounds for a channel.
const (
	maxPins      = 100
	maxBookmarks = 100
)

// A pin is a message that a channel holds up.
type pin struct {
	message *message
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

// shelf finds the channel of a call on bookmarks, whose argument has another name.
func (c *call) shelf() (*channel, error) {
	c.params["channel"] = c.params["channel_id"]
	return c.inside("")
}

func bookmarksAdd(c *call) (object, error) {
	ch, err := c.shelf()
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
	ch, err := c.shelf()
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
	ch, err := c.shelf()
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
	ch, err := c.shelf()
	if err != nil {
		return nil, err
	}
	all := []bookmark{}
	for _, b := range ch.bookmarks {
		all = append(all, *b)
	}
	return object{"bookmarks": all}, nil
}
