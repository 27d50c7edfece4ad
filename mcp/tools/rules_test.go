package tools_test

import (
	"errors"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"slackmcp/mcp/access"
	"slackmcp/mcp/internal/eventtest"
	"slackmcp/mcp/toolset"
	"slackmcp/slackapi/sandbox"
)

// A recorder keeps the methods of the requests that reach Slack.
type recorder struct {
	http.RoundTripper

	mu      sync.Mutex
	methods []string // guarded by mu
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.methods = append(r.methods, path.Base(req.URL.Path))
	r.mu.Unlock()
	return r.RoundTripper.RoundTrip(req)
}

// changing returns those of the requests since the last call that may change something.
func (r *recorder) changing() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.methods {
		if !readingMethods[m] {
			list = append(list, m)
		}
	}
	r.methods = nil
	return list
}

// readingMethods change nothing, whatever their arguments.
var readingMethods = map[string]bool{
	"auth.test": true, "chat.getPermalink": true, "chat.scheduledMessages.list": true, "assistant.search.context": true, "search.messages": true,
	"conversations.list": true, "conversations.info": true, "conversations.history": true, "conversations.replies": true, "conversations.members": true,
	"users.list": true, "users.info": true, "users.conversations": true, "users.lookupByEmail": true, "users.profile.get": true, "users.getPresence": true,
	"usergroups.list": true, "usergroups.users.list": true, "emoji.list": true, "pins.list": true, "bookmarks.list": true, "files.info": true, "files.list": true,
	"reactions.get": true, "canvases.getContent": true, "canvases.sections.lookup": true,
}

// A written is one call of a writing tool.
type written struct {
	args a
	// fresh says that the call makes a conversation, so that no rule can allow it.
	fresh bool
	// person says that the channel may be a person with whom there is no direct message yet.
	person bool
}

// writes has one call of each writing tool, all in #general, and none that would fail there.
func writes(r *rig, ask string) map[string]written {
	r.t.Helper()
	var canvas struct {
		ID string `json:"canvas_id"`
	}
	r.call("slack_create_canvas", a{"title": "plan", "markdown": "x", "channel": sandbox.General}, &canvas)
	var p posted
	r.call("slack_post_message", a{"channel": sandbox.General, "text": "mine"}, &p)
	file, _, err := r.slack.UploadAs("bob", "#general", "a.txt", []byte("x"), "")
	if err != nil {
		r.t.Fatal(err)
	}
	g := sandbox.General
	return map[string]written{
		"slack_post_message":             {args: a{"channel": g, "text": "x"}, person: true},
		"slack_thread_reply":             {args: a{"channel": g, "thread_ts": ask, "texts": "x"}},
		"slack_update_message":           {args: a{"timestamp": p.Permalink, "text": "x"}},
		"slack_delete_message":           {args: a{"channel": g, "timestamp": p.TS}},
		"slack_schedule_message":         {args: a{"channel": g, "text": "x", "post_at": "2h"}, person: true},
		"slack_cancel_scheduled_message": {args: a{"channel": g, "scheduled_message_id": "Q1"}},
		"slack_post_ephemeral":           {args: a{"channel": g, "user": "@bob", "text": "x"}},
		"slack_mark_read":                {args: a{"channel": g, "timestamp": ask}},
		"slack_reply_to_event":           {args: a{"event_id": "EvAsk", "text": "x"}},
		"slack_ask":                      {args: a{"channel": g, "question": "on?", "choices": []string{"on", "off"}, "timeout_seconds": 0}, person: true},
		"slack_add_reactions":            {args: a{"channel": g, "timestamp": ask, "emojis": "eyes"}},
		"slack_remove_reactions":         {args: a{"channel": g, "timestamp": ask, "emojis": "eyes"}},
		"slack_create_channel":           {args: a{"name": "lamps"}, fresh: true},
		"slack_join_channel":             {args: a{"channel": g}},
		"slack_leave_channel":            {args: a{"channel": g}},
		"slack_invite_to_channel":        {args: a{"channel": g, "users": "@bob"}},
		"slack_set_channel_topic":        {args: a{"channel": g, "topic": "x"}},
		"slack_archive_channel":          {args: a{"channel": g}},
		"slack_open_conversation":        {args: a{"users": []string{"@alice", "@bob"}}, fresh: true},
		"slack_upload_file":              {args: a{"channel": g, "filename": "a.txt", "content": "x"}, person: true},
		"slack_share_file":               {args: a{"channel": g, "file_id": file}, person: true},
		"slack_create_canvas":            {args: a{"title": "x", "markdown": "x", "channel": g}},
		"slack_edit_canvas":              {args: a{"canvas_id": canvas.ID, "operation": "insert_at_end", "markdown": "x"}},
		"slack_add_pin":                  {args: a{"channel": g, "timestamp": ask}},
		"slack_remove_pin":               {args: a{"channel": g, "timestamp": ask}},
		"slack_add_bookmark":             {args: a{"channel": g, "title": "x", "link": "https://example.com"}},
		"slack_remove_bookmark":          {args: a{"channel": g, "bookmark_id": "Bk1"}},
	}
}

