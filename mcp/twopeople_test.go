package mcp_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi"
	"slackmcp/slackapi/sandbox"
)

// A private is what one of them alone may see. Each text of it holds the word, by which it can be looked
// for, and the secret, which no caller writes.
type private struct {
	word                      string
	room, name, direct, group string // conversations
	ts, reply                 string // of messages in the room
	file, canvas              string
	bookmark, scheduled       string
	event                     string // of a message in the room
}

func (p *private) conversations() []string {
	return []string{p.room, "#" + p.name, p.name, "https://lantern-works.slack.com/archives/" + p.room, p.direct, p.group}
}

func (p *private) secret() string { return "secret" + p.word }

func (p *private) link(ts string) string {
	return "https://lantern-works.slack.com/archives/" + p.room + "/p" + strings.Replace(ts, ".", "", 1)
}

// keep makes what the owner of a client alone may see.
func keep(t *testing.T, c *slackapi.Client, word string, with ...string) private {
	t.Helper()
	ctx, p := t.Context(), private{word: word, name: word + "-room"}
	word += " " + p.secret()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	room, err := c.CreateChannel(ctx, p.name, true)
	must(err)
	p.room = room.ID
	_, err = c.SetTopic(ctx, p.room, word+" topic")
	must(err)
	_, err = c.SetPurpose(ctx, p.room, word+" purpose")
	must(err)
	said, err := c.PostMessage(ctx, slackapi.Post{Channel: p.room, Text: word + " says"})
	must(err)
	p.ts = said.TS
	said, err = c.PostMessage(ctx, slackapi.Post{Channel: p.room, ThreadTS: p.ts, Text: word + " replies"})
	must(err)
	p.reply = said.TS
	must(c.AddPin(ctx, p.room, p.ts))
	must(c.AddReaction(ctx, p.room, p.ts, "lantern"))
	mark, err := c.AddBookmark(ctx, p.room, word+" mark", "https://example.com/"+p.secret(), "")
	must(err)
	p.bookmark = mark.ID
	p.canvas, err = c.CreateCanvas(ctx, word+" canvas", "# "+word+" text", p.room)
	must(err)
	f, err := c.Upload(ctx, slackapi.Upload{Name: p.secret() + ".txt", Title: word + " title", Data: []byte(word + " contents"), Channel: p.room, Comment: word + " comment"})
	must(err)
	p.file = f.ID
	later, err := c.ScheduleMessage(ctx, slackapi.Post{Channel: p.room, Text: word + " later"}, time.Now().Add(time.Hour))
	must(err)
	p.scheduled = later.ID
	for i, to := range [][]string{with[:1], with} {
		ch, err := c.OpenDM(ctx, to...)
		must(err)
		*[]*string{&p.direct, &p.group}[i] = ch.ID
		_, err = c.PostMessage(ctx, slackapi.Post{Channel: ch.ID, Text: word + " in private"})
		must(err)
	}
	return p
}

// tell makes an event of a message in the room, which the owner may see and who else is named.
func (h *peopleServer) tell(p *private, who ...string) {
	h.t.Helper()
	p.event = "Ev0" + strings.ToUpper(p.word)
	h.members.Put(p.room, who...)
	h.events.Append(eventtest.Envelope(p.event, map[string]any{
		"type": "message", "channel": p.room, "channel_type": "group", "user": sandbox.Grace, "ts": p.ts, "text": p.word + " " + p.secret() + " <@" + sandbox.Bob + "> is told",
	}, map[string]any{"team_id": sandbox.Team}))
}

