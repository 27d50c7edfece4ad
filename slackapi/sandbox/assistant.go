package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

// contextSearch is assistant.search.context: for apps that are agents. A bot token
// needs the action_token of an event that somebody's message caused, and finds what
// that person could find in public channels.
func contextSearch(c *call) (object, error) {
	query := strings.TrimSpace(c.params["query"])
	if query == "" {
		return nil, fail("missing_query")
	}
	if err := c.mayAsk(); err != nil {
		return nil, err
	}
	limit, err := c.limit(20, 20)
	if err != nil {
		return nil, err
	}
	from := 0
	if cursor := c.params["cursor"]; cursor != "" {
		at, ok := decodeCursor("offset", cursor)
		if from, err = strconv.Atoi(at); !ok || err != nil || from < 0 {
			return nil, fail("invalid_cursor")
		}
	}
	q := c.parseSearch(strings.TrimRight(query, "?!."), c.who.user.ID)
	q.before, q.after = c.seconds("before", q.before/1e6)*1e6, c.seconds("after", q.after/1e6)*1e6
	hits := c.find(q, c.searchable(), c.params["sort"] != "timestamp")
	if !c.truth("include_bots", false) {
		hits = slices.DeleteFunc(hits, func(h hit) bool { return h.m.BotID != "" })
	}
	messages := []object{}
	for _, h := range hits[min(from, len(hits)):min(from+limit, len(hits))] {
		v := c.contextView(h.ch, h.m)
		if c.truth("include_context_messages", false) {
			v["context_messages"] = c.around(h)
		}
		messages = append(messages, v)
	}
	cursor := ""
	if from+limit < len(hits) {
		cursor = encodeCursor("offset", strconv.Itoa(from+limit))
	}
	return object{"results": object{"messages": messages}, "response_metadata": object{"next_cursor": cursor}}, nil
}

// mayAsk checks that a bot has somebody on whose behalf it searches.
func (c *call) mayAsk() error {
	switch t := c.params["action_token"]; {
	case !c.who.bot() || slices.Contains(c.actionTokens, t):
		return nil
	case t == "":
		return fail("missing_action_token")
	}
	return fail("invalid_action_token")
}

// searchable are the conversations of the kinds that the call asks for; a bot gets
// public ones whatever it asks.
func (c *call) searchable() func(*channel) bool {
	types := c.list("channel_types")
	if len(types) == 0 || c.who.bot() {
		types = []string{public.listType()}
	}
	return func(ch *channel) bool { return c.sees(ch) && slices.Contains(types, ch.kind.listType()) }
}

func (c *call) contextView(ch *channel, m *message) object {
	u, _ := c.user(m.User)
	name, isBot := m.Username, m.BotID != ""
	if u != nil {
		name, isBot = u.RealName, u.IsBot
	}
	return object{
		"author_name": name, "author_user_id": m.User, "team_id": c.team.id, "channel_id": ch.id, "channel_name": ch.name,
		"message_ts": m.TS, "content": m.Text, "is_author_bot": isBot, "permalink": c.permalink(ch, m),
	}
}

// around is up to two messages before a hit and two after it.
func (c *call) around(h hit) object {
	before, after := []object{}, []object{}
	i := slices.Index(h.ch.log, h.m)
	if i >= 0 {
		for _, m := range h.ch.log[max(i-2, 0):i] {
			before = append(before, c.contextView(h.ch, m))
		}
		for _, m := range h.ch.log[i+1 : min(i+3, len(h.ch.log))] {
			after = append(after, c.contextView(h.ch, m))
		}
	}
	return object{"before": before, "after": after}
}

const maxActionTokens = 1000

// newActionToken makes what an agent's bot token needs to search on somebody's behalf;
// events carry it for apps with the scope assistant:write. Empty for others.
func (s *Sandbox) newActionToken() string {
	if !(actor{scopes: s.botScopes()}).has("assistant:write") {
		return ""
	}
	t := digest(32, s.newID("action"), s.opt.SigningSecret)
	s.actionTokens = append(s.actionTokens, t)
	if len(s.actionTokens) > maxActionTokens {
		s.actionTokens = slices.Delete(s.actionTokens, 0, 1)
	}
	return t
}
