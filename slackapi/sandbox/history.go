package sandbox

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	historyLimit = 999
	repliesLimit = 1000
	cappedLimit  = 15
)

// A span is the part of a history that a call asks for, in microseconds; both ends
// are inside.
type span struct{ oldest, latest int64 }

func (c *call) span() (span, error) {
	sp := span{latest: 1<<63 - 1}
	inclusive := c.truth("inclusive", false)
	if text := c.params["oldest"]; text != "" && text != "0" {
		ts, ok := parseTS(text)
		if !ok {
			return sp, fail("invalid_ts_oldest")
		}
		if sp.oldest = ts; !inclusive {
			sp.oldest++
		}
	}
	if text := c.params["latest"]; text != "" && text != "now" {
		ts, ok := parseTS(text)
		if !ok {
			return sp, fail("invalid_ts_latest")
		}
		if sp.latest = ts; !inclusive {
			sp.latest--
		}
	}
	return sp, nil
}

func (sp span) holds(m *message) bool {
	ts, _ := parseTS(m.TS)
	return ts >= sp.oldest && ts <= sp.latest
}

// pageSize is the limit of a page of messages, for the app's class.
func (c *call) pageSize(otherwise, most int) (int, error) {
	if c.opt.CappedHistory {
		otherwise, most = cappedLimit, cappedLimit
	}
	return c.limit(otherwise, most)
}

// readable finds the channel of a call whose messages the caller may read: a bot
// those that it is in, a person every public one as well.
func (c *call) readable() (*channel, error) {
	ch, err := c.conversation("history")
	if err == nil && c.who.bot() && !ch.has(c.who.user.ID) {
		err = fail("not_in_channel")
	}
	return ch, err
}

func conversationsHistory(c *call) (object, error) {
	ch, err := c.readable()
	if err != nil {
		return nil, err
	}
	sp, err := c.span()
	if err != nil {
		return nil, err
	}
	limit, err := c.pageSize(100, historyLimit)
	if err != nil {
		return nil, err
	}
	if cursor := c.params["cursor"]; cursor != "" {
		at, ok := decodeCursor("next_ts", cursor)
		ts, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			return nil, fail("invalid_cursor")
		}
		sp.latest = min(sp.latest, ts)
	}
	newest := len(ch.log) - 1
	items, next := pageOf(len(ch.log), 0, limit, func(i int) (*message, bool) {
		m := ch.log[newest-i]
		if !sp.holds(m) {
			return nil, false
		}
		return c.shown(m), true
	})
	reply := object{
		"messages": items, "has_more": next >= 0, "pin_count": len(ch.pins),
		"channel_actions_ts": nil, "channel_actions_count": 0,
	}
	if latest := c.params["latest"]; latest != "" {
		reply["latest"] = latest
	}
	if next >= 0 {
		ts, _ := parseTS(ch.log[newest-next].TS)
		reply["response_metadata"] = object{"next_cursor": encodeCursor("next_ts", strconv.FormatInt(ts, 10))}
	}
	return reply, nil
}

func conversationsReplies(c *call) (object, error) {
	ch, err := c.readable()
	if err != nil {
		return nil, err
	}
	sp, err := c.span()
	if err != nil {
		return nil, err
	}
	limit, err := c.pageSize(repliesLimit, repliesLimit)
	if err != nil {
		return nil, err
	}
	root := ch.byTS[c.params["ts"]]
	if root == nil {
		return nil, fail("thread_not_found")
	}
	if root.reply() && ch.byTS[root.ThreadTS] != nil {
		root = ch.byTS[root.ThreadTS]
	}
	replies := ch.threads[root.TS]
	from := 0
	if cursor := c.params["cursor"]; cursor != "" {
		at, ok := decodeCursor("next_ts", cursor)
		from = slices.IndexFunc(replies, func(m *message) bool { ts, _ := parseTS(m.TS); return strconv.FormatInt(ts, 10) == at })
		if !ok || from < 0 {
			return nil, fail("invalid_cursor")
		}
	}
	items, next := pageOf(len(replies), from, limit, func(i int) (*message, bool) {
		return c.shown(replies[i]), sp.holds(replies[i])
	})
	// Slack begins every page with the root, whatever the span and beyond the limit.
	reply := object{"messages": append([]*message{c.shown(root)}, items...), "has_more": next >= 0}
	if next >= 0 {
		ts, _ := parseTS(replies[next].TS)
		reply["response_metadata"] = object{"next_cursor": encodeCursor("next_ts", strconv.FormatInt(ts, 10))}
	}
	return reply, nil
}