// probes are the arguments with which each tool is called for what is another's. A tool that is for people
// and is not here fails the test: it has not been judged.
func probes(p *private) map[string][]a {
	in := func(more a) (all []a) {
		for _, c := range p.conversations() {
			args := a{"channel": c}
			maps.Copy(args, more)
			all = append(all, args)
		}
		return all
	}
	at := []a{{"channel": p.room, "timestamp": p.ts}, {"timestamp": p.link(p.ts)}, {"timestamp": p.link(p.reply)}}
	each := func(more a) (all []a) {
		for _, m := range at {
			args := maps.Clone(m)
			maps.Copy(args, more)
			all = append(all, args)
		}
		return all
	}
	return map[string][]a{
		"slack_ask":                     in(a{"question": "hi?", "choices": "yes", "timeout_seconds": 0}),
		"slack_list_channels":           {{}, {"types": "public_channel,private_channel,mpim,im", "limit": 200}, {"query": p.word}, {"query": "room"}},
		"slack_get_channel_info":        in(nil),
		"slack_list_channel_members":    in(a{"response_format": "detailed"}),
		"slack_read_channel_messages":   append(in(nil), in(a{"response_format": "detailed", "oldest": "1d"})...),
		"slack_read_thread_messages":    {{"channel": p.room, "thread_ts": p.ts}, {"thread_ts": p.link(p.ts)}, {"thread_ts": p.link(p.reply)}},
		"slack_search_messages":         {{"query": p.word}, {"query": "says", "channel": p.room}, {"query": "replies", "sort": "timestamp", "response_format": "detailed"}},
		"slack_list_unread":             {{"limit": 40}},
		"slack_list_scheduled_messages": append(in(nil), a{}),
		"slack_list_users":              {{}},
		"slack_search_users":            {{"query": p.word}},
		"slack_get_user_profiles":       {{"users": []string{"@" + p.word, sandbox.Carla}}},
		"slack_get_user_presence":       {{"user": "@" + p.word}},
		"slack_list_user_groups":        {{}},
		"slack_list_user_group_members": {{"user_group": "@" + p.word}},
		"slack_read_emojis":             {{}},
		"slack_search_emojis":           {{"query": p.word}},
		"slack_get_reactions":           at,
		"slack_list_pins":               in(nil),
		"slack_list_bookmarks":          in(nil),
		"slack_list_events": {
			{},
			{"channel": p.room},
			{"channel": p.room, "thread": p.ts},
			{"order": "oldest_first", "response_format": "detailed"},
			{"user": sandbox.Grace},
			{"mentions": sandbox.Bob},
			{"mentions": sandbox.Bob, "unanswered": true, "since": "3w"},
			{"source": "slack", "types": "message.groups", "limit": 1},
		},
		"slack_get_event":                {{"event_id": p.event}, {"event_id": "slack://events/" + p.event}},
		"slack_event_context":            {{"event_id": p.event}, {"event_id": p.event, "response_format": "detailed"}},
		"slack_wait_for_event":           {{"channel": p.room, "timeout_seconds": 1, "limit": 1}},
		"slack_reply_to_event":           {{"event_id": p.event, "text": "hi"}, {"event_id": p.event, "text": "hi", "dry_run": true}},
		"webhook_message_status":         {{"message_id": p.word}},
		"slack_get_file_info":            {{"file_id": p.file}, {"file_id": p.canvas}},
		"slack_read_file":                {{"file_id": p.file}, {"file_id": p.canvas}},
		"slack_read_canvas":              {{"canvas_id": p.canvas}, {"canvas_id": p.canvas, "find": "text"}},
		"slack_get_permalink":            at,
		"slack_post_message":             append(in(a{"text": "hi"}), a{"channel": sandbox.General, "text": "see #" + p.name + " @" + p.word}, a{"channel": p.room, "text": "hi", "dry_run": true}),
		"slack_thread_reply":             {{"channel": p.room, "thread_ts": p.ts, "texts": "hi"}, {"channel": "#" + p.name, "thread_ts": p.link(p.reply), "texts": "hi"}},
		"slack_update_message":           each(a{"text": "hi"}),
		"slack_delete_message":           at,
		"slack_schedule_message":         in(a{"text": "hi", "post_at": "1h"}),
		"slack_cancel_scheduled_message": in(a{"scheduled_message_id": p.scheduled}),
		"slack_post_ephemeral":           in(a{"text": "hi", "user": sandbox.Grace}),
		"slack_mark_read":                at,
		"slack_add_reactions":            each(a{"emojis": "lantern"}),
		"slack_remove_reactions":         each(a{"emojis": "lantern"}),
		"slack_create_channel":           {{"name": p.name}},
		"slack_join_channel":             in(nil),
		"slack_leave_channel":            in(nil),
		"slack_invite_to_channel":        in(a{"users": sandbox.Henrik}),
		"slack_set_channel_topic":        in(a{"topic": "hi"}),
		"slack_archive_channel":          in(nil),
		"slack_open_conversation":        {{"users": "@" + p.word}, {"users": sandbox.Grace}},
		"slack_upload_file":              append(in(a{"filename": "x.txt", "content": "x"}), in(a{"filename": "x.txt", "content": "x", "thread_ts": p.ts})...),
		"slack_share_file":               {{"file_id": p.file, "channel": sandbox.General}, {"file_id": p.canvas, "channel": sandbox.General}, {"file_id": p.file, "channel": p.room}},
		"slack_create_canvas":            in(a{"title": "hi", "markdown": "see #" + p.name}),
		"slack_edit_canvas":              {{"canvas_id": p.canvas, "operation": "insert_at_end", "markdown": "hi"}, {"canvas_id": p.canvas, "operation": "rename", "markdown": "hi"}},
		"slack_add_pin":                  at,
		"slack_remove_pin":               at,
		"slack_add_bookmark":             in(a{"title": "hi", "link": "https://example.com/x"}),
		"slack_remove_bookmark":          in(a{"bookmark_id": p.bookmark}),
	}
}