// A ruled is a rig whose requests are recorded, with a message to act on.
type ruled struct {
	*rig
	record *recorder
	writes map[string]written
}

func newRuled(t *testing.T, allow, deny []string) *ruled {
	t.Helper()
	record := &recorder{RoundTripper: http.DefaultTransport}
	// What there is to act on is made by a rig without rules, in the same workspace.
	free := newRig(t)
	ask, err := free.slack.PostAs("bob", "#general", "<@"+sandbox.BotUser+"> is the lamp on?", sandbox.Saying{})
	if err != nil {
		t.Fatal(err)
	}
	list := writes(free, ask)
	r := newRig(t, func(o *rigOptions) {
		o.guard.Allow, o.guard.Deny, o.guard.PerMinute = allow, deny, -1
		o.client.Transport, o.client.URL = record, free.slack.APIURL()
	})
	r.events.Append(eventtest.Envelope("EvAsk", a{"type": "app_mention", "channel": sandbox.General, "channel_type": "channel", "user": sandbox.Bob, "ts": ask, "text": "is the lamp on?", "team": sandbox.Team}))
	for name, tool := range r.tools {
		if _, there := list[name]; !there && tool.Scope == access.Write && !tool.Effect.ReadOnly() {
			t.Errorf("%s writes, and has no entry in the table of writes", name)
		}
	}
	record.changing()
	return &ruled{r, record, list}
}

// with is some arguments and others.
func with(args, more a) a {
	all := maps.Clone(args)
	maps.Copy(all, more)
	return all
}

// TestEveryWriterKeepsToTheRules calls each writing tool where another conversation is allowed,
// where its own is denied, and where its own is allowed.
func TestEveryWriterKeepsToTheRules(t *testing.T) {
	t.Parallel()
	refused := func(r *ruled, when, name string, args a) {
		t.Helper()
		out, err := r.try(name, args)
		if err == nil || !strings.HasPrefix(toolsFault(err), "channel_not_allowed: ") {
			t.Errorf("%s, %s: %v %s, want channel_not_allowed", when, name, err, out)
		}
		if list := r.record.changing(); len(list) > 0 {
			t.Errorf("%s, %s was refused and called %v", when, name, list)
		}
	}
	another := newRuled(t, []string{"#random"}, nil)
	for name, w := range another.writes {
		for _, more := range []a{{}, {"dry_run": true}} {
			refused(another, "another is allowed", name, with(w.args, more))
			if w.person {
				refused(another, "another is allowed", name, with(w.args, with(more, a{"channel": "@bob"})))
			}
		}
	}
	refused(another, "another is allowed", "slack_open_conversation", a{"users": "@bob"})
	refused(another, "another is allowed", "slack_upload_file", a{"filename": "a.txt", "content": "x"})
	refused(another, "another is allowed", "slack_create_canvas", a{"title": "x"})

	denied := newRuled(t, nil, []string{"https://lantern-works.slack.com/archives/" + sandbox.General, sandbox.Bob})
	for name, w := range denied.writes {
		if name != "slack_create_channel" {
			refused(denied, "it is denied", name, w.args)
		}
		if w.person {
			refused(denied, "it is denied", name, with(w.args, a{"channel": "@bob"}))
		}
	}

	allowed := newRuled(t, []string{"#general", "alice@lantern-works.example"}, nil)
	for name, w := range allowed.writes {
		if w.fresh {
			refused(allowed, "its own is allowed", name, w.args)
			continue
		}
		if _, err := allowed.try(name, with(w.args, a{"dry_run": true})); err != nil {
			t.Errorf("its own is allowed, %s: %s", name, toolsFault(err))
		}
		if w.person {
			if _, err := allowed.try(name, with(w.args, a{"channel": "@alice"})); err != nil {
				t.Errorf("the person is allowed, %s: %s", name, toolsFault(err))
			}
			allowed.record.changing()
			refused(allowed, "another person is allowed", name, with(w.args, a{"channel": "@bob"}))
		}
	}
}