// view returns a message as its readers see it: with its files as they are now.
func (s *Sandbox) view(m *message, who actor) *message {
	v := m.copy()
	for _, id := range m.files {
		if f := s.files[id]; f != nil {
			v.Files = append(v.Files, s.fileView(f))
		}
	}
	if who.user == nil { // an event
		v.Metadata = typeOf(v.Metadata)
	}
	if v.ReplyCount > 0 && who.user != nil {
		v.Subscribed = new(slices.Contains(v.ReplyUsers, who.user.ID) || v.User == who.user.ID)
	}
	return v
}

// shown is a message of a channel's history.
func (c *call) shown(m *message) *message {
	v := c.view(m, c.who)
	if !c.truth("include_all_metadata", false) {
		v.Metadata = typeOf(v.Metadata)
	}
	return v
}

// typeOf is metadata without its contents. An app that has not declared the type in its manifest is
// shown no more of it, in events and where it does not ask for all
// (github.com/slackapi/python-slack-sdk/issues/1501).
func typeOf(metadata json.RawMessage) json.RawMessage {
	var m struct {
		Type string `json:"event_type"`
	}
	if json.Unmarshal(metadata, &m) != nil || m.Type == "" {
		return nil
	}
	bare, _ := json.Marshal(object{"event_type": m.Type, "event_payload": object{}}) // texts always encode
	return bare
}

const maxText = 40_000 // characters of a message

var (
	// control finds what Slack takes as markup between angle brackets.
	control = regexp.MustCompile(`^<(?:[@#!][^<>\s][^<>]*|(?:https?://|mailto:|tel:)[^<>\s|]+(?:\|[^<>]*)?)>`)
	bareURL = regexp.MustCompile(`https?://[^\s<>|]+`)
	entity  = regexp.MustCompile(`^&(?:amp|lt|gt);`)
	mention = regexp.MustCompile(`<@([A-Z0-9]+)(?:\|[^>]*)?>`)
	token   = regexp.MustCompile(`<([@#!])([^>|]+)(?:\|([^>]*))?>|<((?:https?|mailto|tel):[^>|]+)(?:\|([^>]*))?>|:([a-z0-9_+'-]+):`)
)

// normalise writes a text as Slack stores it: &, < and > are escaped but where they
// are Slack's own markup, and bare URLs become links.
func normalise(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case rest[0] == '<':
			if m := control.FindString(rest); m != "" {
				b.WriteString(m)
				i += len(m)
				continue
			}
			b.WriteString("&lt;")
		case rest[0] == '>':
			b.WriteString("&gt;")
		case rest[0] == '&' && !entity.MatchString(rest):
			b.WriteString("&amp;")
		case strings.HasPrefix(rest, "http"):
			if m := bareURL.FindString(rest); m != "" && strings.HasPrefix(rest, m) {
				link := strings.TrimRight(m, ".,;:!?)'\"*_~`")
				b.WriteString("<" + strings.ReplaceAll(link, "&", "&amp;") + ">")
				i += len(link)
				continue
			}
			b.WriteByte(rest[0])
		default:
			b.WriteByte(rest[0])
		}
		i++
	}
	return b.String()
}

func unescape(text string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

// mentions are the users whom a text names.
func mentions(text string) []string {
	var ids []string
	for _, m := range mention.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(ids, m[1]) {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// richText is the block that Slack makes of a typed text.
func richText(text, ts string) json.RawMessage {
	if text == "" {
		return nil
	}
	blocks, err := json.Marshal([]object{{
		"type": "rich_text", "block_id": digest(5, ts, text),
		"elements": []object{{"type": "rich_text_section", "elements": elements(text)}},
	}})
	if err != nil {
		return nil // strings in maps always encode
	}
	return blocks
}

func elements(text string) []object {
	var all []object
	plain := func(s string) {
		if s != "" {
			all = append(all, object{"type": "text", "text": unescape(s)})
		}
	}
	at := 0
	for _, m := range token.FindAllStringSubmatchIndex(text, -1) {
		part := func(n int) string {
			if m[2*n] < 0 {
				return ""
			}
			return text[m[2*n]:m[2*n+1]]
		}
		plain(text[at:m[0]])
		at = m[1]
		all = append(all, element(part))
	}
	plain(text[at:])
	return all
}

// element is the rich text of one match of token.
func element(part func(int) string) object {
	name := part(2)
	switch part(1) {
	case "@":
		return object{"type": "user", "user_id": name}
	case "#":
		return object{"type": "channel", "channel_id": name}
	case "!":
		if id, ok := strings.CutPrefix(name, "subteam^"); ok {
			return object{"type": "usergroup", "usergroup_id": id}
		}
		return object{"type": "broadcast", "range": name}
	}
	if emoji := part(6); emoji != "" {
		return object{"type": "emoji", "name": emoji}
	}
	link := object{"type": "link", "url": unescape(part(4))}
	if label := part(5); label != "" {
		link["text"] = unescape(label)
	}
	return link
}