type a = map[string]any

// readers are the tools with which the owner finds their word.
var readers = []string{
	"slack_list_channels", "slack_get_channel_info", "slack_read_channel_messages", "slack_read_thread_messages", "slack_search_messages",
	"slack_list_events", "slack_get_event", "slack_event_context",
	"slack_list_scheduled_messages", "slack_get_reactions", "slack_list_pins", "slack_list_bookmarks", "slack_get_file_info", "slack_read_file", "slack_read_canvas",
}

// hits reports that an answer shows what is private: a text of it, or the name of its room where the
// caller did not write that themselves.
func (p *private) hits(text string, args a) bool {
	wrote := fmt.Sprint(args)
	return strings.Contains(text, p.secret()) || strings.Contains(text, p.name) && !strings.Contains(wrote, p.name)
}

// Two people, every tool, each with what the other alone may see, and with what the bot alone may see: no
// word of it is shown, whatever was read before, and nothing is asked with another token.
func TestTwoPeopleAndEveryTool(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	of := map[string]*private{}
	for who, p := range map[string]private{
		alice: keep(t, h.by(sandbox.Alice), "canaryalice", sandbox.Grace, sandbox.Ines),
		bob:   keep(t, h.by(sandbox.Bob), "canarybob", sandbox.Grace, sandbox.Ines),
		"bot": keep(t, h.bot, "canarybot", sandbox.Grace, sandbox.Ines),
	} {
		h.tell(&p, strings.Split(who, ".")[0])
		of[who] = &p
	}
	judged := probes(of[alice])
	order := []toolset.Tool{}
	for _, tool := range catalogue(t) {
		if tool.For != toolset.ServiceOnly && judged[tool.Name] == nil {
			t.Errorf("%s is for people, and it is not judged what it shows of others: add it to probes", tool.Name)
		}
		if tool.For == toolset.ServiceOnly && judged[tool.Name] != nil {
			t.Errorf("%s is %s, and has probes", tool.Name, tool.For)
		}
		order = append(order, tool)
	}
	// Whoever may see it has looked at it before: the caches hold it.
	for _, who := range []string{alice, bob, "bot"} {
		token, found := who, 0
		if who == "bot" {
			token = "service"
		}
		for _, name := range readers {
			before := found
			for _, args := range probes(of[who])[name] {
				if of[who].hits(h.call(token, name, args).text, args) {
					found++
				}
			}
			if found == before && (who != "bot" || name != "slack_search_messages" && name != "slack_list_scheduled_messages") {
				t.Errorf("%s does not show its owner's own: this test would not see a leak", name)
			}
		}
	}
	before, calls := h.counted("bot"), 0
	slices.SortStableFunc(order, func(x, y toolset.Tool) int { return int(x.Effect) - int(y.Effect) }) // who destroys comes last
	for _, tool := range order {
		for _, pair := range [][2]string{{bob, alice}, {bob, "bot"}, {alice, bob}, {alice, "bot"}} {
			who, other := pair[0], of[pair[1]]
			for _, args := range probes(other)[tool.Name] {
				calls++
				if got := h.call(who, tool.Name, args); other.hits(got.text, args) {
					t.Errorf("%s %v by %s shows what is of %s: %s", tool.Name, args, who, pair[1], got.text)
				}
			}
		}
	}
	if n := h.counted("bot") - before; n != 0 {
		t.Errorf("%d calls were made with the bot's token for people", n)
	}
	t.Logf("%d calls of %d tools", calls, len(judged))
	for _, who := range []string{alice, bob} { // nothing was changed
		got := h.call(who, "slack_read_channel_messages", a{"channel": of[who].room})
		if !strings.Contains(got.text, of[who].secret()+" says") || strings.Contains(got.text, `"hi"`) {
			t.Errorf("the room of %s: %s", who, got.text)
		}
		if info := h.call(who, "slack_get_channel_info", a{"channel": of[who].room}); !strings.Contains(info.text, of[who].secret()+" topic") {
			t.Errorf("the room of %s: %s", who, info.text)
		}
	}
	completions(t, h, of)
}