// TestRehearsalsChangeNothing rehearses each writing tool: nothing that reaches Slack changes
// anything, also where a direct message would have to be opened first.
func TestRehearsalsChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRuled(t, nil, nil)
	for name, w := range r.writes {
		calls := []a{w.args}
		if w.person {
			calls = append(calls, with(w.args, a{"channel": "@bob"}), with(w.args, a{"channel": sandbox.Bob}))
		}
		for _, args := range calls {
			if _, err := r.try(name, with(args, a{"dry_run": true})); err != nil {
				t.Errorf("%s: %s", name, toolsFault(err))
			}
			if list := r.record.changing(); len(list) > 0 {
				t.Errorf("the rehearsal of %s with %v called %v", name, args, list)
			}
		}
	}
	var p posted
	r.call("slack_post_message", a{"channel": "@bob", "text": "now"}, &p)
	if list := r.record.changing(); !slices.Contains(list, "conversations.open") || !slices.Contains(list, "chat.postMessage") {
		t.Errorf("a message that is posted called %v: the record shows nothing", list)
	}
}

// TestReadersChangeNothing calls each reading tool that takes a channel with a person with whom
// there is no direct message: none is opened.
func TestReadersChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRuled(t, nil, nil)
	const ts = "1700000000.000100"
	reads := map[string]a{
		"slack_list_events":             {},
		"slack_wait_for_event":          {"timeout_seconds": 1},
		"slack_read_channel_messages":   {},
		"slack_read_thread_messages":    {"thread_ts": ts},
		"slack_list_scheduled_messages": {},
		"slack_get_permalink":           {"timestamp": ts},
		"slack_search_messages":         {"query": "x"},
		"slack_get_reactions":           {"timestamp": ts},
		"slack_list_pins":               {},
		"slack_list_bookmarks":          {},
		"slack_get_channel_info":        {},
		"slack_list_channel_members":    {},
	}
	for name, tool := range r.tools {
		if !tool.Effect.ReadOnly() || tool.Scope == access.Admin || !strings.Contains(string(tool.InputSchema), `"channel"`) {
			continue
		}
		args, there := reads[name]
		if !there {
			t.Errorf("%s reads a channel, and has no entry in the table", name)
			continue
		}
		_, err := r.try(name, with(args, a{"channel": "@bob"}))
		if _, wrong := errors.AsType[*toolset.ArgumentError](err); wrong {
			t.Errorf("%s: %v", name, err)
		}
		if list := r.record.changing(); len(list) > 0 {
			t.Errorf("%s reads, and called %v", name, list)
		}
		if name != "slack_search_messages" && (err == nil || !strings.HasPrefix(toolsFault(err), "no_direct_message: ")) {
			t.Errorf("%s of a person without a direct message: %v", name, err)
		}
	}
	var got messages
	r.call("slack_read_channel_messages", a{"channel": "@alice"}, &got)
}

// TestANameInCapitalsIsNoID writes to a channel whose id is denied by its name, which looks like
// an id and which Slack would post to.
func TestANameInCapitalsIsNoID(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *rigOptions) { o.guard.Deny = []string{sandbox.General} })
	for _, name := range []string{"GENERAL", "<#GENERAL>", "https://x.slack.com/archives/GENERAL", "GENERAL2024"} {
		r.refuses("slack_post_message", a{"channel": name, "text": "x"}, "channel_not_checked: ")
		r.refuses("slack_post_message", a{"channel": name, "text": "x", "dry_run": true}, "channel_not_checked: ")
	}
	r.refuses("slack_post_message", a{"channel": "general", "text": "x"}, "channel_not_allowed: ")
	r.call("slack_post_message", a{"channel": sandbox.Random, "text": "x"}, nil)
}
