package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A search is a query as people type it into Slack: words, "phrases", -words, and
// modifiers such as in:#channel, from:@name, before:2026-01-31.
type search struct {
	words, without []string
	in, from       []string
	before, after  int64 // microseconds, exclusive; 0 is open
	has            []string
	threads        bool
	zone           *time.Location
}

// parseSearch reads a query. me is who asks, for from:me and for when a day begins.
func (s *Sandbox) parseSearch(query string, me *user) search {
	q := search{zone: time.FixedZone(me.TZ, me.TZOffset)}
	for _, term := range terms(query) {
		name, value, found := strings.Cut(term, ":")
		value = strings.Trim(value, `"`)
		if !found || value == "" || strings.HasPrefix(value, "//") {
			name = ""
		}
		switch strings.ToLower(name) {
		case "in":
			q.in = append(q.in, s.placeID(value))
		case "from":
			q.from = append(q.from, s.authorID(value, me.ID))
		case "before", "after", "on", "during":
			q.when(strings.ToLower(name), value)
		case "has":
			q.has = append(q.has, value)
		case "is":
			q.threads = q.threads || value == "thread"
		default:
			if word, no := strings.CutPrefix(term, "-"); no && word != "" {
				q.without = append(q.without, strings.ToLower(strings.Trim(word, `"`)))
				continue
			}
			q.words = append(q.words, strings.ToLower(strings.Trim(term, `"`)))
		}
	}
	return q
}

// terms cuts a query at spaces outside quotes.
func terms(query string) []string {
	quoted := false
	return strings.FieldsFunc(query, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n')
	})
}

func (s *Sandbox) placeID(value string) string {
	value = strings.Trim(value, "<>#")
	value, _, _ = strings.Cut(value, "|")
	if ch, ok := s.channel(value); ok {
		return ch.id
	}
	if ch := s.named(value); ch != nil {
		return ch.id
	}
	if u := s.personNamed(strings.TrimPrefix(value, "@")); u != nil {
		return u.ID
	}
	return value
}

func (s *Sandbox) authorID(value, me string) string {
	value = strings.Trim(value, "<>@")
	if value == "me" {
		return me
	}
	if u := s.personNamed(value); u != nil {
		return u.ID
	}
	return value
}

func (q *search) when(name, value string) {
	day, err := time.ParseInLocation(time.DateOnly, value, q.zone)
	length := 24 * time.Hour
	if err != nil {
		if day, err = time.ParseInLocation("2006-01", value, q.zone); err != nil {
			return
		}
		length = day.AddDate(0, 1, 0).Sub(day)
	}
	switch name {
	case "before":
		q.before = day.UnixMicro()
	case "after":
		q.after = day.Add(length).UnixMicro() - 1
	case "on", "during":
		q.after, q.before = day.UnixMicro()-1, day.Add(length).UnixMicro()
	}
}

// match scores a message; 0 is none.
func (q search) match(ch *channel, m *message) int {
	if !q.admits(ch, m) {
		return 0
	}
	text, score := strings.ToLower(unescape(m.Text)+"\n"+written(m.Attachments)+"\n"+writtenBlocks(m)), 1
	for _, w := range q.without {
		if strings.Contains(text, w) {
			return 0
		}
	}
	for _, w := range q.words {
		n := strings.Count(text, w)
		if n == 0 {
			return 0
		}
		score += n
	}
	return score
}

// writtenBlocks are the texts of the blocks that a message's author gave it.
func writtenBlocks(m *message) string {
	if !m.ownBlocks {
		return ""
	}
	return written(m.Blocks)
}

// written are the texts that people see of blocks or attachments, a line each.
func written(raw json.RawMessage) string {
	var v any
	if raw == nil || json.Unmarshal(raw, &v) != nil {
		return ""
	}
	var lines []string
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case string:
			if seen[key] {
				lines = append(lines, v)
			}
		case []any:
			for _, one := range v {
				walk(key, one)
			}
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(name, v[name])
			}
		}
	}
	walk("", v)
	return strings.Join(lines, "\n")
}

// seen are the members of blocks and attachments whose texts people see.
var seen = map[string]bool{
	"text": true, "title": true, "value": true, "pretext": true, "author_name": true, "footer": true, "fallback": true,
}

// admits reports whether a message passes the modifiers.
func (q search) admits(ch *channel, m *message) bool {
	ts, _ := parseTS(m.TS)
	switch {
	case len(q.in) > 0 && !slices.ContainsFunc(q.in, ch.called),
		len(q.from) > 0 && !slices.Contains(q.from, m.User),
		q.before > 0 && ts >= q.before,
		q.after > 0 && ts <= q.after,
		q.threads && m.ThreadTS == "":
		return false
	}
	return !slices.ContainsFunc(q.has, func(what string) bool { return !has(m, what) })
}

// called reports whether an id is the channel's, or of a person in a direct message.
func (c *channel) called(id string) bool { return id == c.id || c.kind == direct && c.has(id) }

func has(m *message, what string) bool {
	switch what {
	case "link":
		return strings.Contains(m.Text, "<http")
	case "reaction":
		return len(m.Reactions) > 0
	case "file":
		return len(m.files) > 0
	case "pin":
		return len(m.PinnedTo) > 0
	}
	return slices.ContainsFunc(m.Reactions, func(r reaction) bool { return r.Name == strings.Trim(what, ":") })
}