// completions asks for names that are begun.
func completions(t *testing.T, h *peopleServer, of map[string]*private) {
	t.Helper()
	for _, who := range []string{alice, bob} {
		for _, ref := range []a{{"type": "ref/resource", "uri": "slack://channels/{channel}/events"}, {"type": "ref/prompt", "name": "summarize_channel"}} {
			for _, typed := range []string{"", "canary", "#canary"} {
				_, body, _ := h.as(who, "completion/complete", a{"ref": ref, "argument": a{"name": "channel", "value": typed}})
				for whose, p := range of {
					if whose == who {
						continue
					}
					if strings.Contains(body, p.name) || strings.Contains(body, p.room) {
						t.Errorf("completion of %q for %s: %s", typed, who, body)
					}
				}
			}
		}
	}
}

// What is hidden and what does not exist is answered alike.
func TestHiddenIsAbsent(t *testing.T) {
	t.Parallel()
	h := newPeopleServer(t)
	hidden := keep(t, h.by(sandbox.Alice), "canaryalice", sandbox.Grace, sandbox.Ines)
	h.tell(&hidden, sandbox.Alice)
	absent := hidden
	absent.word, absent.name = "canarynoone", "canarynoone-room"
	for _, id := range []*string{&absent.room, &absent.direct, &absent.group, &absent.file, &absent.canvas, &absent.bookmark, &absent.scheduled, &absent.event} {
		*id = (*id)[:1] + "0NOBODY" + (*id)[min(8, len(*id)):]
	}
	ids := regexp.MustCompile(`\b[A-Z][A-Z0-9]{7,}\b|canarynoone|canaryalice|"year":[0-9]+|"(next_)?cursor":"[\w-]{60,}"|[0-9]{10}\.?[0-9]{6}`)
	plain := func(s string) string { return ids.ReplaceAllString(s, "_") }
	left := []string{
		"slack_create_channel",                           // Slack says that a name is taken
		"slack_list_channels", "slack_open_conversation", // nothing of it is asked for by its id
	}
	for name, hiddenArgs := range probes(&hidden) {
		if slices.Contains(left, name) {
			continue
		}
		for i, args := range probes(&absent)[name] {
			seen, none := h.call(bob, name, hiddenArgs[i]), h.call(bob, name, args)
			if plain(seen.text) != plain(none.text) {
				t.Errorf("%s %v: hidden %q, absent %q", name, hiddenArgs[i], seen.text, none.text)
			}
		}
	}
}
