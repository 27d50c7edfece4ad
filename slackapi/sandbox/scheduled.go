package sandbox

import (
	"slices"
	"strconv"
	"time"
)

const maxAhead = 120 * 24 * time.Hour

// A scheduled message becomes a message at its time.
type scheduled struct {
	id, channel string
	at, created int64 // Unix seconds
	who         actor
	draft       draft
}

func chatScheduleMessage(c *call) (object, error) {
	ch, err := c.destination()
	if err != nil {
		return nil, err
	}
	d, err := c.draft()
	if err != nil {
		return nil, err
	}
	at, err := strconv.ParseInt(c.params["post_at"], 10, 64)
	now := time.Now()
	switch {
	case err != nil:
		return nil, fail("invalid_time")
	case at <= now.Unix():
		return nil, fail("time_in_past")
	case at > now.Add(maxAhead).Unix():
		return nil, fail("time_too_far")
	case ch.archived:
		return nil, fail("is_archived")
	case !ch.has(c.who.user.ID):
		return nil, fail("not_in_channel")
	}
	m := &scheduled{id: c.newID("Q"), channel: ch.id, at: at, created: now.Unix(), who: c.who, draft: d}
	c.scheduled = append(c.scheduled, m)
	slices.SortStableFunc(c.scheduled, func(a, b *scheduled) int { return int(a.at - b.at) })
	c.poke()
	blocks := d.blocks
	if blocks == nil {
		blocks = richText(normalise(d.text), m.id)
	}
	reply := object{"type": "delayed_message", "text": normalise(d.text), "user": c.who.user.ID, "team": c.team.id, "blocks": blocks}
	if c.who.bot() {
		reply["bot_id"], reply["app_id"], reply["bot_profile"] = c.app.botID, c.app.id, c.botProfile()
	}
	return object{"channel": ch.id, "scheduled_message_id": m.id, "post_at": at, "message": reply}, nil
}

func chatScheduledMessagesList(c *call) (object, error) {
	limit, err := c.limit(100, 100)
	if err != nil {
		return nil, err
	}
	if id := c.params["channel"]; id != "" {
		if ch, ok := c.channel(id); !ok || !c.sees(ch) {
			return nil, fail("invalid_channel")
		}
	}
	from := 0
	if cursor := c.params["cursor"]; cursor != "" {
		id, ok := decodeCursor("next_id", cursor)
		from = slices.IndexFunc(c.scheduled, func(m *scheduled) bool { return m.id == id })
		if !ok || from < 0 {
			return nil, fail("invalid_cursor")
		}
	}
	oldest, latest := c.seconds("oldest", 0), c.seconds("latest", 1<<62)
	items, next := page(len(c.scheduled), from, limit, func(i int) (object, bool) {
		m := c.scheduled[i]
		if m.who.user.ID != c.who.user.ID || c.params["channel"] != "" && m.channel != c.params["channel"] || m.at < oldest || m.at > latest {
			return nil, false
		}
		return object{"id": m.id, "channel_id": m.channel, "post_at": m.at, "date_created": m.created, "text": normalise(m.draft.text)}, true
	})
	cursor := ""
	if next >= 0 {
		cursor = encodeCursor("next_id", c.scheduled[next].id)
	}
	return object{"scheduled_messages": items, "response_metadata": object{"next_cursor": cursor}}, nil
}

func (c *call) seconds(name string, otherwise int64) int64 {
	if micro, ok := parseTS(c.params[name]); ok {
		return micro / 1e6
	}
	return otherwise
}

func chatDeleteScheduledMessage(c *call) (object, error) {
	i := slices.IndexFunc(c.scheduled, func(m *scheduled) bool {
		return m.id == c.params["scheduled_message_id"] && m.channel == c.params["channel"] && m.who.user.ID == c.who.user.ID
	})
	if i < 0 {
		return nil, fail("invalid_scheduled_message_id")
	}
	c.scheduled = slices.Delete(c.scheduled, i, i+1)
	return nil, nil
}

// due posts what was scheduled for now or before. What cannot be posted any more is
// dropped, as Slack does. It requires s.mu.
func (s *Sandbox) due() {
	now := time.Now().Unix()
	for len(s.scheduled) > 0 && s.scheduled[0].at <= now {
		m := s.scheduled[0]
		s.scheduled = s.scheduled[1:]
		if ch, ok := s.channel(m.channel); ok {
			_, _ = s.post(ch, m.who, m.draft) // archived or left meanwhile
		}
	}
}

// poke wakes the clock of scheduled messages.
func (s *Sandbox) poke() {
	select {
	case s.clock <- struct{}{}:
	default:
	}
}

// nextDue posts what is due and says how long until the next.
func (s *Sandbox) nextDue() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due()
	if len(s.scheduled) == 0 {
		return time.Hour
	}
	return max(time.Until(time.Unix(s.scheduled[0].at, 0)), time.Millisecond)
}

// runClock posts scheduled messages at their time until done is closed.
func (s *Sandbox) runClock(done <-chan struct{}) {
	for {
		t := time.NewTimer(s.nextDue())
		select {
		case <-t.C:
		case <-s.clock:
		case <-done:
			t.Stop()
			return
		}
		t.Stop()
	}
}