// A hit is a message that a search found.
type hit struct {
	ch    *channel
	m     *message
	score int
}

// said are the subtypes of messages that a person or an app wrote.
var said = map[string]bool{"": true, "thread_broadcast": true, "file_share": true, "bot_message": true, "me_message": true}

// find runs a search over what may be seen, newest first or by score.
func (s *Sandbox) find(q search, may func(*channel) bool, byScore bool) []hit {
	var hits []hit
	for _, ch := range slices.AppendSeq(slices.Collect(maps.Values(s.channels.byID)), maps.Values(s.crowd.kept)) {
		if !may(ch) {
			continue
		}
		for _, m := range ch.byTS {
			if score := q.match(ch, m); score > 0 && said[m.Subtype] {
				hits = append(hits, hit{ch, m, score})
			}
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if byScore && a.score != b.score {
			return b.score - a.score
		}
		return strings.Compare(b.m.TS+b.ch.id, a.m.TS+a.ch.id)
	})
	return hits
}

func searchMessages(c *call) (object, error) {
	query := strings.TrimSpace(c.params["query"])
	if query == "" {
		return nil, fail("no_query")
	}
	count, err := c.limit(20, 100)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(or(c.params["page"], "1"))
	if err != nil || number < 1 || number > 100 {
		return nil, badArgument("page must be 1 to 100 [json-pointer:/page]")
	}
	hits := c.find(c.parseSearch(query, c.who.user), c.sees, or(c.params["sort"], "score") == "score")
	if c.params["sort_dir"] == "asc" {
		slices.Reverse(hits)
	}
	pages := (len(hits) + count - 1) / count
	begin := min((number-1)*count, len(hits))
	matches := []object{}
	for _, h := range hits[begin:min(begin+count, len(hits))] {
		matches = append(matches, c.matchView(h))
	}
	first, last := 0, 0
	if len(matches) > 0 {
		first, last = begin+1, begin+len(matches)
	}
	return object{"query": query, "messages": object{
		"total": len(hits), "matches": matches,
		"pagination": object{"total_count": len(hits), "page": number, "per_page": count, "page_count": pages, "first": first, "last": last},
		"paging":     object{"count": count, "total": len(hits), "page": number, "pages": pages},
	}}, nil
}

func (c *call) matchView(h hit) object {
	name := h.ch.name
	if h.ch.kind == direct {
		for _, id := range h.ch.members {
			if id != c.who.user.ID {
				name = id
			}
		}
	}
	view := object{
		"iid": uuidOf(h.ch.id, h.m.TS), "team": c.team.id, "score": h.score, "type": "message", "user": h.m.User,
		"username": or(h.m.Username, c.nameOf(h.m.User)), "ts": h.m.TS, "text": h.m.Text, "permalink": c.permalink(h.ch, h.m),
		"no_reactions": len(h.m.Reactions) == 0, "channel": object{
			"id": h.ch.id, "name": name, "is_channel": h.ch.kind == public, "is_group": h.ch.kind == private, "is_im": h.ch.kind == direct,
			"is_mpim": h.ch.kind == group, "is_private": h.ch.kind != public, "is_shared": h.ch.external, "is_org_shared": false,
			"is_ext_shared": h.ch.external, "is_pending_ext_shared": false, "pending_shared": []string{},
		},
	}
	v := c.view(h.m, c.who)
	for name, value := range map[string]json.RawMessage{"blocks": v.Blocks, "attachments": v.Attachments} {
		if value != nil {
			view[name] = value
		}
	}
	if len(v.Files) > 0 {
		view["files"] = v.Files
	}
	return view
}

// contextSearch is assistant.search.context: for apps that are agents. A bot token
// needs the action_token of an event that a person's message caused, and finds what
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
	from, err := c.offset()
	if err != nil {
		return nil, err
	}
	q := c.parseSearch(strings.TrimRight(query, "?!."), c.who.user)
	q.before, q.after = c.seconds("before", q.before/1e6)*1e6, c.seconds("after", q.after/1e6)*1e6
	hits := c.find(q, c.searchable(), c.params["sort"] != "timestamp")
	if !c.truth("include_bots", false) {
		hits = slices.DeleteFunc(hits, func(h hit) bool { return h.m.BotID != "" })
	}
	messages := []object{}
	for _, h := range hits[min(from, len(hits)):min(from+limit, len(hits))] {
		v := c.contextView(h.ch, h.m)
		if b := c.view(h.m, c.who).Blocks; b != nil && c.truth("include_message_blocks", false) {
			v["blocks"] = b
		}
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

// offset is where the page begins that the call asks for.
func (c *call) offset() (int, error) {
	cursor := c.params["cursor"]
	if cursor == "" {
		return 0, nil
	}
	at, ok := decodeCursor("offset", cursor)
	from, err := strconv.Atoi(at)
	if !ok || err != nil || from < 0 {
		return 0, fail("invalid_cursor")
	}
	return from, nil
}

// mayAsk checks that there is a person on whose behalf a bot searches.
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

// newActionToken makes what an agent's bot token needs to search on a person's behalf;
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
